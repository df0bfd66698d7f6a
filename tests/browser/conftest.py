"""A facility and a browser, once for all stories."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from facility_world import RunningFacility, running_facility
from people import PATIENCE_MS, launch, running_browser
from playwright.sync_api import Browser, BrowserContext, Error, Page


@pytest.fixture(scope="session")
def shared_facility(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningFacility]:
    with running_facility(tmp_path_factory.mktemp("af") / "data") as running:
        yield running


@pytest.fixture
def facility(shared_facility: RunningFacility) -> Iterator[RunningFacility]:
    """A facility where no server runs when a story begins."""
    yield shared_facility
    shared_facility.end_servers()


@pytest.fixture(scope="session")
def launched() -> Iterator[list[Browser]]:
    """Every Chromium so far."""
    with running_browser() as chromium:
        yield [chromium]


@pytest.fixture
def browser(launched: list[Browser]) -> Browser:
    """Return a Chromium that runs: one that ended fails one story, not all after it."""
    try:
        # it knows of its end only once it is asked for something
        launched[-1].new_context().close()
    except Error:
        launched.append(launch(launched[-1].browser_type))
    return launched[-1]


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(
        viewport={"width": 1280, "height": 850}, locale="en-GB"
    )
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()

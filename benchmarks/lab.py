"""The start of a Lab with our plugin: against the same Lab whose page leaves it out."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Route

from .harness import ROOT, Report, Sample, compare, middle_seconds, rounds_wanted

sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT / "tests" / "browser"))
from facility_world import RunningFacility, running_facility
from people import press_start, running_browser, sign_in

TEXT = """
Wall time in Chromium from the navigation until the splash is gone and the file browser
lists its first file, by the page's own clock; the server runs in a facility, the page
comes fresh each time. Without: the plugin is taken out of the page's list of extensions
on its way to the browser. Both pass through the same hands, so both load everything anew.
"""
CONFIG = re.compile(
    r'(<script id="jupyter-config-data" type="application/json">)(.*?)(</script>)', re.S
)
IS_THERE = """() =>
  !document.getElementById('jupyterlab-splash') &&
  document.querySelector('.jp-DirListing-item') &&
  document.querySelector('#jp-main-dock-panel') && performance.now()"""
PLUGIN = "jupyterlab-af"
SETTLE_MS = 1500


def without_plugin(page: str) -> str:
    """Return Lab's page without our plugin."""
    found = CONFIG.search(page)
    assert found, "Lab's page has no configuration"
    config = json.loads(found[2])
    extensions = config["federated_extensions"]
    kept = [one for one in extensions if one["name"] != PLUGIN]
    assert len(kept) == len(extensions) - 1, "the plugin is not in Lab's page"
    config["federated_extensions"] = kept
    return page.replace(found[2], json.dumps(config))


def sample_of(context: BrowserContext, url: str, *, has_plugin: bool) -> Sample:
    """Return what opens a Lab and closes it, and returns the seconds."""

    def hand_on(route: Route) -> None:
        answer = route.fetch()
        text = answer.text()
        route.fulfill(
            response=answer, body=text if has_plugin else without_plugin(text)
        )

    def sample() -> float:
        page = context.new_page()
        try:
            page.route(lambda found: found.partition("?")[0] == url, hand_on)
            page.goto(url, wait_until="commit")
            shown = page.wait_for_function(IS_THERE, polling="raf", timeout=60_000)
            seconds = float(shown.json_value()) / 1000
            # what is left to do is not the next sample's
            page.wait_for_timeout(SETTLE_MS)
            assert page.locator(".jp-af-Profile").count() == int(has_plugin)
            return seconds
        finally:
            page.close()

    return sample


def signed_in(browser: Browser, facility: RunningFacility) -> BrowserContext:
    """Return a browser's context whose person has a server that runs."""
    context = browser.new_context(viewport={"width": 1280, "height": 850})
    page = context.new_page()
    sign_in(page, facility, "student1")
    page.goto(f"{facility.url}hub/spawn")
    press_start(page, "DODAS V5")
    page.close()
    return context


def main() -> int:
    report = Report("lab", "Start of a Lab (`benchmarks/lab.py`)", TEXT)
    with (
        tempfile.TemporaryDirectory() as name,
        running_facility(Path(name) / "data") as facility,
        running_browser() as browser,
    ):
        context = signed_in(browser, facility)
        url = f"{facility.url}user/student1/lab/tree/private"
        found = compare(
            ("with the plugin", "without"),
            sample_of(context, url, has_plugin=True),
            sample_of(context, url, has_plugin=False),
            rounds=rounds_wanted(5),
        )
        context.close()
    report.add(found, at_most=1.05)
    a, b = middle_seconds(found)
    report.note("from navigation to a usable Lab", f"{a:.2f} s, without {b:.2f} s")
    return report.publish()


if __name__ == "__main__":
    sys.exit(main())

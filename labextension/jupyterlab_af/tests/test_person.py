from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from jupyterlab_af.person import LAST_REQUEST, PersonWatch


class World:
    """A server: what it was asked last, and whether a tab listens."""

    def __init__(self):
        self.settings = {}
        self.has_tabs = False
        self.watch = PersonWatch(self.settings, lambda: self.has_tabs)
        self.watch._last_at -= 3600

    def asked(self, ago):
        self.settings[LAST_REQUEST] = datetime.now(UTC) - timedelta(seconds=ago)

    def quiet(self):
        """Return for how long nobody did anything; a busy machine makes it longer."""
        return pytest.approx(time.monotonic() - self.watch.last_at(), abs=30)


@pytest.fixture
def world():
    return World()


def test_the_start_of_the_server_is_the_first_act():
    before = time.monotonic()
    watch = PersonWatch({}, lambda: False)
    assert before <= watch.last_at() <= time.monotonic()


def test_a_tab_that_is_used_is_an_act(world):
    world.has_tabs = True
    world.watch.saw()
    assert world.quiet() == 0


def test_requests_are_no_act_while_a_tab_is_seen(world):
    world.has_tabs = True
    world.asked(ago=0)
    assert world.quiet() == 3600


def test_requests_count_while_no_tab_is_seen(world):
    world.asked(ago=70)
    assert world.quiet() == 70


def test_an_older_request_changes_nothing(world):
    world.asked(ago=70)
    world.quiet()
    world.asked(ago=7000)
    assert world.quiet() == 70


def test_a_request_of_the_future_counts_as_now(world):
    world.asked(ago=-7000)
    assert world.quiet() == 0


def test_an_unknown_time_is_no_act(world):
    world.settings[LAST_REQUEST] = "yesterday"
    assert world.quiet() == 3600

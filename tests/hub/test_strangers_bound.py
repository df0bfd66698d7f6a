"""What strangers make the hub write has a bound; nobody else's lines have."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from jupyterhub_af.hub.flood import (
    LINES_A_MINUTE,
    LONGEST_LINE,
    TRACEBACKS_A_MINUTE,
    StrangersBound,
    is_stranger,
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def log(clock: Clock, kept: Kept) -> Iterator[logging.Logger]:
    logger = logging.getLogger("test-flood")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    bound = StrangersBound(logger, clock)
    logger.addFilter(bound)
    logger.addHandler(kept)
    yield logger
    logger.removeFilter(bound)
    logger.removeHandler(kept)


@pytest.fixture
def stranger() -> Iterator[None]:
    token = is_stranger.set(True)
    yield
    is_stranger.reset(token)


def test_lines_of_strangers_are_written_up_to_the_bound(log, kept, stranger):
    for number in range(10 * LINES_A_MINUTE):
        log.info("line %d", number)
    assert kept.lines == [f"line {n}" for n in range(LINES_A_MINUTE)]


def test_the_next_minute_says_how_many_were_left_out(log, kept, clock, stranger):
    for number in range(LINES_A_MINUTE + 7):
        log.info("line %d", number)
    clock.now += 61
    log.info("again")
    assert kept.lines[LINES_A_MINUTE:] == [
        "left out 7 lines about requests of people who are not logged in",
        "again",
    ]
    clock.now += 61
    log.info("and again")
    assert kept.lines[-1] == "and again"
    assert len(kept.lines) == LINES_A_MINUTE + 3


def test_lines_of_people_are_all_written_while_strangers_flood(log, kept):
    token = is_stranger.set(True)
    for _ in range(2 * LINES_A_MINUTE):
        log.info("stranger")
    is_stranger.reset(token)
    for _ in range(2 * LINES_A_MINUTE):
        log.info("student1")
    assert kept.lines.count("student1") == 2 * LINES_A_MINUTE


def test_people_see_at_once_what_was_left_out_of_strangers(log, kept, clock):
    token = is_stranger.set(True)
    for _ in range(LINES_A_MINUTE + 1):
        log.info("stranger")
    is_stranger.reset(token)
    clock.now += 61
    log.info("student1")
    assert [line.split(" lines")[0] for line in kept.lines[-2:]] == [
        "left out 1",
        "student1",
    ]


def fail(log) -> None:
    try:
        raise RuntimeError("a bug")
    except RuntimeError:
        log.exception("it broke")


def test_a_traceback_is_written_while_strangers_flood(log, kept, stranger):
    for _ in range(2 * LINES_A_MINUTE):
        log.info("stranger")
    fail(log)
    assert kept.lines[-1] == "it broke"


def test_a_traceback_is_no_way_to_flood(log, kept, stranger):
    for _ in range(10 * TRACEBACKS_A_MINUTE):
        fail(log)
    assert kept.lines == ["it broke"] * TRACEBACKS_A_MINUTE


def test_a_long_line_is_cut(log, kept, stranger):
    log.warning("400 GET %s", "x" * 10**6)
    assert len(kept.lines[0]) == LONGEST_LINE + 1
    assert kept.lines[0].startswith("400 GET xxx")

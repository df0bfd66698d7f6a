"""The facility file while somebody writes it, and while many ask for it."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest
from worlds import FACILITY_TEXT, edited

import jupyterhub_af.catalogue
from jupyterhub_af.catalogue import Catalogue

V6 = edited(("display_name: DODAS V5", "display_name: DODAS V6"))
LOG = logging.getLogger("catalogue")


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / "facility.yaml"
    path.write_text(FACILITY_TEXT)
    return path


@pytest.fixture
def catalogue(path, caplog) -> Catalogue:
    caplog.set_level(logging.INFO)
    return Catalogue(path, LOG)


def put(path: Path, text: str) -> None:
    """Write as a careful editor does: beside, then renamed."""
    aside = path.with_suffix(".new")
    aside.write_text(text)
    aside.replace(path)


def title(catalogue: Catalogue) -> str:
    return catalogue.current().facility.profiles[0].title


def wait_for(catalogue: Catalogue, digest: str) -> None:
    """Wait until somebody who asked put an edit in force."""
    deadline = time.monotonic() + 30
    while catalogue.last.digest != digest:
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_threads_that_ask_during_edits_see_whole_editions_only(path, catalogue, caplog):
    first = catalogue.last.digest
    put(path, V6)
    digests = (catalogue.current().digest, first)
    seen, stop = set(), threading.Event()

    def ask() -> None:
        while not stop.is_set():
            edition = catalogue.current()
            seen.add((edition.digest, edition.problems))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        for number in range(20):
            put(path, (FACILITY_TEXT, V6)[number % 2])
            # a file that changes all the time is refused: the pace is the readers'
            wait_for(catalogue, digests[(number + 1) % 2])
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert seen == {(digest, ()) for digest in digests}
    assert title(catalogue) == "DODAS V6"
    assert len([r for r in caplog.records if r.name == LOG.name]) <= 21


def test_half_a_file_that_opens_what_the_whole_one_closes_is_waited_for(
    path, catalogue, monkeypatch
):
    """An editor that writes in place, caught between two of its writes."""
    closing = "access: {allowed_groups: [cygno]}\n"
    opened = edited(
        ("access:\n  allowed_groups: [hackathon, cygno, ml-infn]\n", ""),
        ("  admin_groups: [facility/admins]\n", ""),
    )
    path.write_text(opened)
    assert Catalogue(path, LOG).last.facility.access.allowed_groups is None
    with path.open("a") as file:

        def write_on(seconds: float) -> None:
            file.write(closing)
            file.flush()
            monkeypatch.undo()
            time.sleep(seconds)

        monkeypatch.setattr(jupyterhub_af.catalogue.time, "sleep", write_on)
        edition = catalogue.current()
    assert edition.facility.access.allowed_groups == ("cygno",)
    assert edition.problems == ()


def test_a_file_that_is_written_all_the_time_is_refused_soon(
    path, catalogue, caplog, monkeypatch
):
    sleep = time.sleep

    def write_on(seconds: float) -> None:
        with path.open("a") as file:
            file.write("# more\n")
        sleep(seconds)

    put(path, V6)
    monkeypatch.setattr(jupyterhub_af.catalogue.time, "sleep", write_on)
    begun = time.monotonic()
    problems = {catalogue.current().problems for _ in range(3)}
    # fifteen short pauses
    assert time.monotonic() - begun < 10
    words = f"{path}: changes all the time: write it beside and rename it."
    assert problems == {(words,)}
    messages = [r.getMessage() for r in caplog.records if r.name == LOG.name]
    assert messages == [f"Kept the last good facility: {words}"]
    monkeypatch.undo()
    assert title(catalogue) == "DODAS V6"
    assert catalogue.current().problems == ()


def test_two_edits_within_one_tick_of_a_slow_clock_are_both_seen(path, monkeypatch):
    """Some file systems keep whole seconds: the second edit has the stamp of the first."""
    catalogue = Catalogue(path, LOG)
    catalogue.current()
    monkeypatch.setattr(
        jupyterhub_af.catalogue, "_look", lambda _path: catalogue._stamp
    )
    path.write_text(V6)
    assert title(catalogue) == "DODAS V6"

"""The facility file as every process reads it: live, and never worse than it was."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from worlds import FACILITY_TEXT, edited

import jupyterhub_af.catalogue
from jupyterhub_af.catalogue import Catalogue, read_facility_text
from jupyterhub_af.policy.errors import ConfigError

ISSUER = "https://iam-demo.cloud.cnaf.infn.it/"
V6 = edited(("display_name: DODAS V5", "display_name: DODAS V6"))
LOG = logging.getLogger("catalogue")
NOBODY = 65534


@pytest.fixture(autouse=True)
def _everything_is_logged(caplog):
    caplog.set_level(logging.INFO)


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / "facility.yaml"
    path.write_text(FACILITY_TEXT)
    return path


@pytest.fixture
def catalogue(path) -> Catalogue:
    return Catalogue(path, LOG)


def put(path: Path, text: str) -> None:
    """Write as a careful editor does: beside, then renamed."""
    aside = path.with_suffix(".new")
    aside.write_text(text)
    aside.replace(path)


def said(caplog) -> list[str]:
    """Return what the catalogue logged: what other tests left is collected at any time."""
    return [r.getMessage() for r in caplog.records if r.name == LOG.name]


def title(catalogue: Catalogue) -> str:
    return catalogue.current().facility.profiles[0].title


def give_away(path: Path) -> None:
    assert os.geteuid() == 0, "only root gives files away"
    os.chown(path, NOBODY, NOBODY)


def replace_by(make: Callable[[Path], object]) -> Callable[[Path], None]:
    """Return a spoiling that puts something else in the file's place."""

    def spoil(path: Path) -> None:
        path.unlink()
        make(path)

    return spoil


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def make_hole(path: Path) -> None:
    """Make ten gigabytes that take no room."""
    with path.open("wb") as file:
        file.truncate(10 * 1024**3)


def open_to_group(path: Path) -> None:
    assert os.geteuid() == 0, "only root gives files away"
    os.chown(path, 0, NOBODY)
    path.chmod(0o664)


BOMB = "a: &a [1, 1]\n" + "".join(
    f"b{n}: &b{n} [*b{n - 1}, *b{n - 1}]\n".replace("*b-1", "*a") for n in range(40)
)
BAD_TEXTS = {
    "nothing": ("", "is empty"),
    "a comment only": ("# later\n", "is empty"),
    "half a file": (
        FACILITY_TEXT[: len(FACILITY_TEXT) // 2],
        "is not valid YAML",
    ),
    "a key that is misspelt": (
        edited(
            (
                "    allowed_groups: [cygno]\n    hidden",
                "    alowed_groups: []\n    hidden",
            )
        ),
        "did you mean 'allowed_groups'",
    ),
    "a size that is none": (edited(("memory: 2G", "memory: 2X")), "2X"),
    "a version of tomorrow": (edited(("version: 1", "version: 2")), "version"),
    "a bracket that stays open": (FACILITY_TEXT + "\nx: [", "is not valid YAML"),
    "a tag": (edited(("version: 1", "version: !!int 1")) + "x: !!python/none", "tag"),
    "an anchor bomb": (BOMB, "more than"),
    "a list where keys belong": ("- 1\n- 2\n", "write keys"),
    "an NUL": (FACILITY_TEXT + "\0", "is not valid YAML"),
    "more than a megabyte": ("#" * (1024 * 1024 + 1), "is larger than 1 MiB."),
    "an area too few": (edited(("storage: [private, cvmfs]", "storage: [no]")), "no"),
}
BAD_FILES = {
    "it vanished": (Path.unlink, "cannot be read: No such file or directory."),
    "it is a folder now": (
        replace_by(Path.mkdir),
        "cannot be read: Is a directory.",
    ),
    "it is a FIFO now": (replace_by(os.mkfifo), "is not a regular file."),
    "it is a socket now": (replace_by(make_socket), "cannot be read: "),
    "it is a device now": (
        replace_by(lambda path: path.symlink_to("/dev/zero")),
        "is not a regular file.",
    ),
    "its link leads nowhere": (
        replace_by(lambda path: path.symlink_to("nowhere")),
        "cannot be read: No such file or directory.",
    ),
    "its link leads to itself": (
        replace_by(lambda path: path.symlink_to(path)),
        "cannot be read: Too many levels of symbolic links.",
    ),
    "it is ten gigabytes": (replace_by(make_hole), "is larger than 1 MiB."),
    "it is no text": (
        lambda path: path.write_bytes(b"version: \xff"),
        "is not UTF-8 text: byte 10 is none.",
    ),
    "everybody may write it": (
        lambda path: path.chmod(0o666),
        "may be written by everybody: run chmod o-w on it.",
    ),
    "another group may write it": (
        open_to_group,
        f"may be written by the group {NOBODY}: run chmod g-w on it.",
    ),
    "it is somebody else's": (
        give_away,
        f"belongs to uid {NOBODY}: it must belong to root or to the user this process "
        "runs as.",
    ),
}
BAD_EDITS = BAD_FILES | {
    name: ((lambda path, text=text: put(path, text)), words)
    for name, (text, words) in BAD_TEXTS.items()
}


@pytest.mark.parametrize(
    ("spoil", "words"), BAD_EDITS.values(), ids=[f"because {n}" for n in BAD_EDITS]
)
def test_a_bad_edit_changes_nothing_is_said_once_and_can_be_mended(
    path, catalogue, caplog, spoil, words
):
    good = catalogue.current()
    spoil(path)
    # the processor's time: others use the machine too
    begun = time.process_time()
    bad = catalogue.current()
    assert time.process_time() - begun < 2
    assert (bad.facility, bad.digest) == (good.facility, good.digest)
    assert bad.accepted_at_seconds == good.accepted_at_seconds
    assert words in " ".join(bad.problems)
    assert all(problem.startswith(str(path)) for problem in bad.problems)
    assert [catalogue.current() for _ in range(3)] == [bad] * 3
    assert said(caplog) == [f"Kept the last good facility: {p}" for p in bad.problems]
    if path.is_dir():
        path.rmdir()
    put(path, V6)
    mended = catalogue.current()
    assert (title(catalogue), mended.problems) == ("DODAS V6", ())
    assert mended.accepted_at_seconds > good.accepted_at_seconds
    last = f"Read the facility file again: {mended.digest}"
    assert said(caplog)[len(bad.problems) :] == [last]


@pytest.mark.parametrize(
    ("spoil", "words"), BAD_EDITS.values(), ids=[f"because {n}" for n in BAD_EDITS]
)
def test_nothing_starts_with_a_bad_file(path, spoil, words):
    spoil(path)
    with pytest.raises(ConfigError) as caught:
        Catalogue(path, LOG)
    assert words in str(caught.value)


def test_a_file_that_did_not_change_is_looked_at_and_not_read(path, monkeypatch):
    os.utime(path, (0, 0))
    catalogue = Catalogue(path, LOG)
    monkeypatch.setattr(jupyterhub_af.catalogue, "_SETTLED_SECONDS", -1)
    catalogue._note_stamp(catalogue._stamp)
    reads = []
    monkeypatch.setattr(catalogue, "_read", lambda: reads.append("read"))
    assert catalogue.current() is catalogue.last is catalogue.current()
    assert reads == []


def test_the_good_text_put_back_after_a_bad_edit_is_in_force_again(path, catalogue):
    put(path, "version: 2")
    assert catalogue.current().problems
    put(path, FACILITY_TEXT)
    assert catalogue.current().problems == ()


def test_a_second_bad_edit_is_said_too(path, catalogue, caplog):
    put(path, "")
    catalogue.current()
    put(path, "# still nothing")
    catalogue.current()
    assert ["is empty" in message for message in said(caplog)] == [True] * 2


def test_a_bad_file_that_is_touched_is_not_said_again(path, catalogue, caplog):
    put(path, "")
    catalogue.current()
    path.touch()
    catalogue.current()
    assert len(said(caplog)) == 1


def test_a_mode_that_was_mended_is_noticed(path, catalogue):
    path.chmod(0o666)
    assert catalogue.current().problems
    path.chmod(0o644)
    assert catalogue.current().problems == ()


def test_the_process_s_own_group_and_root_s_may_write(path):
    path.chmod(0o664)
    assert title(Catalogue(path, LOG)) == "DODAS V5"


def test_a_comment_changes_the_file_and_not_the_digest(path, catalogue):
    digest = catalogue.current().digest
    put(path, f"# checked\n{FACILITY_TEXT}")
    assert catalogue.current().digest == digest
    assert catalogue.current().problems == ()


def test_a_file_that_is_swapped_under_its_link_is_read(path, tmp_path):
    """A ConfigMap's folder is swapped as a whole, by one link to it."""
    for name, text in (("one", FACILITY_TEXT), ("two", V6)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "facility.yaml").write_text(text)
    (tmp_path / "data").symlink_to("one")
    path.unlink()
    path.symlink_to("data/facility.yaml")
    catalogue = Catalogue(path, LOG)
    (tmp_path / "data.new").symlink_to("two")
    (tmp_path / "data.new").replace(tmp_path / "data")
    assert title(catalogue) == "DODAS V6"


@pytest.mark.parametrize(
    "other", ["https://other.example.org/", ISSUER.rstrip("/")], ids=["other", "slash"]
)
def test_an_issuer_waits_for_a_restart_and_the_rest_does_not(
    path, catalogue, caplog, other
):
    put(path, V6.replace(ISSUER, other))
    edition = catalogue.current()
    assert title(catalogue) == "DODAS V6"
    assert edition.facility.iam.issuer == catalogue.issuer == ISSUER
    assert edition.problems == (
        f"{path}: iam.issuer: is '{other}' now; this takes effect after a restart, and "
        f"until then '{ISSUER}' is in force.",
    )
    assert catalogue.current() is edition
    assert said(caplog) == [
        f"Read the facility file again: {edition.digest}",
        f"Left a part of the facility file out: {edition.problems[0]}",
    ]
    assert edition.digest == Catalogue(path, LOG, issuer=ISSUER).last.digest
    put(path, V6)
    assert catalogue.current().problems == ()
    assert Catalogue(path, LOG).issuer == ISSUER


def test_an_issuer_from_outside_takes_the_place_of_the_file_s(path):
    catalogue = Catalogue(path, LOG, issuer="http://127.0.0.1:1/")
    assert catalogue.last.facility.iam.issuer == "http://127.0.0.1:1/"
    assert catalogue.last.digest != Catalogue(path, LOG).last.digest
    put(path, V6.replace(ISSUER, "https://other.example.org/"))
    edition = catalogue.current()
    assert edition.facility.iam.issuer == catalogue.issuer == "http://127.0.0.1:1/"
    assert edition.problems == ()


def test_every_problem_is_found_at_once(path):
    path.write_text(edited(("memory: 2G", "memory: two"), ("version: 1", "")))
    with pytest.raises(ConfigError) as caught:
        Catalogue(path, LOG)
    assert len(caught.value.problems) == 2


def test_without_owners_only_what_can_be_read_is_asked(path):
    give_away(path)
    path.chmod(0o666)
    assert read_facility_text(path, file_name="f.yaml") == FACILITY_TEXT
    with pytest.raises(ConfigError, match=r"^f\.yaml: belongs to uid 65534: "):
        read_facility_text(path, file_name="f.yaml", owners=frozenset({0}))


@pytest.mark.parametrize(
    ("name", "words"),
    [("a\0b", "embedded null byte"), ("a" * 300, "File name too long")],
    ids=["a NUL in its name", "a name too long"],
)
def test_a_path_that_cannot_be_is_refused_in_words(tmp_path, name, words):
    with pytest.raises(ConfigError) as caught:
        read_facility_text(tmp_path / name, file_name="f.yaml")
    assert str(caught.value) == f"f.yaml: cannot be read: {words}."


def open_files() -> Counter[str]:
    """Return what this process has open; the listing itself is gone when it is read."""
    found: Counter[str] = Counter()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found[str(descriptor.readlink())] += 1
    return found


def test_no_descriptor_is_left_open(path, catalogue):
    before = open_files()
    for spoil, _ in BAD_FILES.values():
        put(path, FACILITY_TEXT)
        spoil(path)
        catalogue.current()
        if path.is_dir():
            path.rmdir()
    # what other tests left may be closed meanwhile
    assert not open_files() - before

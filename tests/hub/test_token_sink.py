"""The files of a server's token, on a real file system; as root with a person's uid."""

from __future__ import annotations

import asyncio
import os
import stat
import threading

import pytest

from jupyterhub_af.hub.token_sink import FileTokenSink, Place, TokenSinkError
from jupyterhub_af.policy.token_life import TokenLife

IS_ROOT = os.geteuid() == 0
UID = 200_123 if IS_ROOT else os.geteuid()
GID = 200_123 if IS_ROOT else os.getegid()
PLACE = Place("ada", UID, GID)
LIFE = TokenLife(1_000.0, 4_600.0)


@pytest.fixture
def sink(tmp_path):
    root = tmp_path / "tokens"
    root.mkdir(mode=0o700)
    return FileTokenSink(root)


def contents(sink):
    folder = sink.path(PLACE)
    return {path.name: path.read_text() for path in folder.iterdir()}


async def test_a_token_and_its_times_are_there_and_nothing_else(sink):
    await sink.prepare(PLACE)
    await sink.put(PLACE, "the-token", LIFE)
    assert contents(sink) == {
        "token": "the-token\n",
        "expires_at": "4600\n",
        "lifetime": "3600\n",
    }
    assert await sink.look(PLACE) == LIFE


async def test_the_person_alone_reads_the_token_and_writes_nothing(sink):
    await sink.put(PLACE, "the-token", LIFE)
    await sink.trouble(PLACE, "no")
    found = {
        path.name: (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode))
        for path in sink.path(PLACE).iterdir()
    }
    me = os.geteuid()
    assert found == {
        "token": (UID, 0o400),
        "expires_at": (me, 0o444),
        "lifetime": (me, 0o444),
        "problem": (me, 0o444),
    }
    folder = sink.path(PLACE).stat()
    assert (folder.st_uid, stat.S_IMODE(folder.st_mode)) == (me, 0o755)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_modes_are_the_same_under_every_umask(sink, umask):
    before = os.umask(umask)
    try:
        await sink.put(PLACE, "the-token", LIFE)
    finally:
        os.umask(before)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in sink.path(PLACE).iterdir()}
    assert modes == {"token": 0o400, "expires_at": 0o444, "lifetime": 0o444}


async def test_a_renewed_token_is_another_file_in_the_same_folder(sink):
    await sink.put(PLACE, "first", LIFE)
    folder, token = sink.path(PLACE), sink.path(PLACE) / "token"
    before = folder.stat().st_ino
    with token.open() as held:
        await sink.put(PLACE, "second", TokenLife(2_000.0, 5_600.0))
        assert held.read() == "first\n"
    assert token.read_text() == "second\n"
    assert folder.stat().st_ino == before


async def test_a_reader_never_sees_half_a_token(sink):
    tokens = [letter * 4000 for letter in "abcdefgh"]
    await sink.put(PLACE, tokens[0], LIFE)
    path, seen, is_over = sink.path(PLACE) / "token", set(), threading.Event()

    def read():
        while not is_over.is_set():
            seen.add(path.read_text())

    reader = asyncio.create_task(asyncio.to_thread(read))
    for token in tokens * 5:
        await sink.put(PLACE, token, LIFE)
    is_over.set()
    await reader
    assert seen <= {f"{token}\n" for token in tokens}


async def test_trouble_leaves_the_token_and_a_new_token_ends_the_trouble(sink):
    await sink.put(PLACE, "the-token", LIFE)
    await sink.trouble(PLACE, "Ask support.")
    assert contents(sink)["problem"] == "Ask support.\n"
    assert contents(sink)["token"] == "the-token\n"
    await sink.put(PLACE, "another", LIFE)
    assert "problem" not in contents(sink)


async def test_withdrawing_removes_every_file_and_leaves_the_folder(sink):
    await sink.put(PLACE, "the-token", LIFE)
    await sink.trouble(PLACE, "no")
    before = sink.path(PLACE).stat().st_ino
    await sink.withdraw(PLACE)
    await sink.withdraw(PLACE)
    assert contents(sink) == {}
    assert sink.path(PLACE).stat().st_ino == before
    assert await sink.look(PLACE) is None


async def test_a_put_that_is_cancelled_while_the_disk_is_slow_leaves_nothing_behind(
    sink, monkeypatch
):
    await sink.prepare(PLACE)
    mkdir, has_begun, goes_on = os.mkdir, threading.Event(), threading.Event()

    def mkdir_late(*names, **more):
        if not has_begun.is_set():
            has_begun.set()
            assert goes_on.wait(20)
        mkdir(*names, **more)

    monkeypatch.setattr(os, "mkdir", mkdir_late)
    put = asyncio.create_task(sink.put(PLACE, "the-token", LIFE))
    await asyncio.to_thread(has_begun.wait, 20)
    put.cancel()
    withdrawal = asyncio.create_task(sink.withdraw(PLACE))
    with pytest.raises(asyncio.CancelledError):
        await put
    # whatever it can do before the disk goes on, it has done
    await asyncio.wait([withdrawal], timeout=0.2)
    goes_on.set()
    await withdrawal
    # the thread ends before the loop does
    await asyncio.get_running_loop().shutdown_default_executor()
    assert contents(sink) == {}


async def test_withdrawing_what_never_was_makes_nothing(sink):
    await sink.withdraw(PLACE)
    assert await sink.look(PLACE) is None
    assert not sink.path(PLACE).exists()


async def test_a_start_finds_nothing_of_an_earlier_server(sink):
    await sink.put(PLACE, "the-token", LIFE)
    (sink.path(PLACE) / ".token.new").write_text("half a tok")
    await sink.prepare(PLACE)
    assert contents(sink) == {}


async def test_what_a_crash_left_is_overwritten(sink):
    await sink.prepare(PLACE)
    (sink.path(PLACE) / ".token.new").write_text("half a tok")
    await sink.put(PLACE, "the-token", LIFE)
    assert set(contents(sink)) == {"token", "expires_at", "lifetime"}


async def test_a_link_in_the_place_of_the_folder_is_not_followed(sink, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    sink.path(PLACE).symlink_to(elsewhere)
    with pytest.raises(TokenSinkError):
        await sink.put(PLACE, "the-token", LIFE)
    assert list(elsewhere.iterdir()) == []


async def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(
    sink, tmp_path
):
    await sink.prepare(PLACE)
    other = tmp_path / "other"
    other.write_text("as it was")
    for name in ("token", ".token.new", "expires_at"):
        (sink.path(PLACE) / name).symlink_to(other)
    with pytest.raises(TokenSinkError):
        await sink.look(PLACE)
    await sink.put(PLACE, "the-token", LIFE)
    assert other.read_text() == "as it was"
    assert not (sink.path(PLACE) / "token").is_symlink()


@pytest.mark.skipif(not IS_ROOT, reason="needs a folder of somebody else's")
async def test_a_folder_of_somebody_elses_is_refused(sink):
    sink.path(PLACE).mkdir()
    os.chown(sink.path(PLACE), 4711, 4711)
    with pytest.raises(TokenSinkError, match="somebody else's"):
        await sink.put(PLACE, "the-token", LIFE)


async def test_a_root_that_is_gone_is_refused_without_the_token_in_the_words(sink):
    sink.path(PLACE).parent.rmdir()
    with pytest.raises(TokenSinkError) as caught:
        await sink.put(PLACE, "the-token", LIFE)
    assert "the-token" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_a_full_disk_leaves_the_old_token(sink, monkeypatch):
    await sink.put(PLACE, "the-token", LIFE)
    fsync = os.fsync

    def refuse(descriptor):
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(TokenSinkError, match="No space left"):
        await sink.put(PLACE, "another", TokenLife(2_000.0, 5_600.0))
    assert contents(sink) == {
        "token": "the-token\n",
        "expires_at": "4600\n",
        "lifetime": "3600\n",
    }


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("soon", id="words"),
        pytest.param("9" * 400, id="too long a number"),
        pytest.param("-5", id="a negative number"),
        pytest.param("\u0664", id="a digit of another script"),
    ],
)
async def test_times_that_are_none_count_as_no_token(sink, text):
    await sink.put(PLACE, "the-token", LIFE)
    path = sink.path(PLACE) / "expires_at"
    path.unlink()
    path.write_text(text)
    assert await sink.look(PLACE) is None

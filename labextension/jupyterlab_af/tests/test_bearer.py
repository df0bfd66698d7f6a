from __future__ import annotations

import base64
import json
import os
import stat

import pytest

import jupyterlab_af
from jupyterlab_af import bearer
from jupyterlab_af.bearer import NoTokenError

NAME = f"bt_u{os.geteuid()}"


@pytest.fixture(autouse=True)
def places(monkeypatch, tmp_path):
    """Begin with no token anywhere; `/tmp` is a folder of the test's."""
    for name in ("BEARER_TOKEN", "BEARER_TOKEN_FILE", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "tmp").mkdir()

    class FakePath(type(tmp_path)):
        def __new__(cls, *parts):
            parts = (tmp_path / "tmp", *parts[1:]) if parts == ("/tmp",) else parts
            return type(tmp_path)(*parts)

    monkeypatch.setattr(bearer, "Path", FakePath)
    return tmp_path


@pytest.fixture
def folder(places, monkeypatch):
    """A server's folder, as it is mounted."""
    folder = places / "token"
    folder.mkdir()
    monkeypatch.setenv("BEARER_TOKEN_FILE", str(folder / "token"))
    return folder


def test_the_order_is_the_discoverys(places, folder, monkeypatch):
    monkeypatch.setenv("BEARER_TOKEN", " by-variable\n")
    (folder / "token").write_text("by-file\n")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(places))
    (places / NAME).write_text("by-runtime\n")
    (places / "tmp" / NAME).write_text("by-tmp\n")
    found = [jupyterlab_af.token()]
    for name in ("BEARER_TOKEN", "BEARER_TOKEN_FILE", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name)
        found.append(jupyterlab_af.token())
    assert found == ["by-variable", "by-file", "by-runtime", "by-tmp"]


def test_a_token_is_read_anew_each_time(folder):
    (folder / "token").write_text("first")
    assert jupyterlab_af.token() == "first"
    (folder / "new").write_text("second")
    (folder / "new").replace(folder / "token")
    assert jupyterlab_af.token() == "second"


def test_where_there_is_none_it_says_what_to_do():
    with pytest.raises(NoTokenError, match="stopped and started again"):
        jupyterlab_af.token()


def test_a_named_file_that_is_missing_is_not_looked_for_elsewhere(places, folder):
    (places / "tmp" / NAME).write_text("by-tmp\n")
    (folder / "problem").write_text("Ask support@example.org.\n")
    with pytest.raises(
        NoTokenError, match=r"cannot be read .* Ask support@example\.org"
    ):
        jupyterlab_af.token()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", "is empty", id="nothing"),
        pytest.param(b" \n", "is empty", id="white space"),
        pytest.param(b"secret two", "is not an access token", id="two words"),
        pytest.param(b"secret\nsecond", "is not an access token", id="two lines"),
        pytest.param("s\u00e9cret".encode(), "is not an access token", id="no ASCII"),
        pytest.param(b"secret\x00", "is not an access token", id="a NUL"),
        pytest.param(b"s" * 1024**2 + b"s", "is not an access token", id="too long"),
    ],
)
def test_what_is_no_token_is_refused_and_not_shown(folder, content, words):
    (folder / "token").write_bytes(content)
    with pytest.raises(NoTokenError, match=words) as caught:
        jupyterlab_af.token()
    assert "secret" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a file of somebody else's")
def test_a_file_of_somebody_elses_in_tmp_is_not_taken(places):
    path = places / "tmp" / NAME
    path.write_text("planted")
    os.chown(path, 4711, 4711)
    with pytest.raises(NoTokenError, match="is not yours"):
        jupyterlab_af.token()


def test_a_folder_is_no_token(folder):
    (folder / "token").mkdir()
    with pytest.raises(NoTokenError, match="cannot be read"):
        jupyterlab_af.token()


def test_a_file_of_the_facilitys_may_be_somebody_elses(folder):
    (folder / "token").write_text("mine")
    (folder / "token").chmod(0o400)
    assert stat.S_IMODE((folder / "token").stat().st_mode) == 0o400
    assert jupyterlab_af.token() == "mine"


def test_the_facility_says_until_when_it_is_good(folder):
    (folder / "token").write_text("mine")
    (folder / "expires_at").write_text("1748532595\n")
    assert jupyterlab_af.token_expires_at() == 1748532595.0


def test_elsewhere_the_token_says_it_itself(monkeypatch):
    body = base64.urlsafe_b64encode(json.dumps({"exp": 1748532595}).encode())
    token = f"e30.{body.decode().rstrip('=')}.c2ln"
    monkeypatch.setenv("BEARER_TOKEN", token)
    assert jupyterlab_af.token_expires_at() == 1748532595.0


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "e30.W10.c2ln", "e30.e30.c2ln"])
def test_a_token_that_says_nothing_is_said_to_say_nothing(monkeypatch, token):
    monkeypatch.setenv("BEARER_TOKEN", token)
    with pytest.raises(NoTokenError, match="until when"):
        jupyterlab_af.token_expires_at()

"""What the service refuses to start with, and the words it does it with."""

from __future__ import annotations

import pytest
from service_world import ServiceProcess
from tornado.web import Application

from jupyterhub_af.service.app import ServiceApp
from jupyterhub_af.service.listener import Listeners
from jupyterhub_af.service.refusal import StartError
from jupyterhub_af.service.secret import Secret, load_secret


@pytest.fixture
def one(tmp_path):
    """Return a service that does not run."""
    return ServiceProcess(tmp_path)


def refused(one: ServiceProcess, **more: object) -> str:
    with pytest.raises(StartError) as caught:
        ServiceApp(**(one.traits | more)).make_desk()
    assert one.hub_secret not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("trait", "value", "words"),
    [
        ("facility_file", "", "--ServiceApp.facility_file is missing"),
        ("database_url", "", "--ServiceApp.database_url is missing"),
        ("hub_secret_file", "", "--ServiceApp.hub_secret_file is missing"),
        ("hub_secret_file", "/nowhere", "cannot be read: No such file"),
        ("database_password_file", "/nowhere", "cannot be read: No such file"),
        ("socket", "", "Neither --ServiceApp.socket nor"),
        ("prefix", "services/af", "begin and end with a slash"),
        ("prefix", "/services/af", "begin and end with a slash"),
        ("first_uid", 3_000_000, "share no number"),
        ("database_url", "mysql://db/af", "sqlite and postgresql"),
    ],
)
def test_a_wrong_trait_refuses_the_start(one, trait, value, words):
    assert words in refused(one, **{trait: value})


def test_one_secret_for_two_pairs_refuses_the_start(one):
    (one.folder / "gateway").write_text(one.hub_secret)
    assert "each pair has its own" in refused(one)


def test_without_a_gateway_s_file_no_secret_is_the_gateway_s(one):
    desk = ServiceApp(**(one.traits | {"gateway_secret_file": ""})).make_desk()
    assert not desk.secrets.gateway.matches("Bearer ")
    assert not desk.secrets.gateway.matches("")
    desk.store.close()


def test_the_hub_says_where_to_listen(monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_SERVICE_URL", "http://127.0.0.3:4711")
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/base/services/af/")
    app = ServiceApp()
    given = (app.public_ip, app.public_port, app.prefix)
    assert given == ("127.0.0.3", 4711, "/base/services/af/")


def test_without_a_hub_there_is_no_public_port(monkeypatch):
    monkeypatch.delenv("JUPYTERHUB_SERVICE_URL", raising=False)
    monkeypatch.delenv("JUPYTERHUB_SERVICE_PREFIX", raising=False)
    app = ServiceApp()
    assert (app.public_port, app.prefix) == (0, "/services/af/")


def test_no_trait_holds_a_secret():
    names = [n for n in ServiceApp.class_own_traits(config=True) if "secret" in n]
    assert names
    assert all(name.endswith("_file") for name in names)


BAD_SECRETS = {
    "too short": ("x" * 31, 0o600, "holds no secret"),
    "a space": ("x" * 20 + " " + "x" * 20, 0o600, "holds no secret"),
    "not ASCII": ("é" * 40, 0o600, "holds no secret"),
    "readable by everybody": ("x" * 64, 0o604, "others may open"),
    "writable by the group": ("x" * 64, 0o620, "others may open"),
}


@pytest.mark.parametrize(
    ("content", "mode", "words"), BAD_SECRETS.values(), ids=BAD_SECRETS.keys()
)
def test_a_secret_that_is_none_is_refused(tmp_path, content, mode, words):
    path = tmp_path / "secret"
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(StartError, match=words) as caught:
        load_secret(path, trait="hub_secret_file")
    assert content not in str(caught.value)


def test_a_secret_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"\xff" * 64)
    path.chmod(0o600)
    with pytest.raises(StartError, match="not UTF-8"):
        load_secret(path, trait="hub_secret_file")


def test_a_secret_matches_only_itself():
    secret = Secret("s" * 32)
    assert secret.matches(f"Bearer {'s' * 32}")
    assert secret.matches(f"bearer {'s' * 32}")
    for header in ("", "Bearer", f"Basic {'s' * 32}", f"Bearer {'s' * 33}", "Bearer é"):
        assert not secret.matches(header)
    assert "ssss" not in repr(secret)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/" + "x" * 107, "at most 107 bytes"),
        ("/nowhere/af.sock", "Nothing can listen at /nowhere"),
    ],
    ids=["a path that is too long", "a folder that is not there"],
)
def test_a_socket_that_cannot_be_is_refused(tmp_path, path, words):
    with pytest.raises(StartError, match=words):
        Listeners().open_unix(Application(), tmp_path.__class__(path))


def test_a_file_in_the_socket_s_place_is_left_alone(tmp_path):
    path = tmp_path / "file"
    path.write_text("precious")
    with pytest.raises(StartError, match="Nothing can listen"):
        Listeners().open_unix(Application(), path)
    assert path.read_text() == "precious"

"""What the authenticator refuses before the hub starts, and what it takes as given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from traitlets import TraitError
from traitlets.config import Config

from jupyterhub_af.hub import templates_dir
from jupyterhub_af.hub.authenticator import IAMAuthenticator

GOOD = {
    "client_id": "the-hub",
    "oauth_callback_url": "https://hub.example.org/hub/oauth_callback",
}


@pytest.fixture(autouse=True)
def without_environment(monkeypatch):
    for name in ("OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_CALLBACK_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def make(facility_file):
    def make_authenticator(**traits: Any) -> IAMAuthenticator:
        config = Config()
        config.FacilityAware.facility_file = str(facility_file)
        config.IAMAuthenticator.update({**GOOD, **traits})
        return IAMAuthenticator(config=config)

    return make_authenticator


def test_defaults_leave_the_bounds_to_the_engine(make):
    authenticator = make()
    authenticator.check_allow_config()
    assert authenticator.enable_auth_state
    assert authenticator.manage_groups
    assert authenticator.enable_pkce
    assert authenticator.refresh_pre_spawn is False
    # JupyterHub asks at every request
    assert authenticator.auth_refresh_age < 0
    assert authenticator.scope == ["openid", "profile", "email", "offline_access"]


def test_wlcg_groups_are_asked_for_where_they_are_read(make, facility_file):
    text = facility_file.read_text().replace(
        'org/"}', 'org/", groups_claim: wlcg.groups}'
    )
    facility_file.write_text(text)
    assert make().scope[-1] == "wlcg.groups"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("allow_all", True),
        ("allow_existing_users", True),
        ("allowed_users", {"eve"}),
        ("allowed_groups", {"zoo"}),
        ("allowed_scopes", ["openid"]),
        ("admin_users", {"eve"}),
        ("admin_groups", {"zoo"}),
        ("username_map", {"eve": "alice"}),
    ],
)
def test_setting_that_would_decide_beside_the_file_is_refused(make, name, value):
    with pytest.raises(TraitError, match=f"^{name}: the facility file decides"):
        make(manage_groups=True, **{name: value}).check_allow_config()


@pytest.mark.parametrize(
    ("traits", "words"),
    [
        ({"client_secret": "abc"}, "client_secret_file"),
        ({"client_id": ""}, "client_id"),
        ({"oauth_callback_url": ""}, "oauth_callback_url"),
        ({"enable_pkce": False}, "enable_pkce"),
        ({"manage_groups": False}, "manage_groups"),
        ({"enable_auth_state": False}, "enable_auth_state"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_half_a_client_is_refused(make, traits, words):
    with pytest.raises(TraitError, match=words):
        make(**traits).check_allow_config()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("auth_refresh_age", 0),
        ("auth_refresh_age", 3600),
        ("auth_refresh_strict", False),
        ("refresh_pre_spawn", True),
        ("reconcile_auth_state_hook", lambda *_: {}),
        ("modify_auth_state_hook", lambda *_: {}),
    ],
)
def test_settings_that_would_leave_people_in_who_lost_access_are_refused(
    make, name, value
):
    if not IAMAuthenticator.class_traits().get(name):
        pytest.skip("this JupyterHub has no such setting")
    with pytest.raises(TraitError, match=f"^{name}: .*Remove this"):
        make(**{name: value}).check_allow_config()


def test_secret_in_the_environment_is_refused(make, monkeypatch):
    monkeypatch.setenv("OAUTH_CLIENT_SECRET", "abc")
    with pytest.raises(TraitError, match="client_secret_file") as caught:
        make().check_allow_config()
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize("text", [None, "", "version: 1", "a: [", "\x00"])
def test_hub_does_not_start_without_a_valid_facility_file(make, facility_file, text):
    if text is None:
        facility_file.unlink()
    else:
        facility_file.write_text(text)
    with pytest.raises(TraitError, match="the hub does not start") as caught:
        make()
    assert str(facility_file) in str(caught.value)


async def test_auth_model_of_nobody_is_not_allowed(make):
    with pytest.raises(Exception, match="may not use Test facility"):
        await make().check_allowed("eve", None)


def test_templates_are_where_the_hub_is_told():
    names = {path.name for path in Path(templates_dir()).iterdir()}
    assert {"refused.html", "sign_in_problem.html"} <= names

"""The demo IAM's state: what is made once, kept, private, and refused."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

import pytest
from iam_driver import (
    CALLBACK,
    FormReader,
    new_browser,
    open_login_page,
)

from jupyterhub_af.local.demo_iam import (
    DEMO_ACCOUNTS,
    DemoIAM,
    DemoIAMError,
    ensure_demo_iam,
)


def test_a_restart_keeps_people_keys_consent_and_running_logins(
    start_iam, node_modules
):
    running = start_iam()
    before = running.sign_in("student1")
    running.change("student2", suspended=True)
    keys = running.http.get(running.at("jwk")).json()
    assert running.stop() == 0
    kept = ensure_demo_iam(
        running.iam.state_dir,
        profile="iam",
        redirect_uris=[CALLBACK],
        node_modules=node_modules,
    )
    assert kept == running.iam
    running.start()
    assert running.http.get(running.at("jwk")).json() == keys
    assert running.userinfo(before.answer["access_token"]).status_code == 200
    answer = running.refresh(before.refresh_token)
    assert running.id_claims(answer.json())["sub"] == running.sub("student1")
    assert running.sign_in("student1").headings == ["Sign in"]
    with new_browser() as browser:
        page = open_login_page(running, browser)
        refused = running.send_first_form(browser, page, "student2")
    assert "suspended" in FormReader(refused.text).problem


def test_nothing_secret_is_printed(start_iam):
    running = start_iam()
    running.sign_in("student1")
    with new_browser() as browser:
        page = open_login_page(running, browser)
        running.send_first_form(browser, page, "student1", password="mistyped-secret")
    assert running.stop() == 0
    assert running.log.read_text() == '{"ready": true}\n'
    assert all(secret not in repr(running.iam) for secret in [running.secret])
    assert running.password("student1") not in repr(running.iam)


def test_a_taken_port_ends_the_program_with_words_and_code_3(running):
    second = subprocess.run(
        running.command, capture_output=True, text=True, timeout=60, check=False
    )
    assert second.returncode == 3
    assert second.stdout == ""
    assert "is taken by another program" in second.stderr


def test_a_wrong_configuration_ends_the_program_with_every_problem(
    running, tmp_path, node
):
    config = json.loads(running.iam.config_file.read_text())
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config | {"profile": "keycloak", "colour": "red"}))
    command = [*running.command[:-1], str(file)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert '"colour" is not a known key.' in ended.stderr
    assert '"profile" must be one of iam, wlcg, kc, aarc.' in ended.stderr


def make_state(state: Path, profile: str = "iam") -> DemoIAM:
    return ensure_demo_iam(
        state, profile=profile, redirect_uris=[CALLBACK], node_modules=state
    )


def test_the_state_is_private_and_made_once(tmp_path):
    first = make_state(tmp_path / "state")
    second = make_state(tmp_path / "state", profile="wlcg")
    assert first == second
    files = list(first.state_dir.iterdir())
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert first.state_dir.stat().st_mode & 0o777 == 0o700
    assert json.loads(first.config_file.read_text())["profile"] == "wlcg"
    assert len({account.password for account in first.accounts}) == len(DEMO_ACCOUNTS)


def test_every_demo_account_has_the_ancestors_of_its_groups():
    for account in DEMO_ACCOUNTS:
        parents = {group.rsplit("/", 1)[0] for group in account.groups}
        assert parents <= set(account.groups), account.username


def test_a_kept_port_that_is_taken_is_refused_with_words(tmp_path):
    iam = make_state(tmp_path / "state")
    words = f"Port {iam.port} .* is taken"
    with (
        socket.create_server(("127.0.0.1", iam.port)),
        pytest.raises(DemoIAMError, match=words),
    ):
        make_state(tmp_path / "state")


def test_a_broken_kept_file_is_refused_with_words(tmp_path):
    iam = make_state(tmp_path / "state")
    iam.config_file.write_text("{")
    with pytest.raises(DemoIAMError, match="cannot be read as JSON"):
        make_state(tmp_path / "state")

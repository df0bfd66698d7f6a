"""The access token in real servers: whose it is, that it is fresh, and where nothing is."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from textwrap import dedent

import pytest
from cluster_world import STOP_ALL, TWO_WORKERS, run
from facility_world import RunningFacility, descendants, running_facility, wait_until
from kernel_world import Kernel, make_kernel

from jupyterhub_af.local.up import DEMO_FACILITY

pytestmark = pytest.mark.local
AUDIENCE = "https://se.example.org"
LIFE_SECONDS = 40
LOOK = """
import base64, json, os, jupyterlab_af
from pathlib import Path
def claims(token):
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
folder = Path("/run/af/token")
def attempt(act):
    try:
        act()
    except OSError as error:
        return error.strerror
    return "done"
"""


@pytest.fixture(scope="module")
def facility(tmp_path_factory: pytest.TempPathFactory):
    """A facility whose profile `ml-infn` has a narrow token; tokens live short."""
    folder = tmp_path_factory.mktemp("af")
    folder.chmod(0o755)
    text = DEMO_FACILITY.read_text()
    wide = 'audience: "https://wlcg.cern.ch/jwt/v1/any", scopes: ["storage.read:/"]'
    assert wide in text
    text = text.replace(wide, f'audience: "{AUDIENCE}", scopes: [openid]')
    text = text.replace("user_cores: 16", "user_cores: 4")
    file = folder / "facility.yaml"
    file.write_text(text)
    with running_facility(
        folder / "data", "--facility", str(file), "--named-servers", "1"
    ) as running:
        answer = running.control(
            "PUT", "/client", {"access_token_seconds": LIFE_SECONDS}
        )
        assert answer.status_code in (200, 204), answer.text
        yield running


@pytest.fixture(scope="module")
def kernel(facility: RunningFacility):
    person = facility.person("student1")
    person.log_in()
    person.start(profile="dodas-v5")
    yield make_kernel(person)
    person.stop()


def look(kernel: Kernel, code: str) -> list[str]:
    return run(kernel, LOOK + dedent(code))


def folder_of(facility: RunningFacility, name: str = "student1") -> Path:
    return facility.data / "tokens" / name


def names_in(folder: Path) -> set[str]:
    """Return what is in a folder, without what is being written."""
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_the_server_has_its_persons_token_and_can_change_nothing_of_it(
    facility, kernel
):
    lines = look(
        kernel,
        """
        token = jupyterlab_af.token()
        print(claims(token)["sub"], os.environ["BEARER_TOKEN_FILE"])
        print(sorted(p.name for p in folder.iterdir() if p.name[0] != "."))
        print(oct(os.stat(folder / "token").st_mode & 0o777), os.stat(folder / "token").st_uid == os.getuid())
        life = int((folder / "lifetime").read_text())
        print(life, claims(token)["exp"] - jupyterlab_af.token_expires_at() < 2)
        print(attempt(lambda: (folder / "token").write_text("x")))
        print(attempt(lambda: (folder / "token").unlink()))
        print(attempt(lambda: (folder / "new").write_text("x")))
        print(attempt(lambda: os.chmod(folder / "token", 0o644)))
        """,
    )
    with closing(sqlite3.connect(facility.data / "service/af.sqlite")) as database:
        (sub,) = database.execute(
            "select subject from accounts where name = 'student1'"
        ).fetchone()
    assert lines[:4] == [
        f"{sub} /run/af/token/token",
        "['expires_at', 'lifetime', 'token']",
        "0o400 True",
        f"{LIFE_SECONDS} True",
    ]
    assert set(lines[4:]) == {"Read-only file system"}


def test_the_token_is_renewed_in_the_running_server_before_a_fifth_is_left(kernel):
    lines = look(
        kernel,
        f"""
        import time
        first, least = jupyterlab_af.token(), 1e9
        deadline = time.monotonic() + {2 * LIFE_SECONDS}
        while jupyterlab_af.token() == first and time.monotonic() < deadline:
            least = min(least, jupyterlab_af.token_expires_at() - time.time())
            time.sleep(0.2)
        print(jupyterlab_af.token() != first, least > {LIFE_SECONDS / 5}, least)
        print(claims(jupyterlab_af.token())["exp"] > claims(first)["exp"])
        print((folder / "problem").exists())
        """,
    )
    assert lines[0].startswith("True True "), lines
    assert lines[1:] == ["True", "False"]


def test_outside_the_sandbox_nobody_but_root_reaches_it(facility, kernel):
    root = facility.data / "tokens"
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert root.stat().st_uid == os.geteuid()
    token = folder_of(facility) / "token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o400
    plan = facility.plans()["student1", ""]
    assert token.stat().st_uid == (plan["uid"] if os.geteuid() == 0 else os.geteuid())
    assert plan["token"] == {"audience": None, "scopes": []}


def test_no_other_token_and_no_token_elsewhere(facility, kernel):
    """Refresh and ID tokens stay in the hub; the access token stays in its folder."""
    token = (folder_of(facility) / "token").read_text().strip()
    lines = look(
        kernel,
        """
        found = {}
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                found[path] = path.read_bytes()
            except OSError:
                continue
        mine = jupyterlab_af.token().encode()
        print(len(found) > 1, any(mine in text for text in found.values()))
        print(any(b"eyJ" in text for text in found.values()))
        print([p.name for p in folder.iterdir() if "refresh" in p.name or "id_" in p.name])
        """,
    )
    assert lines == ["True False", "False", "[]"]
    hub = facility.pids()["hub"]
    environments = [
        path.read_bytes()
        for pid in descendants(hub) | {hub}
        if (path := Path(f"/proc/{pid}/environ")).exists()
    ]
    assert not [text for text in environments if token.encode() in text]
    assert token not in facility.logs()
    assert token not in json.dumps(
        [[list(key), plan] for key, plan in facility.plans().items()]
    )
    assert token not in json.dumps(facility.audit())


def test_workers_of_a_cluster_see_the_same_token_while_it_is_renewed(facility, kernel):
    lines = look(
        kernel,
        TWO_WORKERS
        + dedent("""
        def on_worker():
            import jupyterlab_af, os
            return jupyterlab_af.token(), os.environ["BEARER_TOKEN_FILE"]
        def all_same():
            found = set(client.run(on_worker).values())
            return found == {(jupyterlab_af.token(), "/run/af/token/token")}
        import time
        first = jupyterlab_af.token()
        print(all_same() or all_same())
        while jupyterlab_af.token() == first:
            time.sleep(0.5)
        print(all_same() or all_same())
        """),
    )
    assert lines[-2:] == ["True", "True"], lines
    wait_until(lambda: "all asked" in run(kernel, STOP_ALL), what="clusters stopped")


def test_a_profile_that_wants_less_gets_less(facility):
    person = facility.person("student2")
    person.log_in()
    person.start(profile="ml-infn")
    folder = folder_of(facility, "student2")
    problem = folder / "problem"
    assert not problem.exists(), problem.read_text()
    lines = look(
        make_kernel(person),
        """
        found = claims(jupyterlab_af.token())
        print(found["aud"], found.get("scope"))
        """,
    )
    assert lines == [f"{AUDIENCE} openid"]
    person.stop()
    wait_until(lambda: not names_in(folder), what="no token after the stop")


def test_a_killed_hub_leaves_no_token_for_the_next_one(tmp_path):
    data = tmp_path / "data"
    with running_facility(data) as facility:
        person = facility.person("student3")
        person.log_in()
        person.start(profile="dodas-v5")
        assert names_in(folder_of(facility, "student3")) >= {"token"}
        os.kill(facility.up["pids"]["hub"], signal.SIGKILL)
        facility.process.wait(60)
    assert names_in(folder_of(facility, "student3")) == set()

"""``jupyterhub-af up`` as its administrator meets it: refusals, order, and an end without rest."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from facility_world import (
    UP,
    Person,
    RunningFacility,
    descendants,
    running_facility,
    wait_until,
)
from ports import free_port

import jupyterhub_af
from jupyterhub_af.hub.spawner import LISTEN_SECONDS
from jupyterhub_af.local.environments import cache_dir

pytestmark = pytest.mark.local
DEMO = Path(jupyterhub_af.__file__).parent / "local" / "facility.yaml"
# who runs as a number of its own
POWERLESS = {"service": 990001, "iam": 990002, "proxy": 990003, "dask-proxy": 990004}


def run_up(*arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*UP, *arguments], capture_output=True, text=True, timeout=seconds, check=False
    )


def test_a_bad_facility_file_stops_everything_with_every_problem_and_its_line(tmp_path):
    file = tmp_path / "facility.yaml"
    file.write_text(
        DEMO.read_text()
        .replace(
            "allowed_groups: [hackathon, cygno, ml-infn]", "alowed_groups: [hackathon]"
        )
        .replace("memory: 2G", "memory: 2X")
    )
    done = run_up("--facility", str(file), "--data", str(tmp_path / "data"))
    assert done.returncode == 1
    assert (
        "access.alowed_groups: is not a key here ('alowed_groups'), "
        "did you mean 'allowed_groups'" in done.stdout
    )
    assert "profiles.0.sizes.0.memory: is not a size ('2X')" in done.stdout
    assert f"{file}:" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "data").exists()


def test_a_facility_file_that_others_may_write_is_refused(tmp_path):
    file = tmp_path / "facility.yaml"
    file.write_text(DEMO.read_text())
    file.chmod(0o666)
    done = run_up("--facility", str(file), "--data", str(tmp_path / "data"))
    assert done.returncode == 1
    assert "may be written by" in done.stdout


@pytest.mark.parametrize("port", ["80", "70000", "x", "-1"])
def test_a_port_that_is_none_is_refused(port):
    done = run_up(f"--port={port}")
    assert done.returncode == 2
    assert "is not a port; choose one from 1024 to 65535" in done.stderr


def test_a_taken_port_is_refused_in_words(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_up("--data", str(tmp_path / "data"), "--port", str(port))
    assert done.returncode == 1
    assert f"Port {port} on 127.0.0.1 is taken" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_without_the_demo_iam_the_client_must_be_named(tmp_path):
    done = run_up(
        "--data", str(tmp_path / "d"), "--port", str(free_port()), "--no-demo-iam"
    )
    assert done.returncode == 1
    assert "--client-id" in done.stdout


def test_a_facility_from_start_to_end(tmp_path):
    """Files are private, a second one is refused, and after SIGTERM nothing is left."""
    data = tmp_path / "data"
    with running_facility(data) as facility:
        up_file = data / "up.json"
        assert stat.S_IMODE(up_file.stat().st_mode) == 0o600
        assert set(facility.up) == {
            *("url", "iam_url", "iam_control_url", "iam_control_token_file"),
            *("accounts", "pids"),
        }
        assert set(facility.up["pids"]) == {
            "up",
            "hub",
            "proxy",
            "service",
            "agent",
            "gateway",
            "dask-proxy",
            "iam",
        }
        assert [a["username"] for a in facility.up["accounts"]] == [
            *("student1", "student2", "student3", "teacher1"),
            *("researcher1", "researcher2", "admin1", "outsider1"),
        ]
        assert open_files(data) == []
        second = run_up("--data", str(data), "--port", str(free_port()))
        assert second.returncode == 1
        assert "already running" in second.stdout
        assert up_file.exists()
        processes = descendants(facility.process.pid)
        assert len(processes) >= 5
        assert facility.stop() == 0
        assert not up_file.exists()
        wait_until(
            lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes),
            what="every process gone",
        )
        passwords = {a["username"]: a["password"] for a in facility.up["accounts"]}
        secrets = facility.secrets()
        logs = facility.logs()
        assert not [name for name, value in secrets.items() if value and value in logs]
    with running_facility(data) as facility:
        again = {a["username"]: a["password"] for a in facility.up["accounts"]}
        assert again == passwords


def open_files(data: Path) -> list[Path]:
    """Return the files outside the areas that others may read, write or run."""
    found = []
    for folder, _, names in os.walk(data):
        for path in (Path(folder) / name for name in names):
            # a database's journal comes and goes
            with suppress(FileNotFoundError):
                mode = path.lstat().st_mode
                if stat.S_ISREG(mode) and mode & 0o077:
                    found.append(path)
    return [path for path in found if not path.is_relative_to(data / "areas")]


def leaf_of(pid: int) -> int:
    """Return the last process of a chain; numbers may begin anew on the way."""
    while below := descendants(pid):
        pid = min(below, key=lambda child: len(descendants(child)))
    return pid


def test_processes_without_need_have_no_power(tmp_path):
    """As root, proxy, demo IAM and service run as numbers of their own."""
    assert os.geteuid() == 0, "this test must run as root"
    with running_facility(tmp_path / "data") as facility:
        uids = {}
        for name in (*POWERLESS, "agent", "gateway"):
            leaf = leaf_of(facility.up["pids"][name])
            status = Path(f"/proc/{leaf}/status").read_text()
            fields = dict(line.split(":", 1) for line in status.splitlines())
            uids[name] = int(fields["Uid"].split()[0])
            if name in POWERLESS:
                assert int(fields["CapEff"], 16) == 0, name
                assert int(fields["CapBnd"], 16) == 0, name
        assert uids == {**POWERLESS, "agent": 0, "gateway": 0}


@pytest.mark.parametrize("name", ["service", "agent", "proxy", "iam"])
def test_a_killed_process_comes_back(tmp_path, name):
    with running_facility(tmp_path / "data") as facility:
        os.kill(facility.up["pids"][name], signal.SIGKILL)
        person = facility.person("student1")

        def is_well() -> bool:
            page = person.log_in()
            return page.status_code == 200 and "dodas-v5" in person.form_page().text

        def starts() -> bool:
            return person.post_form(profile="dodas-v5").status_code == 302

        for step, what in ((is_well, "a login"), (starts, "a start")):
            wait_until(unless_away(step), what=f"{what} after the {name} was killed")
        person.wait_until_ready()


def unless_away(step: Callable[[], bool]) -> Callable[[], bool]:
    """Return a step that has not come about while something does not answer."""

    def attempt() -> bool:
        try:
            return step()
        except (AssertionError, httpx.HTTPError):
            return False

    return attempt


def test_a_killed_hub_ends_everything_in_words(tmp_path):
    with running_facility(tmp_path / "data") as facility:
        person = facility.person("student1")
        person.log_in()
        person.start(profile="dodas-v5")
        processes = descendants(facility.process.pid)
        os.kill(facility.up["pids"]["hub"], signal.SIGKILL)
        assert facility.process.wait(60) == 1
        assert "The hub has ended by itself" in facility.log.read_text()
        wait_until(
            lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes),
            what="every process gone",
        )
        assert not (facility.data / "up.json").exists()


def test_a_killed_up_leaves_nothing_running_and_starts_again(tmp_path):
    data = tmp_path / "data"
    with running_facility(data) as facility:
        processes = descendants(facility.process.pid)
        facility.process.kill()
        facility.process.wait(60)
        wait_until(
            lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes),
            seconds=90,
            what="every process gone",
        )
    with running_facility(data) as facility:
        assert json.loads((data / "up.json").read_text())["url"] == facility.url


def test_what_keeps_a_server_from_starting_is_said_at_once_and_leaves_nothing(tmp_path):
    with running_facility(tmp_path / "data") as facility:
        person = facility.person("student1")
        person.log_in()
        private = facility.data / "areas/private/student1"
        private.parent.mkdir(exist_ok=True)

        private.write_text("in the way of the area")
        answer = person.post_form(profile="dodas-v5")
        assert 400 <= answer.status_code < 600
        assert "private/student1" in answer.text
        assert "Traceback" not in answer.text
        assert not person.server()
        private.unlink()

        person.start(profile="dodas-v5")
        person.stop()
        config = private / ".jupyter/jupyter_server_config.json"
        config.parent.mkdir(exist_ok=True)
        config.write_text('{"ServerApp": {"port": "a person\'s mistake"}}')
        started = time.monotonic()
        assert "Your server ended while it was starting." in start_in_vain(person)
        # nobody waited for a server that had ended
        assert time.monotonic() - started < LISTEN_SECONDS
        assert "a person's mistake" in facility.logs()
        config.unlink()

        person.start(profile="dodas-v5")
        person.stop()
        assert limits_of(facility) == []


def start_in_vain(person: Person) -> str:
    """Ask for a server that cannot start; return what the hub says of it."""
    answer = person.api("POST", person.server_path(), json={"profile": "dodas-v5"})
    if answer.status_code == 202:
        # it took the hub so long that it answered before; it says it here
        progress = person.api("GET", f"{person.server_path()}/progress")
        assert '"failed": true' in progress.text
        return progress.text
    assert answer.status_code == 500
    return str(answer.json()["message"])


def limits_of(facility: RunningFacility) -> list[Path]:
    """Return the control groups of a facility's servers."""
    key = hashlib.sha256(str(facility.data / "servers").encode()).hexdigest()[:8]
    return list(Path("/sys/fs/cgroup").glob(f"*/jupyterhub-af/{key}-*"))


def test_two_facilities_on_one_machine_do_not_meet(tmp_path):
    """The same person's servers have limits, files and an end of their own in each."""
    with (
        running_facility(tmp_path / "a") as one,
        running_facility(tmp_path / "b") as two,
    ):
        people = [one.person("student1"), two.person("student1")]
        for person in people:
            person.log_in()
            person.start(profile="dodas-v5")
        assert len(limits_of(one)) == len(limits_of(two)) > 0
        people[0].stop()
        assert (limits_of(one), len(limits_of(two)) > 0) == ([], True)
        assert people[1].server()["ready"]
        people[0].start(profile="dodas-v5")


@pytest.mark.parametrize("profile", ["wlcg", "kc", "aarc"])
def test_the_same_groups_come_from_every_token_profile_of_iam(tmp_path, profile):
    with running_facility(tmp_path / "data", "--iam-profile", profile) as facility:
        person = facility.person("student1")
        assert person.log_in().status_code == 200
        answer = person.api("GET", "user")
        assert sorted(answer.json()["groups"]) == [
            *("hackathon", "hackathon/gw", "hackathon/students"),
        ]


def as_ordinary_user(uid: int, shown: list[Path]) -> list[str]:
    """Return what runs a command as a user without power who can read ``shown``.

    Where a folder above them is closed to others, an empty one takes its place.
    """
    words = ["bwrap", "--dev-bind", "/", "/"]
    for path in shown:
        parents = list(reversed(path.parents))
        # pytest closes its own to others whenever it starts, also beside this run
        closed = [
            p
            for p in parents
            if not p.stat().st_mode & 0o001 or p.name.startswith("pytest-of-")
        ]
        if not closed:
            continue
        if str(closed[0]) not in words:
            words += ["--perms", "0755", "--tmpfs", str(closed[0])]
        for parent in parents[parents.index(closed[0]) + 1 :]:
            words += ["--perms", "0755", "--dir", str(parent)]
    for path in shown:
        words += ["--bind", str(path), str(path)]
    return [
        *words,
        "--",
        "setpriv",
        *("--reuid", str(uid), "--regid", str(uid), "--clear-groups"),
        *("--pdeathsig", "TERM", "--"),
    ]


def test_an_ordinary_user_gets_a_facility_and_is_told_what_it_lacks(tmp_path):
    assert os.geteuid() == 0, "this test must run as root"
    uid = 12345
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, uid, uid)
    shown = [Path(jupyterhub_af.__file__).parents[1], cache_dir(), home]
    with running_facility(
        home / "data", before=as_ordinary_user(uid, shown), env={"HOME": str(home)}
    ) as facility:
        assert "Not running as root" in facility.log.read_text()
        person = facility.person("student1")
        person.log_in()
        person.start(profile="dodas-v5")
        assert (facility.data / "areas/private/student1").stat().st_uid == uid
        os.kill(facility.up["pids"]["up"], signal.SIGTERM)
        assert facility.process.wait(60) == 0

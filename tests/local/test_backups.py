"""Backups in a whole facility: a new generation is seen in servers started before it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from facility_world import Person, RunningFacility, running_facility
from kernel_world import Kernel, make_kernel
from waiting import wait_until

from jupyterhub_af.policy.backup_messages import (
    BackupListReply,
    BackupListRequest,
    BackupRunRequest,
    WhichTrees,
)

pytestmark = pytest.mark.local
DEMO = Path(__file__).parents[2] / "jupyterhub_af" / "local" / "facility.yaml"
GENERATION = "????-??-??T??-??-??Z"


@dataclass
class Backed:
    """A facility with backups of private areas too, and two students with kernels."""

    facility: RunningFacility
    kernels: dict[str, Kernel]

    def ask(self, path: str, message: WhichTrees) -> bytes:
        """Ask the agent as the service does."""
        data = self.facility.data
        secret = (data / "agent" / "service-secret").read_text().strip()
        transport = httpx.HTTPTransport(uds=str(data / "agent" / "agent.sock"))
        with httpx.Client(transport=transport, base_url="http://agent") as client:
            headers = {"Authorization": f"Bearer {secret}"}
            answer = client.post(
                path, headers=headers, content=message.model_dump_json()
            )
        assert answer.status_code == 200, answer.text
        return answer.content

    def back_up(self) -> BackupListReply:
        """Back everything up and return what there is."""
        self.ask("/backup/run", BackupRunRequest())

        def look() -> BackupListReply | None:
            found = BackupListReply.model_validate_json(
                self.ask("/backup/list", BackupListRequest())
            )
            is_idle = all(tree.state == "idle" for tree in found.trees)
            return found if is_idle else None

        reply = wait_until(look, seconds=120)
        assert [tree.failure for tree in reply.trees] == [None] * len(reply.trees)
        return reply


@pytest.fixture(scope="module")
def backed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backed]:
    folder = tmp_path_factory.mktemp("af")
    folder.chmod(0o755)
    file = folder / "facility.yaml"
    text = DEMO.read_text()
    quota = "quota: 20G }"
    assert text.count(quota) == 1
    more = "quota: 20G, backup: { every: 1h, keep: 24 } }"
    file.write_text(text.replace(quota, more))
    with running_facility(folder / "data", "--facility", str(file)) as running:
        kernels = {}
        for name in ("student1", "student2"):
            person: Person = running.person(name)
            person.log_in()
            person.start(profile="dodas-v5")
            kernels[name] = make_kernel(person)
        yield Backed(running, kernels)
        for kernel in kernels.values():
            kernel.person.stop()


def test_a_generation_appears_in_a_server_that_was_started_before_it(backed):
    code = """
import glob, os, pathlib
pathlib.Path("/af/collabspace/GW/plot.py").write_text("print(1)")
pathlib.Path("/af/private/mine.txt").write_text("mine")
"""
    backed.kernels["student1"].run(code)
    backed.back_up()
    code = f"""
found = sorted(glob.glob("/af/collabspace/backups/GW/{GENERATION}/plot.py"))
print(open(found[-1]).read())
found = sorted(glob.glob("/af/backups/private/{GENERATION}/mine.txt"))
print(open(found[-1]).read())
"""
    assert backed.kernels["student1"].run(code).splitlines() == ["print(1)", "mine"]


def test_nobody_writes_a_generation_and_nobody_else_sees_one(backed):
    backed.back_up()
    code = f"""
import glob, os
def attempt(what, *arguments):
    try:
        what(*arguments)
        return "done"
    except OSError as error:
        return error.strerror
for folder in ("/af/collabspace/backups/GW", "/af/backups/private"):
    generation = sorted(glob.glob(folder + "/{GENERATION}"))[-1]
    print(attempt(open, generation + "/new", "w"))
    print(attempt(os.chmod, generation, 0o777))
    print(attempt(os.rename, generation, folder + "/x"))
    print(attempt(os.mkdir, folder + "/x"))
print(sorted(os.listdir("/af/collabspace/backups")), sorted(os.listdir("/af/backups")))
"""
    *attempts, seen = backed.kernels["student1"].run(code).splitlines()
    assert attempts == ["Read-only file system"] * 8
    assert seen == "['GW'] ['private']"
    code = """
import glob, os
print(sorted(os.listdir("/af/collabspace/backups")))
print(glob.glob("/af/backups/private/*/mine.txt"))
"""
    lines = backed.kernels["student2"].run(code).splitlines()
    assert lines == ["['HEP']", "[]"]


def test_areas_and_backups_are_mounted_nosuid_and_nodev(backed):
    code = """
import json
lines = [line.split() for line in open("/proc/self/mountinfo")]
print(json.dumps({line[4]: line[5] for line in lines if line[4].startswith("/af/")}))
"""
    mounts = json.loads(backed.kernels["student1"].run(code))
    assert {"/af/private", "/af/collabspace/GW", "/af/backups/private"} <= set(mounts)
    for path, options in mounts.items():
        assert {"nosuid", "nodev"} <= set(options.split(",")), path
        assert "backups" not in path or "ro" in options.split(","), path


def test_the_agent_says_that_all_is_well(backed):
    socket = str(backed.facility.data / "agent" / "agent.sock")
    transport = httpx.HTTPTransport(uds=socket)
    with httpx.Client(transport=transport, base_url="http://agent") as client:
        assert client.get("/health").json()["problems"] == []

"""What a person's own code can reach from inside a server: two students, side by side.

Everything runs as a kernel would: by the sandbox's own Python, as the person, through
the person's server. Nothing here looks at mode bits; it tries.
"""

from __future__ import annotations

import json
import uuid

import pytest
from facility_world import (
    RunningFacility,
    descendants,
    listening_ports,
    wait_until,
)
from kernel_world import make_kernel

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def students(facility: RunningFacility):
    """Two students with running servers and a kernel each."""
    kernels = {}
    for name in ("student1", "student2"):
        person = facility.person(name)
        person.log_in()
        person.start(profile="dodas-v5")
        kernels[name] = make_kernel(person)
    yield kernels
    for kernel in kernels.values():
        kernel.person.stop()


def test_the_kernel_is_the_person_without_any_power(students):
    code = """
import os, pwd, grp
print(pwd.getpwuid(os.getuid()).pw_name, os.getcwd(), os.environ["HOME"])
print(sorted(grp.getgrgid(g).gr_name for g in os.getgroups()))
status = open("/proc/self/status").read()
print([line.split()[1] for line in status.splitlines() if line.startswith(("Cap", "NoNewPrivs"))])
print(oct(os.umask(0)))
"""
    lines = students["student1"].run(code).splitlines()
    assert lines[0] == "student1 /af/private /af/private" or lines[0].startswith(
        "student1 "
    )
    assert lines[1] == "['hackathon.gw']"
    assert lines[2] == str(["0" * 16] * 5 + ["1"])
    assert lines[3] == "0o2"


def test_writing_works_exactly_where_it_is_allowed(students):
    code = """
import os
def attempt(path):
    try:
        with open(path, "w") as f: f.write("x")
        os.unlink(path)
        return "yes"
    except OSError as e:
        return e.strerror
for path in ("/af/private/a", "/af/shared/student1/a", "/af/collabspace/GW/a", "/tmp/a",
             "/af/shared/student2/a", "/af/shared/a", "/af/a", "/af/collabspace/a", "/a",
             "/etc/a", "/usr/a", "/var/a"):
    print(path, attempt(path), sep=": ")
"""
    assert students["student1"].run(code).splitlines() == [
        "/af/private/a: yes",
        "/af/shared/student1/a: yes",
        "/af/collabspace/GW/a: yes",
        "/tmp/a: yes",
        "/af/shared/student2/a: Read-only file system",
        "/af/shared/a: Read-only file system",
        "/af/a: Read-only file system",
        "/af/collabspace/a: Read-only file system",
        "/a: Read-only file system",
        "/etc/a: Read-only file system",
        "/usr/a: Read-only file system",
        "/var/a: Read-only file system",
    ]


def test_the_other_s_private_area_folders_and_processes_are_not_there(students):
    marker = uuid.uuid4().hex
    students["student1"].run(
        f"open('/af/private/secret-{marker}', 'w').write('{marker}')"
    )
    students["student1"].run(
        f"import subprocess; subprocess.Popen(['sleep', '300', '{marker}'][:2])"
    )
    code = f"""
import os
found = []
for top, folders, files in os.walk("/"):
    if top.startswith(("/proc/self/task", "/usr", "/sys")): folders[:] = []; continue
    found += [os.path.join(top, f) for f in files if "{marker}" in f]
print(found, os.path.exists("/af/private/secret-{marker}"))
print([sorted(os.listdir(f"/af/collabspace{{below}}")) for below in ("", "/backups")])
names = set()
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        names.add(os.stat(f"/proc/{{pid}}").st_uid)
    except FileNotFoundError:
        pass
print(sorted(names - {{0, os.getuid()}}))
"""
    output = students["student2"].run(code).splitlines()
    assert output == ["[] False", "[['HEP', 'backups'], ['HEP']]", "[]"]


def test_kernels_listen_on_no_tcp_port_and_their_sockets_are_their_own(students):
    kernel = (
        "print(__import__('IPython').get_ipython().kernel.session and "
        "__import__('ipykernel').connect.get_connection_info())"
    )
    info = json.loads(students["student1"].run(kernel))
    assert info["transport"] == "ipc"
    reach = f"""
import os, socket
for port in (1, 2, 3, 4, 5):
    path = "{info["ip"]}-" + str(port)
    print(os.path.exists(path))
"""
    assert set(students["student2"].run(reach).split()) == {"False"}


def test_no_port_of_the_facility_answers_another_person_without_a_credential(
    students, facility
):
    ports = sorted(listening_ports(descendants(facility.process.pid)))
    assert len(ports) >= 6
    code = f"""
import urllib.request
class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments): return None
opener = urllib.request.build_opener(NoRedirect)
answers = []
for port in {ports}:
    for path in ("/user/student1/api/contents", "/user/student1/files/private/",
                 "/api/routes", "/hub/api/users", "/services/af/api/me", "/internal/plans",
                 "/accounts/student1", "/user/student1/api/kernels"):
        try:
            if opener.open(f"http://127.0.0.1:{{port}}{{path}}", timeout=1).status == 200:
                answers.append((port, path))
        except OSError:
            pass
print(answers)
"""
    output = students["student2"].run(code, seconds=300)
    # a kernel's inbox for its own children's output says so, some time, when a stranger knocks
    assert "[]" in output.splitlines()


def test_no_secret_of_the_facility_is_readable_in_a_server(students, facility):
    values = {name: value for name, value in facility.secrets().items() if value}
    code = f"""
import os, sys
hidden = {[str(facility.data), str(facility.data / "hub"), str(facility.data / "up.json")]!r}
print([p for p in hidden if os.path.exists(p)])
values = {sorted(values.values())!r}
def look(path):
    try:
        with open(path, errors="replace") as file: text = file.read(2_000_000)
    except OSError: return []
    return [path for value in values if value in text]
found = [key for key, value in os.environ.items() if value in values]
for pid in filter(str.isdigit, os.listdir("/proc")):
    found += look(f"/proc/{{pid}}/environ") + look(f"/proc/{{pid}}/cmdline")
for top, folders, files in os.walk("/"):
    if top.startswith(("/proc", "/usr", "/sys", "/dev", sys.prefix)):
        folders[:] = []
        continue
    for name in files:
        path = os.path.join(top, name)
        if os.path.isfile(path): found += look(path)
print(found)
"""
    assert students["student1"].run(code, seconds=300).splitlines() == ["[]", "[]"]


def test_one_student_s_token_opens_nothing_of_the_other(students):
    headers = students["student1"].headers
    person = students["student1"].person
    for path in (
        "user/student2/api/contents",
        "user/student2/lab",
        "hub/api/users/student2",
        "hub/api/users",
    ):
        answer = person.http.get(
            person.at(path), headers=headers, follow_redirects=False
        )
        assert answer.status_code in (302, 403, 404), path


def test_limits_hold_memory_and_processes(students):
    code = """
try:
    blocks = [bytearray(256 * 1024**2) for _ in range(12)]
    print("got", len(blocks))
except MemoryError:
    print("MemoryError")
"""
    kernel = make_kernel(students["student2"].person)
    try:
        output = kernel.run(code, seconds=15)
    except (AssertionError, TimeoutError):
        output = "killed"
    assert output.strip() in ("killed", "MemoryError")
    assert wait_until(
        lambda: students["student2"].person.server().get("ready"),
        what="the server lives",
    )
    assert students["student1"].run("print(1 + 1)").strip() == "2"
    kernel.end()

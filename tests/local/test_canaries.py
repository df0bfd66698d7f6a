"""Nine secrets, a whole facility that says all it can, and nothing of them anywhere.

The facility is used well and badly, at DEBUG; then every log, answer, file, database,
environment and command line is looked through.
"""

from __future__ import annotations

import base64
import os
import signal
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from canary_world import Canary, CanaryWorld, Haystack, find_leaks
from cluster_world import TWO_WORKERS, run, write_facility
from facility_world import Person, RunningFacility, running_facility, wait_until
from kernel_world import Kernel, make_kernel

pytestmark = pytest.mark.local
NINE = {
    "client secret",
    "access token",
    "refresh token",
    "hub API token",
    "cookie secret",
    "crypt key",
    "Dask TLS key",
    "Dask cluster token",
}
SECRET = "3f2b8e0d6a5c4f1e9b7a3c2d1e0f9a8b7c6d5e4f3a2b1c0d"
JWT = ".".join(
    base64.urlsafe_b64encode(part).decode().rstrip("=")
    for part in (b'{"alg":"RS256"}', b'{"sub":"x","nonce":"n0","aud":"hub"}', b"0" * 64)
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(SECRET, id="as it is"),
        pytest.param(quote(f"a/b={SECRET}", safe=""), id="in an address"),
        *(
            pytest.param(
                base64.b64encode(f"{'x' * shift}{SECRET}!".encode()).decode(),
                id=f"in base64, {shift} letters in",
            )
            for shift in range(4)
        ),
        pytest.param(
            base64.urlsafe_b64encode(bytes.fromhex(SECRET)).decode(), id="as a key"
        ),
        pytest.param(bytes.fromhex(SECRET), id="as bytes"),
    ],
)
def test_a_planted_secret_is_found_however_it_is_written(text):
    content = text if isinstance(text, bytes) else text.encode()
    planted = Haystack("log", b"before " + content + b" after")
    canary = Canary("crypt key", SECRET)
    assert find_leaks([canary], iter([planted])) == ["crypt key in log"]
    assert find_leaks([canary], iter([Haystack("log", b"nothing")])) == []


@pytest.mark.parametrize(
    "text",
    [JWT, f"token={JWT}&x", base64.b64encode(f"a:{JWT}".encode()).decode()],
    ids=["as it is", "in an address", "in a header"],
)
def test_a_planted_id_token_is_found(text):
    assert find_leaks([], iter([Haystack("log", text.encode())])) == ["ID token in log"]


def test_a_secret_may_be_where_it_belongs():
    canary = Canary("crypt key", SECRET, lambda place: place == "its file")
    places = [Haystack(place, SECRET.encode()) for place in ("its file", "a log")]
    assert find_leaks([canary], iter(places)) == ["crypt key in a log"]


@pytest.fixture
def world(tmp_path: Path):
    folder = tmp_path / "f"
    file = write_facility(folder)
    text = file.read_text().replace("recheck_seconds: 300", "recheck_seconds: 5")
    file.write_text(text.replace("courtesy_seconds: 300", "courtesy_seconds: 5"))
    arguments = ("--facility", str(file), "--debug")
    with running_facility(folder / "data", *arguments) as facility:
        world = CanaryWorld(facility)
        world.file = file
        yield world


def enter(world: CanaryWorld, name: str) -> Person:
    person = world.facility.person(name)
    world.listen(person.http)
    assert person.log_in().status_code < 400
    return person


def use_well(world: CanaryWorld) -> tuple[Person, Kernel]:
    """Log in, start, compute on a cluster, save, look around."""
    person = enter(world, "student1")
    person.start(profile="dodas-v5")
    kernel = make_kernel(person)
    world.collect()
    run(kernel, TWO_WORKERS)
    world.collect()
    run(kernel, "mine.scale(1); print(mine.name)")
    run(kernel, "open('/af/private/work.txt', 'w').write('work')")
    contents = person.at("user/student1/api/contents/private/work.txt")
    for path in ("api/contents/private/work.txt", "jupyterlab-af/me", "api/status"):
        answer = person.http.get(
            person.at(f"user/student1/{path}"), headers=kernel.headers
        )
        assert answer.status_code < 500, answer.text
    assert person.http.get(contents, headers=kernel.headers).status_code == 200
    for page in ("hub/home", "hub/token", "hub/spawn", "hub/api/user"):
        person.http.get(person.at(page))
    return person, kernel


def look_as_administrator(world: CanaryWorld) -> None:
    admin = enter(world, "admin1")
    for path in ("users", "users/student1", "users/student1/tokens", "groups", "info"):
        admin.api("GET", path)
    for path in ("services", "proxy"):
        admin.api("GET", path)
    admin.http.get(admin.at("hub/admin"))
    headers = {"Authorization": f"Bearer {admin.make_token()}"}
    for path in ("hub/metrics", "services/af/metrics", "services/af/health"):
        admin.http.get(admin.at(path), headers=headers)


def use_badly(world: CanaryWorld, person: Person, kernel: Kernel) -> None:
    """Fail in ten ways."""
    ask = person.http.get
    ask(person.at("hub/oauth_callback?code=wrong&state=wrong"))
    assert person.post_form(profile="cygno").status_code >= 400
    for body in (b"[]", b"{", b'{"user_options": {"profile": []}}'):
        headers = {"X-XSRFToken": person.xsrf(), "Referer": person.at("hub/home")}
        url = person.at("hub/api/users/student1/servers/two")
        person.http.post(url, content=body, headers=headers)
        person.http.post(person.at("services/af/api/keep"), content=body)
    said = run(
        kernel, "from jupyterlab_af.dask import cluster\ncluster(worker_cores=99)"
    )
    assert "99" in " ".join(said)
    for kind in ("hang", "error"):
        suffer_outage(world, kind)
    world.collect()
    break_the_file(world)
    kill_processes(world, person)
    lose_access(world, person)


def suffer_outage(world: CanaryWorld, kind: str) -> None:
    body = {"kind": kind, "seconds": 8}
    assert world.facility.control("POST", "outage", body).status_code == 200
    other = world.facility.person("student2")
    world.listen(other.http)
    with suppress(httpx.HTTPError):
        other.http.get(other.at("hub/oauth_login"))
    world.facility.control("POST", "outage", {"seconds": 0})
    wait_until(lambda: other.log_in().status_code < 400, what="the hub hears the IAM")


def break_the_file(world: CanaryWorld) -> None:
    good = world.file.read_text()
    world.file.write_text(good.replace("allowed_groups: [cygno]", "alowed_groups: []"))
    enter(world, "student2").form_page()
    world.file.write_text(good)


def kill_processes(world: CanaryWorld, person: Person) -> None:
    run_before = world.facility.pids()["service"]
    os.kill(run_before, signal.SIGKILL)
    person.http.get(person.at("hub/home"))
    wait_until(
        lambda: world.facility.pids().get("service") not in (None, run_before),
        what="the service again",
    )
    health = person.at("services/af/health")
    wait_until(lambda: person.http.get(health).status_code == 200, what="its health")
    for pid in world.facility.sandboxes():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not person.server(), what="the hub's notice")
    person.start(profile="dodas-v5")
    world.collect()
    person.stop()


def lose_access(world: CanaryWorld, person: Person) -> None:
    answer = world.facility.control("PUT", "accounts/student1", {"groups": []})
    assert answer.status_code == 200, answer.text
    again = world.facility.person("student1")
    world.listen(again.http)
    assert again.log_in().status_code == 403
    person.http.get(person.at("hub/home"))


@pytest.mark.skipif(os.geteuid() != 0, reason="reads other processes' environments")
def test_no_secret_of_the_facility_is_anywhere_but_in_its_place(world):
    person, kernel = use_well(world)
    look_as_administrator(world)
    use_badly(world, person, kernel)
    world.collect()
    assert {canary.kind for canary in world.canaries()} == NINE
    leaks = find_leaks(world.canaries(), world.haystacks())
    assert not leaks, "\n".join(leaks)
    plant(world.facility, world.canaries())
    found = find_leaks(world.canaries(), world.haystacks())
    assert {leak.partition(" in ")[0] for leak in found} == NINE


def plant(facility: RunningFacility, canaries: list[Canary]) -> None:
    """Write every secret where it does not belong: the test must be able to fail."""
    text = "\n".join(canary.value for canary in canaries)
    (facility.data / "logs/planted.log").write_text(text)

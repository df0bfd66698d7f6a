"""Fixtures of the service: a database of each kind, and what is built on it."""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import replace
from pathlib import Path

import alembic.command
import alembic.config
import pytest
from fake_peers import FakeGateway, FakeHub
from keeper_world import keeping
from service_world import FACILITY, PostgreSQL, ServiceProcess, person, running

from jupyterhub_af.catalogue import Catalogue
from jupyterhub_af.policy.access import resolve_access
from jupyterhub_af.policy.facility_text import parse_facility
from jupyterhub_af.policy.identity import make_identity
from jupyterhub_af.policy.messages import AccountRequest, IdsRequest, plan_to_json
from jupyterhub_af.policy.plan import Ids, ServerPlan, make_plan
from jupyterhub_af.policy.recheck import LoginNote
from jupyterhub_af.policy.selection import select
from jupyterhub_af.service.admitted import Admitted
from jupyterhub_af.service.audit import Audit
from jupyterhub_af.service.changes import Changes
from jupyterhub_af.service.desk import Desk
from jupyterhub_af.service.endings import Endings
from jupyterhub_af.service.metrics import Metrics
from jupyterhub_af.service.plans import Plans, Start
from jupyterhub_af.service.register import FIRST_GID, FIRST_UID, Ranges, Register
from jupyterhub_af.service.running import Running
from jupyterhub_af.service.secret import Secrets
from jupyterhub_af.service.store import Store
from jupyterhub_af.service.sweeps import Sweeps


@pytest.fixture(scope="session")
def postgresql():
    with PostgreSQL().running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path: Path) -> tuple[str, str]:
    """Return URL and password of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/af.sqlite", ""
    server = request.getfixturevalue("postgresql")
    return server.empty_database(), server.password


@pytest.fixture
def store(database):
    url, password = database
    store = Store(url, password=password)
    store.upgrade()
    yield store
    store.close()


@pytest.fixture
def old_store(database):
    """Return a database as version 0001 left it, with people."""
    url, password = database
    store = Store(url, password=password)
    with store.engine.begin() as connection:
        config = alembic.config.Config(attributes={"connection": connection})
        config.set_main_option("script_location", "jupyterhub_af.service:migrations")
        config.set_main_option("path_separator", "os")
        alembic.command.upgrade(config, "0001")
    yield store
    store.close()


@pytest.fixture
def lite_store(tmp_path: Path):
    store = Store(f"sqlite:///{tmp_path}/af.sqlite")
    store.upgrade()
    yield store
    store.close()


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    path = tmp_path / "facility.yaml"
    path.write_text(FACILITY)
    return Catalogue(path, logging.getLogger("catalogue"))


@pytest.fixture
def register(store: Store, catalogue: Catalogue) -> Register:
    register = Register(store, catalogue, Ranges(FIRST_UID, FIRST_GID))
    register.prepare()
    return register


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        # a database keeps microseconds only
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(lite_store: Store, catalogue: Catalogue, clock: Clock) -> Desk:
    """Return the parts of a service in this process, with a clock of the test's."""
    register = Register(lite_store, catalogue, Ranges(FIRST_UID, FIRST_GID))
    register.prepare()
    log, metrics = logging.getLogger("desk"), Metrics()
    return Desk(
        log=log,
        store=lite_store,
        catalogue=catalogue,
        register=register,
        plans=Plans(lite_store, register, clock),
        audit=Audit(lite_store),
        metrics=metrics,
        running=Running(),
        changes=Changes(),
        sweeps=Sweeps(log, metrics.sweeps, sweep_seconds=1200, started_at=clock()),
        secrets=Secrets(),
        endings=Endings(lite_store),
        admitted=Admitted(lite_store),
        clock=clock,
    )


@pytest.fixture
def begin(desk, make_server_plan):
    """Return a function that records a start of a person's server."""

    async def record(user: str, server_name: str = "", **changes: object) -> Start:
        request = AccountRequest.model_validate(person(user))
        await desk.account_for(request)
        wanted = IdsRequest(user=user, groups=("hackathon/gw",))
        ids = await desk.ids_for(wanted)
        start_id = str(changes.pop("start_id", secrets.token_hex(8)))
        plan = make_server_plan(
            user,
            Ids(ids.uid, ids.gid, ids.gids),
            start_id=start_id,
            server_name=server_name,
        )
        await desk.put_plan(replace(plan, **changes))
        return await desk.find_start(user, server_name)

    return record


@pytest.fixture
def start(service, make_server_plan):
    """Return a function that tells a service of the start of a person's server."""

    def record(user: str, server_name: str = "", **changes: object) -> str:
        start_id = str(changes.pop("start_id", f"start-of-{user}-{server_name}"))
        one = changes.pop("service", service)
        with one.client() as client:
            client.post("/internal/accounts", json=person(user)).raise_for_status()
            wanted = {"user": user, "groups": ["hackathon/gw"]}
            reply = client.post("/internal/ids", json=wanted).json()
            ids = Ids(reply["uid"], reply["gid"], reply["gids"])
            plan = make_server_plan(
                user, ids, start_id=start_id, server_name=server_name
            )
            content = plan_to_json(replace(plan, **changes))
            client.put("/internal/plans", content=content).raise_for_status()
        return start_id

    return record


@pytest.fixture(scope="module")
def hub():
    with FakeHub().running() as hub:
        yield hub


@pytest.fixture(scope="module")
def service(hub, tmp_path_factory):
    """Run one service for a module; each test uses names of its own."""
    folder = tmp_path_factory.mktemp("service")
    with running(ServiceProcess(folder, hub_url=hub.url)) as process:
        yield process


@pytest.fixture
def make_server_plan():
    """Return a function that makes the plan of a person's start."""

    def make(
        user: str, ids: Ids | None, *, start_id: str, server_name: str = ""
    ) -> ServerPlan:
        facility = parse_facility(FACILITY)
        groups = ("hackathon", "hackathon/gw")
        access = resolve_access(facility, make_identity(user, groups))
        choice = {"profile": "dodas-v5", "size": "small"}
        return make_plan(
            facility,
            access,
            select(access, choice),
            start_id=start_id,
            server_name=server_name,
            ids=ids,
        )

    return make


@pytest.fixture
async def world(desk, clock):
    with FakeHub().running() as hub, FakeGateway().running() as gateway:
        async with keeping(desk, clock, hub, gateway) as world:
            yield world


@pytest.fixture
def run(world, begin):
    """Return a function that starts a server: a plan, and the hub's word."""

    async def start(
        user="anna", name="", *, idle=3600, longest=None, work=("kernels",)
    ):
        world.hub.run(user, name, active_at=world.clock())
        begun = await begin(
            user, name, idle_seconds=idle, longest_seconds=longest, active_while=work
        )
        await world.sweep()
        return begun

    return start


@pytest.fixture
async def lost(world, run):
    """Return anna's start, whose person the hub has just refused."""
    start = await run(idle=None)
    await world.recheck()
    world.hub.lose("anna")
    world.desk.take_login(LoginNote(user="anna"))
    await world.recheck()
    return start

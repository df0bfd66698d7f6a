"""Fixtures of the service: a database of each kind, and what is built on it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from service_world import FACILITY, FakeHub, PostgreSQL, ServiceProcess, running

from jupyterhub_af.catalogue import Catalogue
from jupyterhub_af.policy.access import resolve_access
from jupyterhub_af.policy.facility_text import parse_facility
from jupyterhub_af.policy.identity import make_identity
from jupyterhub_af.policy.plan import Ids, ServerPlan, make_plan
from jupyterhub_af.policy.selection import select
from jupyterhub_af.service.register import FIRST_GID, FIRST_UID, Ranges, Register
from jupyterhub_af.service.store import Store


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

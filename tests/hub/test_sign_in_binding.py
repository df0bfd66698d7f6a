"""What a person reads whose name the register refuses: a hub with the real service."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_iam import FakeAccount
from jupyterhub import orm
from service.nasty_names import SAME_DIRECTORY
from service.service_world import ServiceProcess, running
from sign_in_world import STUDENT, try_login

pytestmark = [
    pytest.mark.hub,
    # JupyterHub 5.5's own event schemas
    pytest.mark.filterwarnings("ignore:The `version` property of an event schema"),
]
ONE, TWO, _ = SAME_DIRECTORY["long names that differ at the end"]
ASK = "Ask support@example.org."
REFUSALS = [
    (
        "m\u00fcller",
        "name-form",
        "The account name 'm\\xfcller' cannot be used here: 1 to 63 letters without "
        "accents, digits, '_', '.', '@', '$' and '-' are allowed, with a letter, digit "
        f"or '_' first. {ASK}",
    ),
    (
        "Root",
        "name-reserved",
        f"The account name root is reserved for the system. {ASK}",
    ),
    (
        "STUDENT1",
        "name-taken",
        f"The name student1 belongs to another account of this facility. {ASK}",
    ),
    (
        TWO,
        "directory-taken",
        f"The directory that the name {TWO} would get here belongs to another account "
        f"of this facility: another name is needed. {ASK}",
    ),
    (
        "Olduser",
        "name-unconfirmed",
        "The name olduser is known to this facility from before and nobody has "
        f"confirmed that it is yours; an administrator can. {ASK}",
    ),
]


@pytest.fixture
async def service(iam):
    """Run the service itself in place of the one at the wire."""
    # short: a socket's path has 107 characters
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running(ServiceProcess(folder, more={"issuer": iam.issuer})) as process:
            yield SimpleNamespace(
                url=f"unix:{process.socket}", secret_file=folder / "hub"
            )


def come(iam, name: str, subject: str) -> None:
    iam.person = FakeAccount(subject, STUDENT | {"preferred_username": name})


async def test_each_refused_name_is_told_why_and_makes_no_user(hub, iam, subtests):
    hub.app.db.add(orm.User(name="olduser"))
    hub.app.db.commit()
    for name in ("student1", ONE):
        come(iam, name, f"subject-of-{name}")
        assert (await try_login(hub))[0] == 200
    users = {user.name for user in hub.app.db.query(orm.User)}
    for number, (name, rule, words) in enumerate(REFUSALS):
        with subtests.test(rule):
            come(iam, name, f"s{number}")
            status, page = await try_login(hub)
            assert (status, page.title) == (403, "This account cannot be used here")
            assert page.alert == words
            assert hub.rules()[-1] == rule
    assert {user.name for user in hub.app.db.query(orm.User)} == users


async def test_a_person_renamed_at_the_iam_is_the_same_user(hub, iam):
    come(iam, "student1", "s1")
    assert (await try_login(hub))[0] == 200
    users = [user.name for user in hub.app.db.query(orm.User)]
    for name in ("student2", "STUDENT1", "m\u00fcller", "root"):
        come(iam, name, "s1")
        assert (await try_login(hub))[0] == 200
    assert [user.name for user in hub.app.db.query(orm.User)] == users

"""Old lines go, people who were deleted are forgotten, and the rest of the audit stays."""

from __future__ import annotations

import logging

import pytest
from service_world import FACILITY, person
from sqlalchemy import select

from jupyterhub_af.catalogue import Catalogue
from jupyterhub_af.policy.audit_messages import AuditQuery
from jupyterhub_af.policy.messages import AccountRequest, AuditEvent
from jupyterhub_af.policy.names import make_slug
from jupyterhub_af.service import retention
from jupyterhub_af.service.accounts import Accounts
from jupyterhub_af.service.admitted import Admitted
from jupyterhub_af.service.audit import Audit
from jupyterhub_af.service.audit_book import find_page
from jupyterhub_af.service.changes import Changes
from jupyterhub_af.service.desk import Desk
from jupyterhub_af.service.endings import Endings
from jupyterhub_af.service.housekeeping import Edits, Housekeeping
from jupyterhub_af.service.metrics import Metrics
from jupyterhub_af.service.plans import Plans
from jupyterhub_af.service.register import FIRST_GID, FIRST_UID, Ranges, Register
from jupyterhub_af.service.retention import Retention
from jupyterhub_af.service.running import Running
from jupyterhub_af.service.secret import Secrets
from jupyterhub_af.service.store import Store
from jupyterhub_af.service.sweeps import Sweeps
from jupyterhub_af.service.tables import AccountRow

DAY = 86400.0


def event(actor, action="server.start", target="", result="done", **more):
    return AuditEvent(actor=actor, action=action, target=target, result=result, **more)


class World:
    """A service's parts on either database, with a facility file that can be edited."""

    def __init__(self, store: Store, folder, clock) -> None:
        self.file, self.clock = folder / "facility.yaml", clock
        self.file.write_text(FACILITY)
        log, metrics = logging.getLogger("desk"), Metrics()
        catalogue = Catalogue(self.file, log)
        register = Register(store, catalogue, Ranges(FIRST_UID, FIRST_GID))
        register.prepare()
        self.desk = Desk(
            log=log,
            store=store,
            catalogue=catalogue,
            register=register,
            plans=Plans(store, register, clock),
            audit=Audit(store, clock=clock),
            metrics=metrics,
            running=Running(),
            changes=Changes(),
            sweeps=Sweeps(log, metrics.sweeps, sweep_seconds=30, started_at=clock()),
            secrets=Secrets(),
            endings=Endings(store),
            admitted=Admitted(store),
            clock=clock,
        )
        self.accounts = Accounts(store, register, self.desk.audit)

    def edit(self, rule: str) -> None:
        self.file.write_text(f"{FACILITY}\naudit: {rule}\n")

    async def add(self, name: str) -> None:
        await self.desk.account_for(AccountRequest.model_validate(person(name)))

    async def tell(self, *events: AuditEvent) -> None:
        for one in events:
            await self.desk.record(one)

    async def delete(self, name: str, by: str = "unix:ada") -> None:
        self.accounts.retire(name)
        self.accounts.begin_delete(name)
        self.accounts.finish_delete(name)
        await self.tell(event(by, "account.delete", f"{name}/"))

    async def look(self) -> None:
        await Retention(self.desk, pause_seconds=0).look()

    def lines(self) -> list[tuple[str, str, str]]:
        kept = [k.event for k in reversed(self.desk.audit.last(10_000))]
        return [(e.actor, e.action, e.target) for e in kept]


@pytest.fixture
def world(store, tmp_path, clock) -> World:
    return World(store, tmp_path, clock)


async def test_lines_go_when_they_are_older_than_the_file_says(world):
    world.edit("{keep: 10d}")
    for number in range(4):
        await world.tell(event("anna", target=str(number)))
        world.clock.now += 4 * DAY
    await world.look()
    assert [target for _, _, target in world.lines()] == ["2", "3"]
    assert world.desk.metrics.removed_lines.labels("too-old")._value.get() == 2


async def test_many_old_lines_go_in_small_batches(world, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 7)
    for number in range(50):
        await world.tell(event("anna", target=str(number)))
    world.clock.now += 401 * DAY
    await world.tell(event("bea", target="new"))
    # a clock that has gone on since is right
    world.clock.now += retention.DOUBT_SECONDS + 1
    assert retention.remove_older(world.desk.store, world.clock.now - 9 * DAY, 7) == 7
    await world.look()
    assert [target for _, _, target in world.lines()] == ["new"]


async def test_a_clock_that_leapt_removes_nothing(world):
    world.edit("{keep: 10d}")
    await world.tell(event("anna", target="old"))
    world.clock.now += 4000 * DAY
    for _ in range(2):
        await world.look()
        await world.tell(event("af", "service.start"))
    world.clock.now += DAY
    await world.look()
    kinds = [action for _, action, _ in world.lines()]
    assert kinds == ["server.start", "audit.pause", "service.start", "service.start"]
    # set right
    world.clock.now -= 4001 * DAY
    await world.look()
    assert len(world.lines()) == 4


async def test_a_service_that_was_away_for_long_removes_a_few_days_later(world):
    world.edit("{keep: 10d}")
    await world.tell(event("anna", target="old"))
    world.clock.now += 30 * DAY
    for _ in range(5):
        await world.look()
        world.clock.now += DAY
    assert [action for _, action, _ in world.lines()] == ["audit.pause"]


async def test_a_page_has_the_lines_of_before_a_clock_was_put_back(world):
    start = world.clock.now
    for number, minute in enumerate((0, 30, 60, 5, 20)):
        world.clock.now = start + 60 * minute
        await world.tell(event("anna", target=str(number)))
    query = AuditQuery(actor="unix:ada", since=start + 4 * 60, until=start + 7200)
    page = find_page(world.desk.store, query)
    assert [line.event.target for line in page.lines] == ["1", "2", "3", "4"]


async def fill(world: World) -> None:
    """Let somebody work, act upon another, be acted upon, be renamed, and leave."""
    for name in ("anna", "bea"):
        await world.add(name)
    await world.tell(event("anna", "login", result="allowed"))
    world.accounts.begin_rename("anna", "anna-rossi")
    world.accounts.finish_rename("anna")
    await world.tell(
        event("anna-rossi", target="anna-rossi/two", detail="of anna-rossi"),
        event("anna-rossi", "server.enter", "bea/"),
        event("anna-rossi", "backup.restore", "collabspace:GW"),
        event("admin1", "server.stop", "anna-rossi/two"),
        event("bea", "login", result="allowed"),
        event("annabella", "login", result="allowed"),
    )
    await world.delete("anna-rossi")


async def test_whoever_is_deleted_has_no_name_in_the_audit_any_more(world):
    await fill(world)
    await world.look()
    lines = world.lines()
    (gone,) = {actor for actor, _, _ in lines if actor.startswith("gone:")}
    assert lines == [
        (gone, "account.register", ""),
        ("bea", "account.register", ""),
        (gone, "login", ""),
        (gone, "server.start", f"{gone}/two"),
        (gone, "server.enter", "bea/"),
        (gone, "backup.restore", "collabspace:GW"),
        ("admin1", "server.stop", f"{gone}/two"),
        ("bea", "login", ""),
        ("annabella", "login", ""),
        ("unix:ada", "account.delete", f"{gone}/"),
        ("unix:ada", "audit.erase", ""),
    ]
    texts = [k.event.model_dump_json() for k in world.desk.audit.last(100)]
    assert not [text for text in texts if "anna-rossi" in text or '"anna"' in text]
    # done once: the next look finds nothing more
    await world.look()
    assert world.lines() == lines


async def test_lines_by_the_name_of_a_directory_are_the_person_s(world):
    for name in ("alice.rossi", "bea"):
        await world.add(name)
    slug = make_slug("alice.rossi")
    assert slug != "alice.rossi"
    failed = event("storage", "backup.run", f"{slug}/private", result="failed")
    # as a version of before kept it, and as it is kept now
    await world.tell(failed)
    await world.desk.record_of_agent(failed, telling="")
    targets = [target for _, _, target in world.lines()[-2:]]
    assert targets == [f"{slug}/private", "alice.rossi/private"]
    history = world.desk.audit.about("alice.rossi", 10)
    assert [line.target for line in history][-2:] == targets
    query = AuditQuery(
        actor="unix:ada", user="alice.rossi", action="backup.run", since=0, until=1e11
    )
    page = find_page(world.desk.store, query)
    assert [line.event.target for line in page.lines] == targets
    for foreign in ("collabspace:GW", "nobody/private"):
        line = event("storage", "backup.run", foreign, result="failed")
        await world.desk.record_of_agent(line, telling="")
        assert world.lines()[-1][2] == foreign
    await world.delete("alice.rossi")
    await world.look()
    assert not [line for line in world.lines() if "alice" in str(line)]


async def test_a_directory_s_name_that_is_a_name_is_its_own_person_s(world):
    await world.add("alice.rossi")
    await world.add("bea")
    slug = make_slug("alice.rossi")
    with world.desk.store.write() as session:
        row = session.scalars(select(AccountRow).where(AccountRow.name == "bea")).one()
        row.name = slug
    await world.tell(event(slug, target=f"{slug}/"))
    assert slug not in [h.actor for h in world.desk.audit.about("alice.rossi", 10)]


async def test_whoever_is_deleted_is_erased_where_the_file_says_so(world):
    world.edit("{on_delete: erase}")
    await fill(world)
    await world.look()
    lines = world.lines()
    (gone,) = {actor for actor, _, _ in lines if actor.startswith("gone:")}
    assert lines == [
        ("bea", "account.register", ""),
        # what was done to others stays theirs
        (gone, "server.enter", "bea/"),
        (gone, "backup.restore", "collabspace:GW"),
        ("bea", "login", ""),
        ("annabella", "login", ""),
        ("unix:ada", "audit.erase", ""),
    ]
    (kept,) = world.desk.audit.last(1)
    assert kept.event.detail == "7 lines about a deleted account were erased."


async def test_lines_stay_where_the_file_says_so(world):
    world.edit("{on_delete: keep}")
    await fill(world)
    before = world.lines()
    await world.look()
    assert world.lines() == before


@pytest.mark.parametrize("how", ["anonymise", "erase"])
async def test_an_erasure_that_was_cut_off_goes_on(world, monkeypatch, how):
    monkeypatch.setattr(retention, "BATCH", 2)
    world.edit(f"{{on_delete: {how}}}")
    await fill(world)
    (leaver,) = retention.find_leavers(world.desk.store)
    retention.forget_some(world.desk.store, leaver, how, "gone:1")
    await world.look()
    text = str(world.lines())
    assert "anna-rossi" not in text
    assert "'anna'" not in text


async def test_nobody_is_forgotten_who_is_only_retired(world):
    await world.add("anna")
    world.accounts.retire("anna")
    await world.tell(event("anna", "login", result="refused"))
    before = world.lines()
    await world.look()
    assert world.lines() == before


async def test_a_line_that_comes_late_is_forgotten_too(world):
    await world.add("anna")
    await world.delete("anna")
    await world.look()
    await world.tell(event("hub", "server.stop", "anna/"))
    await world.look()
    assert "anna/" not in [target for _, _, target in world.lines()]


async def test_an_edit_is_one_line_and_so_is_a_bad_one(world):
    edits = Edits(world.desk)
    await edits.look()
    world.edit("{keep: 90d}")
    await edits.look()
    await edits.look()
    world.edit("{keep: 1h}")
    await edits.look()
    await edits.look()
    kept = [k.event for k in reversed(world.desk.audit.last(10))]
    assert [e.action for e in kept] == ["facility.edit"] * 3
    assert [e.result for e in kept] == ["done", "done", "refused"]
    digest = world.desk.catalogue.last.digest
    assert [e.rule for e in kept[1:]] == [digest, "facility-file"]
    assert "audit.keep" in kept[2].detail


async def test_an_edit_while_the_service_was_away_is_told_after_it(world):
    await Edits(world.desk).look()
    await Edits(world.desk).look()
    assert len(world.lines()) == 1
    world.edit("{keep: 90d}")
    await Edits(world.desk).look()
    assert len(world.lines()) == 2


async def test_a_duty_that_fails_keeps_no_other(world, monkeypatch, caplog):
    async def fail(self):
        raise ZeroDivisionError

    monkeypatch.setattr(Edits, "look", fail)
    world.edit("{keep: 1d}")
    await world.tell(event("anna"))
    world.clock.now += 2 * DAY
    await Housekeeping(world.desk).look()
    assert world.lines() == []
    assert "Failed at housekeeping" in caplog.text

"""Accounts after their first login: states, names of before, and numbers for ever."""

from __future__ import annotations

import pytest
from service_world import ISSUER, person

from jupyterhub_af.policy.messages import AccountRequest, AuditEvent, IdsRequest
from jupyterhub_af.service.accounts import Accounts
from jupyterhub_af.service.audit import Audit
from jupyterhub_af.service.refusal import RefusedError


@pytest.fixture
def accounts(store, register) -> Accounts:
    return Accounts(store, register, Audit(store))


def log_in(register, name: str, subject: str = ""):
    asked = person(name) | ({"subject": f"subject-of-{subject}"} if subject else {})
    return register.account_for(AccountRequest.model_validate(asked))[0]


def rename(accounts, old: str, new: str) -> None:
    assert accounts.begin_rename(old, new)
    accounts.finish_rename(old)


def rule_of(call, *arguments) -> str:
    with pytest.raises(RefusedError) as caught:
        call(*arguments)
    assert str(caught.value)
    return caught.value.rule


def test_a_retired_person_is_refused_in_words_until_they_are_reopened(
    accounts, register
):
    anna = log_in(register, "anna")
    assert accounts.retire("anna")
    assert not accounts.retire("anna")
    with pytest.raises(RefusedError, match="The account anna is closed"):
        log_in(register, "anna")
    assert rule_of(register.ids_for, IdsRequest(user="anna")) == "account-closed"
    assert accounts.find("anna").state == "retired"
    assert accounts.reopen("anna")
    assert log_in(register, "anna") == anna


def test_a_renamed_person_keeps_the_uid_and_no_one_gets_the_old_name(
    accounts, register
):
    anna = log_in(register, "anna")
    assert accounts.begin_rename("anna", "anna-rossi")
    assert rule_of(register.ids_for, IdsRequest(user="anna")) == "account-renaming"
    assert rule_of(log_in, register, "anna") == "account-renaming"
    accounts.finish_rename("anna")
    # the IAM may say either name: the person is issuer and subject
    found = log_in(register, "anna")
    assert (found.name, found.uid) == ("anna-rossi", anna.uid)
    line = accounts.find("anna")
    assert (line.name, line.former_names) == ("anna-rossi", ("anna",))
    assert rule_of(log_in, register, "anna", "somebody-else") == "name-taken"
    assert rule_of(log_in, register, "anna-rossi", "somebody-else") == "name-taken"


def test_a_name_that_is_being_given_is_nobody_else_s(accounts, register):
    log_in(register, "anna")
    accounts.begin_rename("anna", "anna-rossi")
    assert rule_of(log_in, register, "anna-rossi") == "name-taken"
    accounts.cancel_rename("anna")
    assert log_in(register, "anna-rossi").name == "anna-rossi"
    assert log_in(register, "anna").name == "anna"


def test_a_person_may_have_a_name_of_before_again(accounts, register):
    uid = log_in(register, "anna").uid
    rename(accounts, "anna", "bea")
    rename(accounts, "bea", "anna")
    assert log_in(register, "anna").uid == uid
    assert accounts.find("bea").former_names == ("bea",)


def test_an_act_that_was_cut_off_goes_on(accounts, register):
    log_in(register, "anna")
    assert accounts.begin_rename("anna", "bea")
    assert not accounts.begin_rename("anna", "bea")
    assert rule_of(accounts.begin_rename, "anna", "carla") == "account-renaming"
    accounts.finish_rename("anna")
    accounts.finish_rename("anna")
    accounts.retire("bea")
    assert accounts.begin_delete("bea")
    assert not accounts.begin_delete("bea")
    assert accounts.find("bea").state == "deleting"
    accounts.finish_delete("bea")
    accounts.finish_delete("bea")
    assert accounts.find("bea").state == "deleted"


@pytest.mark.parametrize(
    ("new", "rule"),
    [
        ("Ännä", "name-form"),
        ("../root", "name-form"),
        ("", "name-form"),
        ("root", "name-reserved"),
        ("bob", "name-taken"),
    ],
)
def test_a_name_that_cannot_be_theirs_changes_nothing(accounts, register, new, rule):
    log_in(register, "anna")
    log_in(register, "bob")
    assert rule_of(accounts.begin_rename, "anna", new) == rule
    assert accounts.find("anna").state == "active"


@pytest.mark.parametrize(
    ("state", "act", "rule"),
    [
        ("active", "begin_delete", "account-active"),
        ("retired", "begin_rename", "account-retired"),
        ("deleting", "retire", "account-deleting"),
        ("deleting", "reopen", "account-deleting"),
        ("deleted", "retire", "account-deleted"),
        ("deleted", "reopen", "account-deleted"),
        ("deleted", "begin_rename", "account-deleted"),
    ],
)
def test_an_act_out_of_order_is_refused_in_words(accounts, register, state, act, rule):
    log_in(register, "anna")
    steps = (accounts.retire, accounts.begin_delete, accounts.finish_delete)
    count = {"active": 0, "retired": 1, "deleting": 2, "deleted": 3}[state]
    for step in steps[:count]:
        step("anna")
    more = ("bea",) if act == "begin_rename" else ()
    assert rule_of(getattr(accounts, act), "anna", *more) == rule
    assert accounts.find("anna").state == state


def test_of_a_deleted_person_nothing_is_ever_given_again(accounts, register):
    anna = log_in(register, "anna")
    for step in (accounts.retire, accounts.begin_delete, accounts.finish_delete):
        step("anna")
    assert rule_of(log_in, register, "anna") == "account-closed"
    assert rule_of(log_in, register, "anna", "somebody-else") == "name-taken"
    given = {log_in(register, f"student{n}").uid for n in range(100)}
    assert len(given) == 100
    assert anna.uid not in given
    assert min(given) > anna.uid


def test_somebody_without_an_account_is_said_so(accounts):
    assert rule_of(accounts.find, "nobody-here") == "account-unknown"


async def test_a_renamed_person_reads_the_lines_of_before(accounts, register, store):
    audit = Audit(store)
    log_in(register, "anna")
    for target in ("anna/", "anna/one", "bob/"):
        await audit.record(
            AuditEvent(
                actor="unix:root", action="account.export", target=target, result="done"
            )
        )
    rename(accounts, "anna", "bea")
    await audit.record(
        AuditEvent(actor="bea", action="login", target="", result="allowed")
    )
    lines = audit.about("bea", 50)
    assert [(line.action, line.target) for line in lines] == [
        ("account.export", "anna/"),
        ("account.export", "anna/one"),
        ("login", ""),
    ]
    record = accounts.record("anna")
    assert (record.account.name, record.issuer) == ("bea", ISSUER.removesuffix("/"))
    assert [kept.event.target for kept in record.events] == ["anna/", "anna/one", ""]

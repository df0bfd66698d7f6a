"""Plans: one start id, one plan; the numbers are the register's."""

from __future__ import annotations

from dataclasses import replace

import pytest
from service_world import person

from jupyterhub_af.policy.messages import AccountRequest, IdsRequest
from jupyterhub_af.policy.plan import Ids
from jupyterhub_af.service.plans import Plans
from jupyterhub_af.service.refusal import RefusedError


@pytest.fixture
def plans(store, register) -> Plans:
    return Plans(store, register)


@pytest.fixture
def make_plan_of(register, make_server_plan):
    def make(user: str, start_id: str, server_name: str = ""):
        register.account_for(AccountRequest.model_validate(person(user)))
        reply = register.ids_for(IdsRequest(user=user, groups=("hackathon/gw",)))
        ids = Ids(reply.uid, reply.gid, reply.gids)
        return make_server_plan(user, ids, start_id=start_id, server_name=server_name)

    return make


def refusal(plans: Plans, plan) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        plans.put(plan)
    return caught.value


def test_a_plan_comes_back_as_it_was_put(plans, make_plan_of):
    plan = make_plan_of("alice", "start-1")
    plans.put(plan)
    assert plans.find("alice", "") == plan


def test_another_start_of_the_server_replaces_the_plan(plans, make_plan_of):
    plans.put(make_plan_of("alice", "start-1"))
    second = make_plan_of("alice", "start-2")
    plans.put(second)
    assert plans.find("alice", "") == second
    assert plans.count() == 1


def test_servers_of_one_person_have_plans_of_their_own(plans, make_plan_of):
    one = make_plan_of("alice", "start-1", "one")
    two = make_plan_of("alice", "start-2", "two")
    plans.put(one)
    plans.put(two)
    assert (plans.find("alice", "one"), plans.find("alice", "two")) == (one, two)
    assert plans.find("alice", "") is None


def test_a_plan_that_is_sent_twice_is_one_plan(plans, make_plan_of):
    plan = make_plan_of("alice", "start-1")
    plans.put(plan)
    plans.put(plan)
    assert plans.count() == 1


def test_a_start_id_never_names_another_plan(plans, make_plan_of):
    plan = make_plan_of("alice", "start-1")
    plans.put(plan)
    for other in (
        make_plan_of("bob", "start-1"),
        make_plan_of("alice", "start-1", "two"),
        replace(plan, memory_bytes=1),
    ):
        refused = refusal(plans, other)
        assert (refused.status, refused.rule) == (409, "start-id-taken")
    assert plans.find("alice", "") == plan


@pytest.mark.parametrize(
    "change",
    [
        {"uid": 0},
        {"gid": 0},
        {"uid": None, "gid": None},
        {"gids": {"hackathon/gw": 0}},
        {"gids": {"hackathon/gw": None}},
        {"gids": {"a-group-nobody-asked-for": 2_000_001}},
        {"person": "bob"},
    ],
    ids=str,
)
def test_numbers_the_register_did_not_give_are_refused(plans, make_plan_of, change):
    refused = refusal(plans, replace(make_plan_of("alice", "start-1"), **change))
    assert (refused.status, refused.rule) == (409, "plan-numbers")
    assert plans.count() == 0


def test_a_plan_of_nobody_is_refused(plans, make_server_plan):
    refused = refusal(plans, make_server_plan("alice", None, start_id="start-1"))
    assert (refused.status, refused.rule) == (404, "account-unknown")

"""Every mutation at every door: nothing outside the entitlement starts, and each no is said."""

from __future__ import annotations

import os

import pytest
from door_world import (
    CLOSED,
    DOORS,
    Door,
    DoorWorld,
    assert_refused,
)
from mutations import MUTATIONS, Mutation

pytestmark = pytest.mark.local


def test_there_are_enough_mutations_and_each_has_its_own_sentence():
    assert len(MUTATIONS) >= 60
    assert len({mutation.says for mutation in MUTATIONS}) == len(MUTATIONS)


@pytest.fixture(scope="module")
def world(doors: DoorWorld) -> DoorWorld:
    doors.keep(CLOSED)
    doors.forget_trace()
    return doors


IS_PROOF = bool(os.environ.get("AF_PROOF"))
ALWAYS = ("the form", "the API")


def is_tried(number: int, mutation: Mutation, place: int, door: Door) -> bool:
    """Tell whether a cell is tried: without AF_PROOF each row and column is."""
    is_next = number % len(DOORS) == place
    if mutation.form_starts is not None and door.is_form:
        # a start takes seconds
        return IS_PROOF or is_next or door.says == "the form"
    return IS_PROOF or is_next or door.says in ALWAYS


CELLS = [
    pytest.param(door, mutation, id=f"{door.says}: {mutation.says}")
    for place, door in enumerate(DOORS)
    for number, mutation in enumerate(MUTATIONS)
    if is_tried(number, mutation, place, door)
]


@pytest.mark.parametrize(("door", "mutation"), CELLS)
def test_at(world: DoorWorld, door: Door, mutation: Mutation):
    before = world.last_trace()
    answer = door.send(world, mutation)
    if door.is_form and mutation.form_starts is not None:
        assert_starts_exactly(world, door, mutation, answer)
    elif door.says == "a query string" and mutation.form_starts is not None:
        # a link only shows the form
        assert answer.status_code == 200
        assert world.trace() == before
    else:
        assert_refused(answer)
        assert world.trace() == before


def assert_starts_exactly(world, door, mutation, answer):
    assert answer.status_code == 302, answer.text
    try:
        world.student.wait_until_ready(door.server)
        plan = world.facility.plans()["student2", door.server]
        wanted = mutation.form_starts
        assert {key: plan[key] for key in wanted} == wanted
    finally:
        world.facility.end_servers()
        world.keep(CLOSED)
        world.forget_trace()

"""Pauses after questions in vain: they double, and end by a word or a turned clock."""

from __future__ import annotations

from jupyterhub_af.hub.pauses import Pauses


def length_of(pauses, clock, most):
    """Return how long a pause of now still goes on."""
    began = clock[0]
    while pauses.goes_on(1, most_seconds=most):
        clock[0] += 5
    return clock[0] - began


def test_a_pause_doubles_up_to_a_bound():
    clock = [1000.0]
    pauses, found = Pauses(lambda: clock[0]), []
    for _ in range(7):
        pauses.lengthen(1)
        found.append(length_of(pauses, clock, 300))
    assert found == [10, 20, 40, 80, 160, 300, 300]


def test_a_word_ends_it_and_so_does_a_clock_put_back():
    clock = [1000.0]
    pauses = Pauses(lambda: clock[0])
    assert not pauses.goes_on(1, most_seconds=300)
    pauses.lengthen(1)
    assert pauses.goes_on(1, most_seconds=300)
    assert not pauses.goes_on(2, most_seconds=300)
    clock[0] -= 60
    assert not pauses.goes_on(1, most_seconds=300)
    clock[0] += 60
    pauses.end(1)
    assert not pauses.goes_on(1, most_seconds=300)

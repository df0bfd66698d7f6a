"""What is remembered of people and of their servers' tokens, and what is forgotten."""

from __future__ import annotations

from jupyterhub_af.service.admitted import MOST_OF_ONE, Admitted
from jupyterhub_af.service.standings import PATIENCE_SECONDS, Standings


def test_a_question_that_failed_is_no_problem_once_nobody_is_left():
    standings = Standings()
    standings.note_failed(0, "The hub does not answer.")
    standings.forget_others({"anna"})
    (problem,) = standings.problems(PATIENCE_SECONDS + 1)
    assert problem.startswith("The hub does not answer.")
    standings.forget_others(set())
    assert standings.problems(PATIENCE_SECONDS + 1) == ()


def test_many_tokens_for_a_server_push_out_the_oldest_of_it_alone(lite_store):
    admitted = Admitted(lite_store)
    admitted.note("bob's", ("bob", ""))
    admitted.note("own", ("anna", ""))
    for number in range(20):
        admitted.note(f"minted {number}", ("anna", ""))
        # what is in use stays
        admitted.note("own", ("anna", ""))
    assert admitted.find("bob's") == ("bob", "")
    assert admitted.find("own") == ("anna", "")
    kept = [n for n in range(20) if admitted.find(f"minted {n}")]
    assert kept == list(range(20))[1 - MOST_OF_ONE :]

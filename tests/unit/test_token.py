from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import demo_facility

from jupyterhub_af.policy.token import (
    TokenWish,
    explain_broken,
    explain_late,
    explain_missing,
    explain_refused,
    token_folder,
)
from jupyterhub_af.policy.token_life import TokenLife

times = st.floats(0, 2**33, allow_nan=False)


@pytest.mark.parametrize(
    ("now", "is_due", "is_late"),
    [
        pytest.param(1000.0, False, False, id="just obtained"),
        pytest.param(1749.0, False, False, id="more than a quarter left"),
        pytest.param(1750.0, True, False, id="a quarter left"),
        pytest.param(1800.0, True, False, id="a fifth left"),
        pytest.param(1801.0, True, True, id="less than a fifth left"),
        pytest.param(2001.0, True, True, id="expired"),
    ],
)
def test_a_token_is_asked_for_anew_before_a_fifth_of_its_life_is_left(
    now, is_due, is_late
):
    life = TokenLife(1000.0, 2000.0)
    assert (life.is_due(now), life.is_late(now)) == (is_due, is_late)


@given(times, times, times)
def test_a_late_token_is_always_due(obtained_at, expires_at, now):
    life = TokenLife(obtained_at, expires_at)
    # a rounding error of times after 1970 is far below a second
    assert life.is_due(now + 1) or not life.is_late(now)
    assert life.lifetime_seconds >= 0


@pytest.mark.parametrize(
    ("wish", "is_narrow"),
    [
        pytest.param(TokenWish(), False, id="what the login got"),
        pytest.param(TokenWish("a"), True, id="one audience"),
        pytest.param(TokenWish(None, ("s",)), True, id="some scopes"),
    ],
)
def test_a_wish_for_less_is_narrow(wish, is_narrow):
    assert wish.is_narrow is is_narrow


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(names, st.just("") | names, names, st.just("") | names)
def test_no_two_servers_share_a_folder(user, server, other_user, other_server):
    folders = token_folder(user, server), token_folder(other_user, other_server)
    is_same = (user, server) == (other_user, other_server)
    assert (folders[0] == folders[1]) is is_same
    assert not set(folders[0]) & set("/.\0")


def test_words_say_whom_to_ask():
    facility = demo_facility()
    words = (
        explain_late(facility),
        explain_missing(facility),
        explain_refused(facility, "DODAS V5"),
        explain_broken(facility),
    )
    assert all(facility.contact in str(sentence) for sentence in words)

from __future__ import annotations

import pytest

from jupyterhub_af.service.pace import Pace
from jupyterhub_af.service.refusal import RefusedError


def test_each_may_do_so_much_in_a_stretch_and_is_told_when_again():
    now = [0.0]
    pace = Pace(2, 600, lambda: now[0])
    for who in ("anna", "anna", "bea"):
        pace.count(who)
    now[0] = 299
    with pytest.raises(RefusedError, match=r"2 times already; .* in 5 minutes") as no:
        pace.count("anna")
    assert (no.value.status, no.value.rule) == (429, "too-often")
    pace.count("bea")
    now[0] = 600
    pace.count("anna")

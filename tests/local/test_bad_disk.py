"""A disk that hangs under a whole facility: one area is away, and everything else goes on.

A FUSE file system whose server never answers stands in for an NFS server that is gone.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from facility_world import RunningFacility, wait_until

sys.path.insert(0, str(Path(__file__).parents[1] / "storage"))
from fuse_world import hanging_file_system

pytestmark = pytest.mark.local


def test_a_hanging_disk_refuses_who_needs_it_with_words_and_holds_up_nobody_else(
    facility: RunningFacility,
):
    """The student has a folder on that disk, the researcher has none."""
    assert os.geteuid() == 0, "mounting needs root"
    student, researcher = map(facility.person, ("student1", "researcher1"))
    for person in (student, researcher):
        person.log_in()
    with (
        hanging_file_system(facility.data / "areas/collab"),
        ThreadPoolExecutor(1) as pool,
    ):
        asked = pool.submit(student.post_form, profile="dodas-v5")
        wait_until(lambda: student_waits(facility), what="the student's start is on")
        # the hub's loop waits for no disk, nor does the agent's
        researcher.start(profile="dodas-v5")
        assert researcher.http.get(researcher.at("hub/health")).status_code == 200
        researcher.stop()
        answer = asked.result(60)
        wait_until(lambda: not student.server(), seconds=60, what="the start is over")
        page = student.http.get(student.at("hub/spawn-pending/student1"))
    # a start that takes longer goes on while the person sees the page that waits
    assert answer.status_code == 302
    assert page.status_code == 503
    assert "did not answer within 20 seconds (area collabspace)" in page.text
    # and once the disk is back, so is the person
    student.start(profile="dodas-v5")
    student.stop()


def student_waits(facility: RunningFacility) -> bool:
    """Tell whether the student's plan is recorded and the areas are being made."""
    return ("student1", "") in facility.plans()

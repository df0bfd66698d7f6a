"""Names and sources that look like somebody else's: refused, or a place of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from obstacles import HOME, SHARED, Place, open_place, others, snapshot
from storage_world import STRANGER, ensure, layout, plan_for

from jupyterhub_af.policy.names import make_slug
from jupyterhub_af.policy.plan import ServerPlan
from jupyterhub_af.storage.errors import AgentError


@pytest.fixture
def place() -> Iterator[Place]:
    with open_place() as found:
        yield found


def tampered(**changed: str) -> Callable[[ServerPlan], ServerPlan]:
    """Return an edit of the source of the mount of one kind of area."""
    ((kind, source),) = changed.items()

    def edit(plan: ServerPlan) -> ServerPlan:
        mounts = tuple(
            replace(m, source=source) if m.kind == kind and not done else m
            for done, m in zip(seen_before(plan, kind), plan.mounts, strict=True)
        )
        return replace(plan, mounts=mounts)

    return edit


def seen_before(plan: ServerPlan, kind: str) -> list[bool]:
    """Return whether each mount comes after the last of its kind that is to be edited."""
    last = max(n for n, mount in enumerate(plan.mounts) if mount.kind == kind)
    return [n != last for n, _ in enumerate(plan.mounts)]


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(tampered(private=source), id=f"private: {source!r}"[:60])
        for source in (
            *("private/../../outside", "private/student1/..", "private/./student1"),
            *(
                "private//student1",
                "private/student1/",
                "/private/student1",
                "private/",
            ),
            *("private/student1\n", "private/student1\0x", "private/.student1"),
            *("private/student1/../student2", "private\\student2", "shared/student1"),
            # a long name; Cyrillic and full-width letters; a case twin
            *(
                f"private/{'x' * 300}",
                "private/\N{CYRILLIC SMALL LETTER DZE}tudent1",
                "private/\N{FULLWIDTH LATIN SMALL LETTER S}tudent1",
            ),
            *("private/Student1", "private/student1 ", "private/~", "private/student"),
        )
    ]
    + [
        pytest.param(tampered(**{kind: source}), id=f"{kind}: {source}")
        for kind, source in (
            ("shared", "shared/shared/student2"),
            ("shared", "shared/../private/student2"),
            ("shared", "private/student1"),
            ("collab", "collab/collabspace/../../private/student2"),
            ("collab", "collab/collabspace/.hidden"),
            ("collab", "collab/other/GW"),
            ("collab", "collab/collabspace/GW/inner"),
            ("backup", "backups/collabspace/../../private"),
            ("backup", "collab/collabspace/GW"),
            ("backup", "backups/private/student2"),
        )
    ],
)
def test_a_source_of_another_place_is_refused_and_makes_nothing(place, edit):
    before = (others(place), snapshot(place.volume))
    with pytest.raises(AgentError) as refused:
        ensure(place.volume, edit(plan_for("student1")))
    assert (refused.value.status, refused.value.rule) == (400, "plan-source")
    assert (others(place), snapshot(place.volume)) == before


@pytest.mark.parametrize(
    "user",
    [
        *("student", "student10", "Student1", "STUDENT1", "student1 ", " student1"),
        *("student1\n", "student1\0", "student1/..", "../student1", "..", ".", ""),
        *(
            "\N{CYRILLIC SMALL LETTER DZE}tudent1",
            "\N{FULLWIDTH LATIN SMALL LETTER S}tudent1",
            "stu\N{ZERO WIDTH SPACE}dent1",
            "student\N{ARABIC-INDIC DIGIT ONE}",
        ),
        *("student1---x", "-rf", "~root", "$(id)", ".probe", "x" * 4096, "\ud800"),
    ],
    ids=repr,
)
def test_a_name_that_looks_like_another_gets_a_directory_of_its_own(place, user):
    """As `al` beside `alice`: each name has its directory, directly below its parent."""
    plan = plan_for("student1")
    person = make_slug(user)
    assert person != "student1"
    mounts = tuple(
        replace(m, source=m.source.replace("student1", person)) for m in plan.mounts
    )
    twin = replace(
        plan, user=user, person=person, uid=STRANGER, gid=STRANGER, mounts=mounts
    )
    own = (place.volume / HOME, place.volume / SHARED)
    before = (others(place), snapshot(*own))
    reply = ensure(place.volume, twin)
    assert reply.made == (f"private/{person}", f"shared/shared/{person}")
    assert (others(place), snapshot(*own)) == before
    assert layout(place.volume)[f"private/{person}"] == (STRANGER, STRANGER, "0o700")

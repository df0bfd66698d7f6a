"""The worlds that unit tests live in: a whole facility file and the people of its demo."""

from __future__ import annotations

from functools import cache

from jupyterhub_af.policy.access import Access, resolve_access
from jupyterhub_af.policy.errors import ConfigError
from jupyterhub_af.policy.facility import Facility
from jupyterhub_af.policy.facility_text import parse_facility
from jupyterhub_af.policy.identity import make_identity
from jupyterhub_af.policy.plan import Ids, ServerPlan, groups_of, make_plan, mounts_of
from jupyterhub_af.policy.selection import select

FACILITY_TEXT = r"""version: 1
name: INFN analysis facility
contact: support@example.org
iam:
  issuer: https://iam-demo.cloud.cnaf.infn.it/
  groups_claim: auto
  recheck_seconds: 300
  grace_seconds: 28800
  courtesy_seconds: 300
access:
  allowed_groups: [hackathon, cygno, ml-infn]
  admin_groups: [facility/admins]
classes:
  - {name: hackathon, students: hackathon/students, teachers: hackathon/teachers}
profiles:
  - slug: dodas-v5
    display_name: DODAS V5
    image: registry.example.org/af/dodas:5
    default: true
    sizes:
      - {slug: small, cores: 1, memory: 2G, default: true}
      - {slug: large, cores: 4, memory: 8G, allowed_groups: [cygno]}
    dask: standard
    lifetime: {idle: 1h, longest: 12h}
  - slug: cygno
    allowed_groups: [cygno]
    hidden: true
    image: registry.example.org/af/cygno:2
    storage: [private, cvmfs]
  - slug: ml-infn
    allowed_groups: [ml-infn, hackathon/students]
    image: registry.example.org/af/ml-infn:2
    gpus:
      - {slug: none, default: true}
      - {slug: slice, resource: nvidia.com/mig-1g.5gb, count: 1}
      - {slug: whole, resource: nvidia.com/gpu, count: 1, allowed_groups: [ml-infn], queue: true}
    placement: {node_selector: {gpu: "true"}, tolerations: [{key: nvidia.com/gpu, operator: Exists}]}
    token: {audience: https://wlcg.cern.ch/jwt/v1/any, scopes: [storage.read:/]}
  - slug: own-image
    allowed_groups: [cygno]
    image_pattern: 'registry\.example\.org/users/[a-z0-9._/-]+:[A-Za-z0-9._-]+'
storage:
  - {name: private,     kind: private, claim: af-areas, quota: 20G}
  - {name: shared,      kind: shared, claim: af-areas, class: hackathon}
  - {name: collabspace, kind: collab, claim: af-areas, folders: {GW: hackathon/gw, HEP: hackathon/hep, FisMed: hackathon/fismed}, lease_seconds: 60, backup: {every: 15m, keep: 48}}
  - {name: cvmfs,       kind: cvmfs, claim: cvmfs, optional: true}
dask:
  standard: {max_clusters: 2, worker_cores: [1, 4], worker_memory: [1G, 8G], user_cores: 16, user_memory: 32G, group_cores: {cygno: 64}, idle_timeout: 30m, detach: 0m}
"""

# who is in which groups, every ancestor listed as IAM does
PEOPLE: dict[str, frozenset[str]] = {
    "student1": frozenset({"hackathon", "hackathon/students", "hackathon/gw"}),
    "student2": frozenset({"hackathon", "hackathon/students", "hackathon/hep"}),
    "student3": frozenset({"hackathon", "hackathon/students", "hackathon/fismed"}),
    "teacher1": frozenset({"hackathon", "hackathon/teachers"}),
    "researcher1": frozenset({"cygno"}),
    "researcher2": frozenset({"ml-infn"}),
    "admin1": frozenset({"facility", "facility/admins"}),
    "outsider1": frozenset(),
}
UID = 1000001
FIRST_GROUP_GID = 2000001


@cache
def demo_facility() -> Facility:
    return parse_facility(FACILITY_TEXT)


def edited(*edits: tuple[str, str]) -> str:
    """Return the demo facility's text with each old text, there once, replaced."""
    text = FACILITY_TEXT
    for old, new in edits:
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        text = text.replace(old, new)
    return text


def access_of(
    person: str, facility: Facility | None = None, *, name: str = ""
) -> Access:
    identity = make_identity(name or person, PEOPLE[person])
    return resolve_access(facility or demo_facility(), identity)


def plan_of(
    person: str, facility: Facility | None = None, *, name: str = "", **choice: str
) -> ServerPlan:
    """Return the plan of a demo person's choice, with numbers as a register gives.

    ``name``: of somebody with the same groups.
    """
    facility = facility or demo_facility()
    access = access_of(person, facility, name=name)
    selection = select(access, choice)
    groups = groups_of(mounts_of(facility, access, selection.profile))
    gids = {group: FIRST_GROUP_GID + n for n, group in enumerate(groups)}
    ids = Ids(uid=UID, gid=UID, gids=gids)
    return make_plan(
        facility, access, selection, start_id="start-1", server_name="", ids=ids
    )


def problems_of(text: str) -> list[str]:
    """Return what an administrator reads, a line each without the file's name."""
    try:
        parse_facility(text, file_name="f.yaml")
    except ConfigError as error:
        return [line.removeprefix("f.yaml:") for line in str(error).split("\n")]
    return []

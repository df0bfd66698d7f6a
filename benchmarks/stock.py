"""KubeSpawner with a profile list that a callable filters by groups, as its docs advise."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyterhub.objects import Hub

# a spawner of Kubernetes' reads this when it is made; nothing of it is ever called
NO_CLUSTER = """
apiVersion: v1
kind: Config
current-context: none
clusters: [{name: none, cluster: {server: "http://127.0.0.1:9"}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
users: [{name: none, user: {}}]
"""
Entries = Sequence[tuple[frozenset[str], dict[str, Any]]]


@dataclass
class Person:
    """What KubeSpawner asks of a user; the groups are the person's of this moment."""

    name: str = "person"
    groups: frozenset[str] = frozenset()
    id: int = 1
    url: str = "/user/person/"
    settings: dict[str, Any] = field(default_factory=dict)


def make_spawner(entries: Entries) -> Any:
    """Return a spawner; set ``user.groups`` for who asks. Needs a running event loop."""

    def profile_list(spawner: Any) -> list[dict[str, Any]]:
        groups = spawner.user.groups
        return [entry for opening, entry in entries if not opening.isdisjoint(groups)]

    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
        config.write(NO_CLUSTER)
        config.flush()
        # read when kubespawner is imported, which therefore is here
        os.environ["KUBECONFIG"] = str(Path(config.name))
        from kubespawner import KubeSpawner

        return KubeSpawner(user=Person(), hub=Hub(), profile_list=profile_list)

"""What authenticator and spawners share: the facility, and the lines to other processes.

``FacilityAware`` is a mixin, first in the bases. Its traits are set once, as
``c.FacilityAware.facility_file = …``, and hold for every class that has it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from traitlets import Unicode
from traitlets.config import LoggingConfigurable

from jupyterhub_af.catalogue import Catalogue
from jupyterhub_af.line.audit import AuditWriter
from jupyterhub_af.line.peer import Peer
from jupyterhub_af.policy.access import Access, resolve_access
from jupyterhub_af.policy.facility import Facility
from jupyterhub_af.policy.identity import make_identity

from .metrics import show_facility

if TYPE_CHECKING:
    from jupyterhub.user import User


_catalogues: dict[tuple[str, str], Catalogue] = {}
_writers: dict[str, AuditWriter] = {}


class FacilityAware(LoggingConfigurable):
    """Know the facility, and how to reach its service and its storage agent."""

    facility_file = Unicode(
        config=True,
        help="""
        Path of the facility file. There is no default: without a readable, valid file
        the hub does not start.
        """,
    )
    issuer = Unicode(
        config=True,
        help="""
        An issuer that takes the place of the file's `iam.issuer`, for a facility with a
        demo IAM. Empty (the default): the file's.
        """,
    )
    service_url = Unicode(
        config=True,
        help="""
        Where the service's internal API listens: `unix:/path` or `http://host:port`.
        """,
    )
    service_secret_file = Unicode(
        config=True, help="File with the secret that hub and service share."
    )
    agent_url = Unicode(
        config=True,
        help="""
        Where the storage agent listens: `unix:/path` or `http://host:port`.
        """,
    )
    agent_secret_file = Unicode(
        config=True, help="File with the secret that hub and storage agent share."
    )

    def facility(self) -> Facility:
        """Return the facility in force now."""
        return self._catalogue.current().facility

    @property
    def _catalogue(self) -> Catalogue:
        """Return the process's one catalogue of a file: all that have one share it."""
        key = (self.facility_file, self.issuer)
        if key not in _catalogues:
            catalogue = Catalogue(Path(key[0]), self.log, issuer=key[1])
            show_facility(catalogue)
            _catalogues[key] = catalogue
        return _catalogues[key]

    def service_peer(self) -> Peer:
        """Return the line to the service."""
        return Peer("service", self.service_url, self.service_secret_file)

    def audit_writer(self) -> AuditWriter:
        """Return the process's one writer of lines for the service's audit."""
        if self.service_url not in _writers:
            _writers[self.service_url] = AuditWriter(self.service_peer(), self.log)
        return _writers[self.service_url]

    def agent_peer(self) -> Peer:
        """Return the line to the storage agent."""
        return Peer("storage agent", self.agent_url, self.agent_secret_file)

    def access_of(self, user: User) -> Access:
        """Return what a hub user may use, by the groups of the last login or refresh."""
        identity = make_identity(user.name, (group.name for group in user.groups))
        return resolve_access(self.facility(), identity)

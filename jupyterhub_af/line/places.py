"""Where the command line finds a facility of one machine: below its data folder."""

from __future__ import annotations

SERVICE_SOCKET = "service/af.sock"
ADMIN_SECRET = "admin-secret"  # noqa: S105 - a file's name
AREAS = "areas"

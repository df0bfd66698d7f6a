"""Ports that stay a test's own until something listens there."""

from __future__ import annotations

import socket
from collections import deque

# more than one test has at a time; a descriptor each
MOST_KEPT = 64
_kept: deque[socket.socket] = deque()


def free_port() -> int:
    """Return a port of the loopback that nobody else is given meanwhile.

    It stays bound and nobody listens, so a connection is refused. A server may listen
    there all the same, as servers set SO_REUSEADDR; a port that was let go could be
    another test's, or a client's, before the server has started.
    """
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    _kept.append(kept)
    if len(_kept) > MOST_KEPT:
        _kept.popleft().close()
    return int(kept.getsockname()[1])

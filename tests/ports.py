"""Ports for programs that listen some seconds after they were told where."""

from __future__ import annotations

import secrets
import socket

# below what the kernel gives to connections and to whoever asks for any port, and below
# the demo IAM's own: so nobody else takes one between the look and the use of it
FIRST, LAST = 12_000, 19_999


def free_port() -> int:
    """Return a port of the loopback that nobody listens on.

    Chosen by chance that no test's seed repeats: two workers begin at the same seed.
    """
    for _ in range(100):
        port = FIRST + secrets.randbelow(LAST - FIRST + 1)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError(f"no free port from {FIRST} to {LAST}")

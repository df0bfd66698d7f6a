"""Tests share a machine with others: a slow moment of an example is no failure."""

from __future__ import annotations

import os
import signal

from hypothesis import settings

settings.register_profile("unit", deadline=None)
settings.register_profile("proof", deadline=None, max_examples=2000)
settings.load_profile("proof" if os.environ.get("AF_PROOF") else "unit")

# a shell's background job ignores Ctrl-C, and so would every server that a test starts:
# the hub stops them by it first, and waits
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

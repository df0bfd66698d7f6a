"""Tests share a machine with others: a slow moment of an example is no failure."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("unit", deadline=None)
settings.register_profile("proof", deadline=None, max_examples=2000)
settings.load_profile("proof" if os.environ.get("AF_PROOF") else "unit")

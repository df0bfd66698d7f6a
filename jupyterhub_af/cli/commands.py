"""What every command's module adds itself to."""

from __future__ import annotations

import argparse
from typing import TypeAlias

# argparse gives the type no public name
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

"""``jupyterhub-af schema``: the facility file as a JSON Schema, for editors."""

from __future__ import annotations

import argparse

from jupyterhub_af.policy.facility_schema import schema_text

from .commands import Commands


def add_schema(commands: Commands) -> None:
    """Add the command."""
    schema = commands.add_parser(
        "schema",
        help="print the JSON Schema of the facility file",
        description=(
            "Print the JSON Schema of the facility file. An editor that is given it "
            "completes and checks the file as it is written."
        ),
    )
    schema.set_defaults(run=run_schema)


def run_schema(_parsed: argparse.Namespace) -> int:
    """Print the schema."""
    print(schema_text(), end="")
    return 0

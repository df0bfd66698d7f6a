"""``jupyterhub-af account``: people who leave, come back, or are called otherwise."""

from __future__ import annotations

import argparse
import json
import time
from datetime import UTC, datetime
from pathlib import Path

from jupyterhub_af.policy.account_messages import (
    AccountAct,
    AccountLine,
    AccountList,
    Act,
    ActReply,
)
from jupyterhub_af.policy.errors import AFError
from jupyterhub_af.policy.units import format_memory

from .account_export import export_account
from .asking import complain
from .commands import Commands
from .service_line import ServiceLine, add_data_argument, find_actor

_PATH = "/internal/admin/accounts"
_PAUSE_SECONDS = 0.5


def add_account(commands: Commands) -> None:
    """Add the command with its own commands."""
    account = commands.add_parser(
        "account",
        help="list, rename, retire, reopen, export and delete accounts",
        description="Look after the accounts of a facility that runs on this machine.",
    )
    acts = account.add_subparsers(required=True, metavar="ACT")
    listing = acts.add_parser("list", help="list all accounts")
    listing.set_defaults(run=run_list)
    _add_act(acts, "retire", "let somebody in no more, and keep their files")
    _add_act(acts, "reopen", "let somebody who was retired in again")
    rename = _add_act(acts, "rename", "follow a change of the account name at the IAM")
    rename.add_argument("new_name", metavar="NEW", help="the name at the IAM")
    delete = _add_act(acts, "delete", "remove the files of somebody who was retired")
    delete.add_argument(
        "--yes",
        metavar="NAME",
        default="",
        help="the name once more: nothing brings the files back",
    )
    export = acts.add_parser("export", help="copy all of somebody's files into a tar")
    export.add_argument("name", metavar="NAME", help="the hub name")
    export.add_argument(
        "--to", type=Path, required=True, metavar="FILE", help="the tar to make"
    )
    export.set_defaults(run=run_export)
    for parser in acts.choices.values():
        add_data_argument(parser)
        parser.add_argument(
            "--json", action="store_true", help="print JSON instead of text"
        )


def _add_act(acts: Commands, act: Act, what: str) -> argparse.ArgumentParser:
    parser = acts.add_parser(act, help=what, description=f"{what.capitalize()}.")
    parser.add_argument("name", metavar="NAME", help="the hub name")
    parser.set_defaults(run=run_act, act=act, new_name="", yes=None)
    return parser


def run_list(parsed: argparse.Namespace) -> int:
    """Print every account."""
    try:
        found = ServiceLine(parsed.data).ask(_PATH, AccountList)
    except AFError as error:
        complain(error)
        return 1
    if parsed.json:
        print(json.dumps(found.model_dump()["accounts"], indent=2))
        return 0
    rows = [_HEADINGS, *(_to_row(line) for line in found.accounts)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADINGS))]
    for row in rows:
        cells = zip(row, widths, strict=True)
        print("  ".join(cell.ljust(width) for cell, width in cells).rstrip())
    return 0


_HEADINGS = ("name", "uid", "state", "since", "servers", "used", "former names")


def _to_row(line: AccountLine) -> tuple[str, ...]:
    since = datetime.fromtimestamp(line.since, UTC).strftime("%Y-%m-%d %H:%M")
    return (
        line.name,
        str(line.uid),
        line.state,
        since,
        "?" if line.servers is None else str(line.servers),
        "?" if line.used_bytes is None else format_memory(line.used_bytes),
        ", ".join(line.former_names),
    )


def run_act(parsed: argparse.Namespace) -> int:
    """Do an act to its end; each step that takes long is said once."""
    if parsed.yes is not None and parsed.yes != parsed.name:
        complain(
            f"Nothing was deleted: write --yes {parsed.name} to say that you mean it."
        )
        return 1
    asked = AccountAct(
        act=parsed.act,
        name=parsed.name,
        actor=find_actor(),
        new_name=parsed.new_name,
    )
    try:
        reply = _ask_to_the_end(ServiceLine(parsed.data), asked)
    except AFError as error:
        complain(error)
        return 1
    _say(parsed, reply.words)
    return 0


def _ask_to_the_end(line: ServiceLine, asked: AccountAct) -> ActReply:
    said = ""
    while True:
        reply = line.ask(_PATH, ActReply, asked)
        if reply.is_done:
            return reply
        if reply.words != said:
            said = reply.words
            complain(said)
        time.sleep(_PAUSE_SECONDS)


def run_export(parsed: argparse.Namespace) -> int:
    """Copy somebody's files into a tar."""
    try:
        size = export_account(
            ServiceLine(parsed.data), parsed.name, parsed.to, actor=find_actor()
        )
    except AFError as error:
        complain(error)
        return 1
    _say(parsed, f"{parsed.to} has everything of {parsed.name}: {size} bytes.")
    return 0


def _say(parsed: argparse.Namespace, words: str) -> None:
    print(json.dumps({"words": words}) if parsed.json else words)

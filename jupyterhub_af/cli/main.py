"""The command ``jupyterhub-af``: reads the command line and hands over."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from jupyterhub_af import __version__

from .account import add_account
from .audit import add_audit
from .backup import add_backup
from .check import add_check
from .commands import Commands
from .plan import add_plan
from .schema import add_schema
from .service_line import default_data
from .show import add_show


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = _make_parser()
    parsed = parser.parse_args(arguments)
    try:
        status = int(parsed.run(parsed))
        sys.stdout.flush()
    except BrokenPipeError:
        # whoever read the output has enough; Python would complain again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        # what a facility was asked for goes on there
        return 128 + signal.SIGINT
    return status


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jupyterhub-af", description="An analysis facility described in one file."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    looking = (add_check, add_show, add_plan, add_schema)
    for add in (_add_up, *looking, add_account, add_backup, add_audit):
        add(commands)
    return parser


def _add_up(commands: Commands) -> None:
    up = commands.add_parser(
        "up",
        help="start a whole facility on this machine",
        description="Start a whole facility on this machine, on 127.0.0.1, until Ctrl-C.",
    )
    up.add_argument(
        "--data",
        type=Path,
        default=default_data(),
        metavar="DIR",
        help="folder for everything it writes (default: %(default)s)",
    )
    up.add_argument(
        "--port", type=_port, default=8000, metavar="N", help="default: 8000"
    )
    up.add_argument(
        "--facility",
        type=Path,
        metavar="FILE",
        help="facility file (default: the demo's)",
    )
    up.add_argument(
        "--iam-profile",
        choices=("iam", "wlcg", "kc", "aarc"),
        default="iam",
        help="the form in which the demo IAM writes groups (default: iam)",
    )
    up.add_argument(
        "--no-demo-iam", action="store_true", help="use the facility file's own IAM"
    )
    up.add_argument(
        "--client-id", default="", metavar="ID", help="our client at that IAM"
    )
    up.add_argument(
        "--client-secret-file",
        type=Path,
        metavar="FILE",
        help="file with the client's secret",
    )
    up.add_argument(
        "--named-servers",
        type=_count,
        default=0,
        metavar="N",
        help="how many servers a person may have beside the first (default: 0)",
    )
    up.add_argument(
        "--images",
        type=_names,
        default=(),
        metavar="NAME,...",
        help="images to build beside the default profile's, or all",
    )
    up.add_argument(
        "--debug", action="store_true", help="have every process log all that it does"
    )
    up.set_defaults(run=_run_up)


def _port(text: str) -> int:
    port = int(text) if text.isascii() and text.isdigit() else 0
    if not 1024 <= port <= 65535:
        msg = f"{text!r} is not a port; choose one from 1024 to 65535"
        raise argparse.ArgumentTypeError(msg)
    return port


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for word in text.split(",") if (name := word.strip()))


def _count(text: str) -> int:
    count = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= count <= 100:
        msg = f"{text!r} is not a number from 0 to 100"
        raise argparse.ArgumentTypeError(msg)
    return count


def _run_up(parsed: argparse.Namespace) -> int:
    # the base install has no JupyterHub; only this command needs it
    from jupyterhub_af.local.up import DEMO_FACILITY, UpOptions, run_up

    options = UpOptions(
        data=parsed.data,
        port=parsed.port,
        facility=parsed.facility or DEMO_FACILITY,
        iam_profile=parsed.iam_profile,
        demo_iam=not parsed.no_demo_iam,
        client_id=parsed.client_id,
        client_secret_file=parsed.client_secret_file,
        named_servers=parsed.named_servers,
        images=parsed.images,
        debug=parsed.debug,
    )
    return run_up(options, say=_say)


def _say(line: str) -> None:
    print(line, file=sys.stdout, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""``jupyterhub-af plan``: what a person's choice would start, or why it would not."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import cast

from jupyterhub_af.policy.errors import ConfigError, SelectionError
from jupyterhub_af.policy.messages import plan_to_json
from jupyterhub_af.policy.plan import ServerPlan, make_plan
from jupyterhub_af.policy.selection import OPTION_KEYS, select
from jupyterhub_af.policy.sentence import say
from jupyterhub_af.policy.token import TokenWish
from jupyterhub_af.policy.units import format_cores, format_memory

from .asking import add_person_arguments, complain, load_access
from .commands import Commands

# a plan of the command line starts nothing: it has no start of its own
NO_START = ""


def add_plan(commands: Commands) -> None:
    """Add the command."""
    plan = commands.add_parser(
        "plan",
        help="show what a person's choice would start, or why not",
        description="Show the plan of the server that a person's choice would start, or "
        "why it would not. Nothing is started, and no number is given: uid and gids are "
        "null.",
    )
    add_person_arguments(plan)
    plan.add_argument(
        "--choose",
        default="{}",
        metavar="JSON",
        help=f"what the spawn API takes as user_options: an object with {', '.join(OPTION_KEYS)}; "
        "an absent part takes its default",
    )
    plan.set_defaults(run=run_plan)


def run_plan(parsed: argparse.Namespace) -> int:
    """Print the plan of a choice, or the refusal."""
    try:
        facility, access = load_access(parsed)
        selection = select(access, parse_choice(parsed.choose))
        plan = make_plan(
            facility,
            access,
            selection,
            start_id=NO_START,
            server_name="",
            ids=None,
        )
    except ConfigError as error:
        complain(error)
        return 1
    except SelectionError as error:
        complain(error)
        if parsed.json:
            print(json.dumps(_refusal_to_json(error), indent=2, ensure_ascii=False))
        return 1
    print(_to_json(plan) if parsed.json else "\n".join(_lines(plan)))
    return 0


def parse_choice(text: str) -> Mapping[str, object]:
    """Return the choice a JSON text stands for; ``select`` judges what is in it.

    Raises
    ------
    SelectionError
        If the text is not JSON, or an object in it has a key twice.
    """
    try:
        return cast(
            "Mapping[str, object]", json.loads(text, object_pairs_hook=_to_object)
        )
    except (ValueError, RecursionError):
        sentence = say(
            "The choice {text} is not a JSON object with each key once.",
            text=repr(text[:80]),
        )
        raise SelectionError(sentence, rule="option-malformed") from None


def _to_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({key for key, _ in pairs}) != len(pairs):
        msg = "a key is there twice"
        raise ValueError(msg)
    return dict(pairs)


def _refusal_to_json(error: SelectionError) -> dict[str, object]:
    return {"allowed": False, "reason": str(error), "rule": error.rule}


def _to_json(plan: ServerPlan) -> str:
    return json.dumps(json.loads(plan_to_json(plan)), indent=2, ensure_ascii=False)


def _lines(plan: ServerPlan) -> list[str]:
    """Return a plan for a reader."""
    gpu = f", {plan.gpu_count} x {plan.gpu_resource}" if plan.gpu_count else ""
    size = f"{format_cores(plan.cores)}, {format_memory(plan.memory_bytes)}{gpu}"
    mounts = [
        f"  {m.path}  {'read-only' if m.read_only else 'writable'}  (from {m.source})"
        for m in plan.mounts
    ]
    left_out = [f"  {item.area}: {item.reason}" for item in plan.left_out]
    return [
        f"profile: {plan.profile} ({plan.profile_display_name})",
        f"size: {plan.size} ({size})",
        f"image: {plan.image}",
        f"home: {plan.home}",
        "mounts:",
        *mounts,
        *(["left out:", *left_out] if left_out else []),
        f"dask: {plan.dask or 'none'}",
        f"token: {_token(plan.token)}",
        f"facility digest: {plan.facility_digest}",
    ]


def _token(wish: TokenWish | None) -> str:
    """Return what the server's access token is to be."""
    if wish is None:
        return "none"
    scopes = " ".join(wish.scopes) or "those of the login"
    return f"audience {wish.audience or 'as the IAM says'}, scopes {scopes}"

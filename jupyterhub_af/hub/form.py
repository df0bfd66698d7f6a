"""The one spawn form: from ``Access`` to HTML, and from what the browser sends to a choice.

It is plain HTML: sizes, GPUs and the typed image of every profile are fields of their
own (``size.dodas-v5``), of which only the chosen profile's count. What the browser
sends is only read here; ``policy.selection`` decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from jupyterhub_af.policy.access import Access, GpuAccess, ProfileAccess, SizeAccess
from jupyterhub_af.policy.errors import SelectionError
from jupyterhub_af.policy.selection import OPTION_KEYS, unknown_option
from jupyterhub_af.policy.sentence import say
from jupyterhub_af.policy.units import format_cores, format_memory

_PARTS = ("size", "gpu", "image")
_IGNORED = ("_xsrf", "next", "display_name")
TEMPLATES = Path(__file__).parent / "templates"

_environment = Environment(
    loader=PackageLoader("jupyterhub_af.hub", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters.update(memory=format_memory, cores=format_cores)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the form shows as chosen: for each profile its size and GPU."""

    profile: str | None
    sizes: Mapping[str, str | None]
    gpus: Mapping[str, str | None]
    image: str


def render_form(access: Access, last: Mapping[str, object], wanted: str | None) -> str:
    """Return the form: ``last`` is the choice of last time, ``wanted`` a profile asked for.

    Neither is trusted: each marks what the person may choose today, or nothing.
    """
    template = _environment.get_template("form.html")
    shown = [found for found in access.profiles if found.is_shown]
    return template.render(
        profiles=shown,
        chosen=_chosen(access, last, wanted),
        any_allowed=any(found.allowed for found in shown),
        areas=access.storage,
    )


def _chosen(access: Access, last: Mapping[str, object], wanted: str | None) -> Chosen:
    allowed = [found for found in access.profiles if found.allowed]
    slugs = [found.profile.slug for found in allowed]
    by_default = [found.profile.slug for found in allowed if found.profile.default]
    candidates = (wanted, last.get("profile"), *by_default, *slugs)
    profile = next((slug for slug in candidates if slug in slugs), None)
    remembered = last if last.get("profile") == profile else {}
    return Chosen(
        profile=profile if isinstance(profile, str) else None,
        sizes={
            f.profile.slug: _pick(f.sizes, remembered.get("size"), f, profile)
            for f in allowed
        },
        gpus={
            f.profile.slug: _pick(f.gpus, remembered.get("gpu"), f, profile)
            for f in allowed
        },
        image=str(remembered.get("image", ""))[:255],
    )


def _pick(
    items: Sequence[SizeAccess] | Sequence[GpuAccess],
    remembered: object,
    found: ProfileAccess,
    profile: object,
) -> str | None:
    """Return the slug to mark: last time's, else the default, else the first allowed."""
    parts = [
        (i.size if isinstance(i, SizeAccess) else i.gpu) for i in items if i.allowed
    ]
    slugs = [part.slug for part in parts]
    if found.profile.slug == profile and remembered in slugs:
        return str(remembered)
    return next(
        (part.slug for part in parts if part.default), slugs[0] if slugs else None
    )


def parse_options(data: Mapping[str, Sequence[object]]) -> dict[str, str]:
    """Return the choice in what a form or a query string sent.

    Empty inputs are absent; ``size.<profile>`` counts for the chosen profile only; the
    prefix ``opt-`` of JupyterHub 6's query strings is taken off.

    Raises
    ------
    SelectionError
        If a field is unknown, is there twice, or is not text.
    """
    fields = {
        key.removeprefix("opt-"): _one(key, values)
        for key, values in data.items()
        if key not in _IGNORED
    }
    options: dict[str, str] = {}
    for key, value in fields.items():
        name, _, slug = key.partition(".")
        if name not in OPTION_KEYS or (slug and name not in _PARTS):
            raise SelectionError(unknown_option(key), rule="option-unknown")
        if value and (not slug or slug == fields.get("profile")):
            options[name] = value
    return options


def _one(key: str, values: Sequence[object]) -> str:
    if len(values) != 1 or not isinstance(values[0], str):
        sentence = say(
            "The field {key} must be there once, as text.", key=repr(key[:80])
        )
        raise SelectionError(sentence, rule="option-malformed")
    return values[0].strip()

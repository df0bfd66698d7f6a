"""What a person may choose of a cluster: declared once, for checks and for the client.

Sizes are written as the field writes them: cores as a number, memory in GiB or with a
unit (``2``, ``"2G"``, ``"512M"``).
"""

from __future__ import annotations

from typing import Any

from dask_gateway_server.backends.base import PublicException
from dask_gateway_server.options import Float, Options

from jupyterhub_af.policy.dask import WorkerSize, least_size
from jupyterhub_af.policy.facility import DaskRule
from jupyterhub_af.policy.fault import FaultError
from jupyterhub_af.policy.units import parse_memory_bytes

GIB = 1024**3
MAX_AMOUNT = 10**9


class Amount(Float):
    """A number that is one: no truth value, no text, nothing without end.

    The ceilings are described to the client; whether they are kept is decided in
    ``policy.dask``, which also has the words.
    """

    def validate(self, x: Any) -> float:
        """Return the number, or refuse with words."""
        is_number = isinstance(x, int | float) and not isinstance(x, bool)
        # the first comparison also keeps numbers out that no float can hold
        if not is_number or not abs(x) < MAX_AMOUNT:
            msg = f"{self.field} is {_show(x)}; write a number."
            raise ValueError(msg)
        return float(x)


class Memory(Amount):
    """An amount of memory in GiB; a size with a unit is understood too."""

    def validate(self, x: Any) -> float:
        """Return GiB."""
        if not isinstance(x, str):
            return super().validate(x)
        try:
            return parse_memory_bytes(x) / GIB
        except FaultError:
            msg = f"{self.field} is {_show(x)}; write GiB as a number, or a size such as 2G."
            raise ValueError(msg) from None


def make_options(rule: DaskRule) -> Options:
    """Return the declaration for a person whose clusters have these ceilings."""
    least = least_size(rule)
    low, high = (size / GIB for size in rule.worker_memory)
    return Options(
        Amount(
            "worker_cores",
            default=float(least.cores),
            min=float(rule.worker_cores[0]),
            max=float(rule.worker_cores[1]),
            label="Cores of a worker",
        ),
        Memory(
            "worker_memory",
            default=least.memory_bytes / GIB,
            min=low,
            max=high,
            label="Memory of a worker (GiB)",
        ),
    )


def check_keys(request: object, options: Options) -> None:
    """Refuse a choice that is none, with the words that are known."""
    known = [field.field for field in options.fields]
    if not isinstance(request, dict):
        msg = f"The options are {_show(request)}; give {' and '.join(known)} by name."
        raise ValueError(msg)
    unknown = sorted(set(request) - set(known))
    if unknown:
        msg = (
            f"{_show(unknown[0])} cannot be chosen; known: {', '.join(known)}. Image, "
            "storage and environment are those of your server."
        )
        raise ValueError(msg)


def to_size(chosen: dict[str, float]) -> WorkerSize:
    """Return the workers' size of parsed options."""
    return WorkerSize(chosen["worker_cores"], round(chosen["worker_memory"] * GIB))


def _show(value: object) -> str:
    return repr(value)[:80]


def read_count(value: object) -> int:
    """Return a number of workers that a person asks for, or refuse it in words."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        msg = f"{str(value)[:40]!r} is no number of workers; write a whole number."
        raise PublicException(msg)
    return value

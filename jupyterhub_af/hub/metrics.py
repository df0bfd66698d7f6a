"""What the hub's own page of metrics says of the facility file, and of what was left out.

The page asks the catalogue, so a bad edit shows at the next scrape even while nobody
opens a form.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import REGISTRY
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from jupyterhub_af.catalogue import Catalogue


class FacilityCollector(Collector):
    """Show one catalogue, since a process has one facility, and count beside it."""

    catalogue: Catalogue | None = None
    dropped_group_values = 0
    left_out_lines = 0

    def describe(self) -> list[Metric]:
        """Return nothing: to be registered, it need not be asked."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the facility in force, since when, and what is wrong with the file."""
        if self.catalogue is None:
            return
        edition = self.catalogue.current()
        yield InfoMetricFamily(
            "af_facility",
            "The facility file in force.",
            value={"digest": edition.digest},
        )
        yield GaugeMetricFamily(
            "af_facility_accepted_timestamp_seconds",
            "When the facility file in force was read.",
            value=edition.accepted_at_seconds,
        )
        yield GaugeMetricFamily(
            "af_facility_problems",
            "Problems of an edited facility file that is not in force as it is.",
            value=len(edition.problems),
        )
        yield CounterMetricFamily(
            "af_dropped_group_values",
            "Values in claims about groups that are no groups.",
            value=self.dropped_group_values,
        )
        yield CounterMetricFamily(
            "af_left_out_log_lines",
            "Log lines about requests of strangers beyond what is written in a minute.",
            value=self.left_out_lines,
        )


_collector = FacilityCollector()


def show_facility(catalogue: Catalogue) -> None:
    """Show a catalogue on the page of this process, in place of an earlier one."""
    if _collector.catalogue is None:
        REGISTRY.register(_collector)
    _collector.catalogue = catalogue


def count_dropped_group_values(number: int) -> None:
    """Count values of a claim that gave no group."""
    _collector.dropped_group_values += number


def count_left_out_line() -> None:
    """Count a line of the log that was not written."""
    _collector.left_out_lines += 1

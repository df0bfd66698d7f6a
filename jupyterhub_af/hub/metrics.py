"""What the hub's own page of metrics says of the facility file.

The page asks the catalogue, so a bad edit shows at the next scrape even while nobody
opens a form.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from jupyterhub_af.catalogue import Catalogue


class FacilityCollector(Collector):
    """Show one catalogue: a process has one facility."""

    catalogue: Catalogue | None = None

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


_collector = FacilityCollector()


def show_facility(catalogue: Catalogue) -> None:
    """Show a catalogue on the page of this process, in place of an earlier one."""
    if _collector.catalogue is None:
        REGISTRY.register(_collector)
    _collector.catalogue = catalogue

"""What the service counts, in Prometheus' words."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    generate_latest,
)

from jupyterhub_af.catalogue import Edition

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Hold the counters of one process in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._accounts = Gauge(
            "af_accounts", "Accounts in the register.", registry=self._registry
        )
        self._plans = Gauge(
            "af_plans", "Servers with a recorded plan.", registry=self._registry
        )
        self._facility = Info(
            "af_facility", "The facility file in force.", registry=self._registry
        )
        self._accepted_at = Gauge(
            "af_facility_accepted_timestamp_seconds",
            "When the facility file in force was read.",
            registry=self._registry,
        )
        self._edit_problems = Gauge(
            "af_facility_problems",
            "Problems of an edited facility file that is not in force as it is.",
            registry=self._registry,
        )
        self.audit_events = Counter(
            "af_audit_events",
            "Audit events since the start of the process.",
            ("action", "result"),
            registry=self._registry,
        )
        self.refused_registrations = Counter(
            "af_refused_registrations",
            "Accounts that were refused, by rule.",
            ("rule",),
            registry=self._registry,
        )
        self.request_seconds = Histogram(
            "af_request_duration_seconds",
            "Time to answer a request.",
            ("route", "method", "status"),
            registry=self._registry,
        )

    def render(self, *, accounts: int, plans: int, edition: Edition) -> bytes:
        """Return the page of metrics."""
        self._accounts.set(accounts)
        self._plans.set(plans)
        self._facility.info({"digest": edition.digest})
        self._accepted_at.set(edition.accepted_at_seconds)
        self._edit_problems.set(len(edition.problems))
        return generate_latest(self._registry)

"""What the hub's page of metrics says of the IAM: whether it answers, and what it refuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_STATES = ("closed", "open", "trying", "refused")


class IAMCollector(Collector):
    """Count for one process, since a hub has one IAM."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.knocks = 0
        self.state = "closed"
        self.clears_tokens = False
        self.lacks_refresh_tokens = False
        self.unsaved = 0
        self._is_registered = False

    def register(self) -> None:
        """Show it on the page of this process."""
        if not self._is_registered:
            self._is_registered = True
            REGISTRY.register(self)

    def describe(self) -> list[Metric]:
        """Return nothing: to be registered, it need not be asked."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield what the IAM answered, and how the hub stands with it."""
        answers = CounterMetricFamily(
            "af_iam_answers",
            "Questions about a person that the IAM answered, by what it said.",
            labels=["answer"],
        )
        for answer, number in sorted(self.answers.items()):
            answers.add_metric([answer], number)
        yield answers
        yield CounterMetricFamily(
            "af_iam_knocks",
            "Looks whether a silent IAM answers again.",
            value=self.knocks,
        )
        breaker = GaugeMetricFamily(
            "af_iam_breaker", "1 for how the hub stands with the IAM.", labels=["state"]
        )
        for state in _STATES:
            breaker.add_metric([state], float(self.state == state))
        yield breaker
        yield GaugeMetricFamily(
            "af_iam_client_refused",
            "1 while the IAM refuses this facility's client.",
            value=float(self.state == "refused"),
        )
        yield GaugeMetricFamily(
            "af_iam_clears_tokens",
            "1 if the IAM's client ends old access tokens at each refresh.",
            value=float(self.clears_tokens),
        )
        yield GaugeMetricFamily(
            "af_iam_lacks_refresh_tokens",
            "1 if the last login brought no refresh token.",
            value=float(self.lacks_refresh_tokens),
        )


iam_metrics = IAMCollector()

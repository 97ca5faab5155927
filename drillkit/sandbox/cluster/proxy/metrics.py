"""Istio's request metrics as the source of a request sees them, in Prometheus' text format."""

from __future__ import annotations

from dataclasses import dataclass, field

BUCKETS_MS = (0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000)


@dataclass(frozen=True)
class Hop:
    """Who called whom and what came of it.

    Source and service are `namespace/name`; the destination is a workload of the
    service's namespace.
    """

    source: str
    service: str
    destination: str
    code: int
    flags: str
    """Envoy's response flags: UF connect failed, UC connection ended, UH no endpoint, UT timeout,
    FI abort and DI delay injected, DC the client gave up."""

    def labels(self) -> str:
        source_namespace, _, source = self.source.partition("/")
        namespace, _, name = self.service.partition("/")
        workload = self.destination or "unknown"
        values = {
            "reporter": "source",
            "source_workload": source,
            "source_workload_namespace": source_namespace,
            "destination_service": f"{name}.{namespace}.svc.cluster.local",
            "destination_service_name": name,
            "destination_service_namespace": namespace,
            "destination_workload": workload,
            "destination_workload_namespace": namespace if workload != "unknown" else "unknown",
            "request_protocol": "http",
            "response_code": str(self.code),
            "response_flags": self.flags or "-",
        }
        return ",".join(f'{name}="{value}"' for name, value in values.items())


@dataclass
class Series:
    """Count, sum and histogram of one kind of hop."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_MS) + 1))
    sum_ms: float = 0.0


class Metrics:
    """All hops since the start."""

    def __init__(self) -> None:
        self.series: dict[Hop, Series] = {}

    def observe(self, hop: Hop, took_s: float) -> None:
        """Count one finished request."""
        series = self.series.setdefault(hop, Series())
        took_ms = 1000 * took_s
        series.buckets[
            next((i for i, edge in enumerate(BUCKETS_MS) if took_ms <= edge), len(BUCKETS_MS))
        ] += 1
        series.sum_ms += took_ms

    def announce(self, hop: Hop) -> None:
        """Let a series begin at zero, so that its first increase can be seen."""
        self.series.setdefault(hop, Series())

    def text(self) -> str:
        """The page that Prometheus scrapes."""
        lines = [
            "# HELP istio_requests_total Requests as their source saw them.",
            "# TYPE istio_requests_total counter",
        ]
        lines += [
            f"istio_requests_total{{{hop.labels()}}} {sum(s.buckets)}"
            for hop, s in self.series.items()
        ]
        lines += [
            "# HELP istio_request_duration_milliseconds Time until the answer was complete.",
            "# TYPE istio_request_duration_milliseconds histogram",
        ]
        for hop, series in self.series.items():
            labels, total = hop.labels(), 0
            for edge, number in zip([*map(str, BUCKETS_MS), "+Inf"], series.buckets, strict=True):
                total += number
                lines.append(
                    f'istio_request_duration_milliseconds_bucket{{{labels},le="{edge}"}} {total}'
                )
            lines.append(f"istio_request_duration_milliseconds_sum{{{labels}}} {series.sum_ms:.3f}")
            lines.append(f"istio_request_duration_milliseconds_count{{{labels}}} {total}")
        return "\n".join([*lines, ""])

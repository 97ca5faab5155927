"""What a metric source says as a query of the model, or why it cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from drillkit.clients.prometheus import promql
from drillkit.model.slo import Counter, Probed, Query, Windowed
from drillkit.model.units import parse_duration
from drillkit.spec.document import nearest

PROMETHEUS = "prometheus"
PROBER = "drillkit-prober"
_COUNTS = frozenset({"increase", "sum_over_time", "count_over_time"})

Complain = Callable[[str, str], None]
"""Takes the key of a metric source's `spec` ('' for itself) and what is wrong with it."""


def query_text(spec: Mapping[str, Any], complain: Complain) -> str | None:
    """The one query of a Prometheus source."""
    for key in spec:
        if key not in ("query", "promql"):
            complain(key, f"unknown key `{key}`{nearest(key, ('query', 'promql'))}")
    given = [key for key in ("query", "promql") if key in spec]
    if len(given) != 1 or not isinstance(spec[given[0]], str) or not spec[given[0]].strip():
        complain("", "expected one text `query` (or `promql`) in PromQL")
        return None
    return str(spec[given[0]]).strip()


def counted(text: str, counter: bool, complain: Callable[[str], None]) -> Query | None:
    """A query of a ratio, which must give a count over any window."""
    made = promql.template(text)
    try:
        if made is None:
            return _bare(text, counter, complain)
        seen = promql.look(made)
    except ValueError as error:
        complain(f"{error}")
        return None
    if seen.lone is not None and not seen.fixed:
        return Counter(str(seen.lone))
    why = _unfit(seen)
    if why:
        complain(why)
        return None
    return Windowed(made, per_second=seen.functions == {"rate"})


def _bare(text: str, counter: bool, complain: Callable[[str], None]) -> Query | None:
    if counter:
        return Counter(str(promql.selector_of(text)))
    seen = promql.look(text)
    if seen.fixed:
        complain(
            "its window is written out, but a drill asks over windows of its own; write "
            "`[{{.window}}]` there"
        )
    else:
        complain(
            "without a window this is a value and no count over a time; set `counter: true` if the "
            "metric is a counter, or write `sum(increase(metric[{{.window}}]))`"
        )
    return None


def _unfit(seen: promql.QueryShape) -> str:
    if seen.fixed:
        return "some of its windows are written out; every one must be `[{{.window}}]`"
    if seen.subquery:
        return (
            "increase is taken of a counter, never of a sum: a reset hides in it; "
            "sum(increase(metric[{{.window}}]))"
        )
    if seen.grouped:
        return (
            "it gives one series per group; expected one number, such as "
            "`sum(increase(metric[{{.window}}]))`"
        )
    if seen.divides:
        return (
            "it divides: expected a count of events; a ratio is made of `good` (or `bad`) "
            "and `total`"
        )
    if not (seen.functions <= _COUNTS or seen.functions == {"rate"}):
        names = ", ".join(sorted(seen.functions))
        return (
            f"`{names}` over the window gives no count; expected `increase` (or `rate`) of counters"
        )
    return ""


def valued(text: str, complain: Callable[[str], None]) -> str | None:
    """A query of a threshold, which gives one value now."""
    made = promql.template(text) or text
    try:
        seen = promql.look(made)
    except ValueError as error:
        complain(f"{error}")
        return None
    if "histogram_quantile" in seen.calls:
        complain(
            "`histogram_quantile` guesses inside a bucket, and nothing is decided on a guess; "
            "write a ratio whose "
            '`good` counts the bucket of your limit: metric_bucket{le="0.5"}'
        )
        return None
    if seen.grouped:
        complain("it gives one series per group; expected one number")
        return None
    return made


def probed(spec: Mapping[str, Any], complain: Complain) -> Probed | None:
    """A source that is a probe of the drill."""
    for key in spec:
        if key not in ("probe", "slow"):
            complain(key, f"unknown key `{key}`{nearest(key, ('probe', 'slow'))}")
    probe, slow = spec.get("probe"), spec.get("slow")
    if not isinstance(probe, str) or not probe:
        complain("", "expected `probe`: the name of a probe of the drill")
        return None
    limit: timedelta | None = None
    if slow is not None:
        try:
            limit = parse_duration(str(slow))
        except ValueError as error:
            complain("slow", str(error))
            return None
    return Probed(probe, limit)

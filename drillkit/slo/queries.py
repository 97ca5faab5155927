"""The text of what a metrics server is asked, and the selectors in it."""

from __future__ import annotations

import math

from drillkit.clients.prometheus.promql import Matcher, Selector, look, selector_of, window_text
from drillkit.model.slo import Counter, Query, Ratio, Slo, Threshold, Windowed

KNOWN_BEFORE_S, BORN_EDGE_S = 3600.0, 120.0
"""Counted by the server, a series without a sample from so long before a window to so long after
its begin is born inside it.
"""


def over(query: Query, window_s: float) -> tuple[str, float]:
    """The text of a query over a window, and what its value is multiplied by to be a count."""
    window = window_text(window_s)
    if isinstance(query, Counter):
        return f"sum({_growth(selector_of(query.selector), window_s)})", 1.0
    return query.over(window), window_s if query.per_second else 1.0


def _growth(selector: Selector, window_s: float) -> str:
    """The growth of each series over a window, in PromQL.

    `increase()` does not see what a series begins with (prometheus #1673, #3886): a first error
    counted by a new pod, or a counter that appears with its first event, is lost. A series that had
    no sample in the hour before the window counts from zero: its last value is its growth, or, if
    it was reset meanwhile, its increase and the lowest value that it had. What begins with the
    window itself is where the data begin, and not new.
    """
    window, edge_s = window_text(window_s), min(BORN_EDGE_S, window_s / 4)
    known = window_text(KNOWN_BEFORE_S + edge_s)
    old = f"last_over_time({selector}[{known}] offset {window_text(window_s - edge_s)})"
    samples = f"{selector}[{window}]"
    born = f"((last_over_time({samples}) and resets({samples}) == 0) unless {old})"
    reset = f"((min_over_time({samples}) + increase({samples})) unless {old})"
    return f"{born} or {reset} or increase({samples})"


def selectors(query: Query) -> tuple[Selector, ...]:
    """The selectors in a query; its own text where it has none."""
    if isinstance(query, Counter):
        return (selector_of(query.selector),)
    return look(query.template).selectors or (Selector(query.template, ()),)


def selectors_of(slo: Slo) -> tuple[Selector, ...]:
    """The selectors of an objective's total (of a threshold: of its value)."""
    if isinstance(slo.sli, Ratio):
        return selectors(slo.sli.total)
    return selectors(Windowed(slo.sli.query)) if isinstance(slo.sli, Threshold) else ()


def is_number(text: str) -> bool:
    """Whether a text is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def spelled(limit: str) -> Matcher:
    """A bucket's edge in every spelling: Prometheus 3 writes 500 as 500.0."""
    spellings = {limit}
    if is_number(limit):
        spellings |= {
            f"{float(limit):g}",
            repr(float(limit)),
            f"{float(limit):.1f}" if float(limit) >= 1 else limit,
        }
    spellings = {text for text in spellings if not is_number(limit) or float(text) == float(limit)}
    return Matcher(
        "le",
        "=~",
        "|".join(sorted(text.replace(".", "\\.").replace("+", "\\+") for text in spellings)),
    )

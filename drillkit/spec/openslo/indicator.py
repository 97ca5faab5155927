"""What an SLO counts: its indicator, by reference or in place."""

from __future__ import annotations

from collections.abc import Mapping

from drillkit.model.slo import Operator, Probed, Query, Ratio, Sli, Threshold
from drillkit.spec.document import Trail, nearest, quoted
from drillkit.spec.openslo.documents import (
    DataSourceDocument,
    Metric,
    MetricSource,
    Objective,
    RatioMetric,
    SliDocument,
)
from drillkit.spec.openslo.library import Document, Resolution
from drillkit.spec.openslo.queries import PROBER, PROMETHEUS, counted, probed, query_text, valued

_OPERATORS: Mapping[str, Operator] = {"lt": "lt", "lte": "lte", "gt": "gt", "gte": "gte"}


def indicator_of(here: Resolution) -> tuple[SliDocument, Document, Trail] | None:
    """The indicator, the document that it stands in, and where in it; None: a mistake was noted."""
    spec = here.document.data.spec
    if (spec.indicator is None) == (spec.indicatorRef is None):
        here.wrong(("spec",), "expected exactly one of `indicator` and `indicatorRef`")
        return None
    if spec.indicator is not None:
        return spec.indicator, here.document, ("spec", "indicator")
    found = here.follow("SLI", spec.indicatorRef, ("spec", "indicatorRef"))
    return (found.data, found, ()) if found else None


def sli_of(
    here: Resolution,
    indicator: SliDocument,
    at: Document,
    path: Trail,
    objective: Objective,
    *,
    sliced: bool,
) -> Sli | None:
    """What is counted, of an indicator that stands `at` a document; None: a mistake was noted.

    `sliced`: whether time is cut into slices, each of which is good or bad as a whole.
    """
    spec, of = indicator.spec, (*path, "spec")
    if (spec.ratioMetric is None) == (spec.thresholdMetric is None):
        here.wrong(of, "expected exactly one of `ratioMetric` and `thresholdMetric`", at)
        return None
    if spec.ratioMetric is not None:
        return _ratio(here, spec.ratioMetric, at, (*of, "ratioMetric"), objective)
    assert spec.thresholdMetric is not None
    if not sliced:
        what = (
            "a value is no event to count; use `budgetingMethod: Timeslices` with "
            "`timeSliceWindow`, or a `ratioMetric`"
        )
        here.wrong(("spec", "budgetingMethod"), what)
        return None
    return _threshold(here, spec.thresholdMetric, at, (*of, "thresholdMetric"), objective)


def _threshold(
    here: Resolution, metric: Metric, at: Document, path: Trail, objective: Objective
) -> Sli | None:
    of: Trail = ("spec", "objectives", 0)
    op = _OPERATORS.get(objective.op or "")
    if op is None or objective.value is None:
        here.wrong(of, "a `thresholdMetric` needs `op` (lt, lte, gt or gte) and `value`")
        return None
    source = _source(here, metric.metricSource, at, (*path, "metricSource"))
    if source != PROMETHEUS:
        if source == PROBER:
            here.wrong(
                (*path, "metricSource"), "a probe counts answers; use it in a `ratioMetric`", at
            )
        return None
    where: Trail = (*path, "metricSource", "spec")
    text = query_text(
        metric.metricSource.spec, lambda key, what: here.wrong(_key(where, key), what, at)
    )
    made = valued(text, lambda what: here.wrong(where, what, at)) if text is not None else None
    return Threshold(made, op, objective.value) if made is not None else None


def _ratio(
    here: Resolution, ratio: RatioMetric, at: Document, path: Trail, objective: Objective
) -> Sli | None:
    of: Trail = ("spec", "objectives", 0)
    if objective.value is not None:
        here.wrong((*of, "value"), "a ratio has no value to compare; remove `value` (and `op`)")
    elif objective.op is not None:
        here.notice("`op` has no meaning for a ratio and is ignored")
    for key in ("raw", "rawType"):
        if getattr(ratio, key) is not None:
            what = (
                "a ratio that is computed already has no counts to judge by; write `good` (or "
                "`bad`) and `total`"
            )
            here.wrong((*path, key), what, at)
            return None
    if (ratio.good is None) == (ratio.bad is None) or ratio.total is None:
        here.wrong(path, "expected `total` and exactly one of `good` and `bad`", at)
        return None
    key = "good" if ratio.good is not None else "bad"
    part = ratio.good or ratio.bad
    assert part is not None
    sources = {
        name: _source(here, metric.metricSource, at, (*path, name, "metricSource"))
        for name, metric in ((key, part), ("total", ratio.total))
    }
    if None in sources.values():
        return None
    if sources[key] != sources["total"]:
        here.wrong(path, f"`{key}` and `total` must come from the same type of source", at)
        return None
    if sources[key] == PROBER:
        return _probed(here, part, ratio.total, at, path, key)
    counter = bool(ratio.counter)
    some, total = (
        _query(here, part, counter, at, (*path, key)),
        _query(here, ratio.total, counter, at, (*path, "total")),
    )
    if some is None or total is None:
        return None
    return Ratio(good=some, total=total) if key == "good" else Ratio(bad=some, total=total)


def _query(
    here: Resolution, metric: Metric, counter: bool, at: Document, path: Trail
) -> Query | None:
    where: Trail = (*path, "metricSource", "spec")
    text = query_text(
        metric.metricSource.spec, lambda key, what: here.wrong(_key(where, key), what, at)
    )
    if text is None:
        return None
    used = next(key for key in ("query", "promql") if key in metric.metricSource.spec)
    return counted(text, counter, lambda what: here.wrong((*where, used), what, at))


def _probed(
    here: Resolution, part: Metric, total: Metric, at: Document, path: Trail, key: str
) -> Probed | None:
    both = []
    for name, metric in ((key, part), ("total", total)):
        where: Trail = (*path, name, "metricSource", "spec")

        def wrong(part_of: str, what: str, where: Trail = where) -> None:
            here.wrong(_key(where, part_of), what, at)

        both.append(probed(metric.metricSource.spec, wrong))
    some, every = both
    if some is None or every is None:
        return None
    if some.probe != every.probe or every.slow is not None:
        what = f"expected the same probe in `{key}` and `total`, and `slow` only in `{key}`"
        here.wrong(path, what, at)
        return None
    return some


def _source(here: Resolution, source: MetricSource, at: Document, path: Trail) -> str | None:
    """`prometheus` or `drillkit-prober`."""
    found, where = source.type, (*path, "type")
    if source.metricSourceRef is not None:
        document = _follow_source(here, source.metricSourceRef, (*path, "metricSourceRef"), at)
        if document is None:
            return None
        spec = document.data.spec
        if found is not None and found.lower() != spec.type.lower():
            what = f"DataSource `{document.name}` is of type {spec.type}; remove one of the two"
            here.wrong(where, what, at)
            return None
        if found is None:
            found, at, where = spec.type, document, ("spec", "type")
    if found is None:
        here.wrong(path, f"expected `type: Prometheus` or `type: {PROBER}`", at)
        return None
    if found.lower() not in (PROMETHEUS, PROBER):
        what = (
            f"expected a source of type Prometheus or {PROBER}, found {quoted(found)}; others "
            "are not read"
        )
        here.wrong(where, what, at)
        return None
    return found.lower()


def _follow_source(here: Resolution, name: str, path: Trail, at: Document) -> Document | None:
    known = here.library.named("DataSource")
    if name in known:
        data: DataSourceDocument = known[name].data
        if data.spec.connectionDetails is not None:
            here.notice(
                f"`connectionDetails` of DataSource `{name}` is ignored: the target says where "
                "it is"
            )
        return known[name]
    what = (
        f"no DataSource document has the name {quoted(name)}{nearest(name, known)}. Add one, "
        "or remove the reference and write `type: Prometheus`: the target says which server "
        "is asked"
    )
    here.wrong(path, what, at)
    return None


def _key(path: Trail, key: str) -> Trail:
    return (*path, key) if key else path

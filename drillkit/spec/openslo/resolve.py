"""From documents to a `Slo`: references followed, each refusal with its place, its reason and what
to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import timedelta
from typing import Any, TypeVar

from drillkit.judge.budget import can_fire
from drillkit.lazy_dataclass import dataclass
from drillkit.model.slo import (
    BurnAlert,
    Calendar,
    Operator,
    Probed,
    Query,
    Ratio,
    Sli,
    Slices,
    Slo,
    Threshold,
)
from drillkit.model.units import format_duration
from drillkit.spec.document import Mistakes, Node, Trail, lookup, nearest, quoted
from drillkit.spec.openslo.documents import (
    ConditionDocument,
    ConditionReference,
    DataSourceDocument,
    Metric,
    MetricSource,
    Objective,
    PolicyDocument,
    RatioMetric,
    SliDocument,
    SloDocument,
    TimeWindow,
)
from drillkit.spec.openslo.queries import PROBER, PROMETHEUS, counted, probed, query_text, valued
from drillkit.spec.openslo.windows import SHORTEST, calendar_of, duration

T = TypeVar("T")
_OPERATORS: Mapping[str, Operator] = {"lt": "lt", "lte": "lte", "gt": "gt", "gte": "gte"}
OWNER = "drillkit.dev/owner"
"""Annotation: who answers for the objective."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document and where it stands."""

    kind: str
    name: str
    tree: Node
    data: Any


@dataclass(slots=True)
class SloLibrary:
    """Documents that may refer to each other."""

    documents: list[Document] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    """What was accepted and has no effect."""

    def named(self, kind: str) -> Mapping[str, Document]:
        """Documents of a kind by name; the first of a name wins."""
        found: dict[str, Document] = {}
        for document in self.documents:
            if document.kind == kind:
                found.setdefault(document.name, document)
        return found


def resolve(document: Document, library: SloLibrary, mistakes: Mistakes) -> Slo | None:
    """The objective of an SLO document, or None when mistakes were noted."""
    before = len(mistakes)
    made = _Resolving(document, library, mistakes).slo()
    return made if len(mistakes) == before else None


class _Resolving:
    """One SLO document. `_at` is the document that complaints are about: a reference leads
    into another.
    """

    def __init__(self, document: Document, library: SloLibrary, mistakes: Mistakes) -> None:
        self._document, self._library, self._mistakes = document, library, mistakes

    def _wrong(self, path: Trail, what: str, at: Document | None = None) -> None:
        document = at or self._document
        self._mistakes.add(lookup(document.tree, path), path, what)

    def _notice(self, what: str) -> None:
        self._library.notices.append(f"{self._document.name}: {what}")

    def slo(self) -> Slo | None:
        data: SloDocument = self._document.data
        metadata, spec = data.metadata, data.spec
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", metadata.name):
            self._wrong(
                ("metadata", "name"), "expected a name of letters, digits, `-` and `_` (at most 63)"
            )
        owner = self._annotations(metadata.annotations)
        objective = self._objective(spec.objectives)
        window = self._window(spec.timeWindow)
        found = self._indicator()
        if objective is None or window is None or found is None:
            return None
        indicator, at, path = found
        target = self._target(objective)
        method = self._method(spec.budgetingMethod, objective)
        sli = self._sli(indicator, at, path, objective, sliced=spec.budgetingMethod == "Timeslices")
        if target is None or method is None or sli is None:
            return None
        slices = method[0]
        if isinstance(sli, Probed) and slices is not None:
            self._wrong(
                ("spec", "budgetingMethod"), "a probe's answers are events; expected Occurrences"
            )
            return None
        return Slo(
            name=metadata.name,
            title=metadata.displayName or objective.displayName or metadata.name,
            description=(spec.description or "").strip(),
            service=spec.service,
            owner=owner,
            target=target,
            window=window[0],
            calendar=window[1],
            sli=sli,
            slices=slices,
            alerts=tuple(self._alerts(target)),
        )

    def _annotations(self, annotations: Mapping[str, str]) -> str:
        for key in annotations:
            if key.startswith("drillkit.") and key != OWNER:
                what = f"unknown setting {quoted(key)}{nearest(key, (OWNER,))}"
                self._wrong(("metadata", "annotations", key), what)
        return annotations.get(OWNER, "")

    def _objective(self, objectives: Sequence[Objective]) -> Objective | None:
        path: Trail = ("spec", "objectives")
        if len(objectives) != 1:
            self._wrong(
                path,
                f"expected one objective, found {len(objectives)}; write one SLO document for each",
            )
            return None
        objective = objectives[0]
        for key in ("indicator", "indicatorRef", "compositeWeight"):
            if getattr(objective, key) is not None:
                what = (
                    "composite objectives are not supported; write one SLO document for each part"
                )
                self._wrong((*path, 0, key), what)
                return None
        return objective

    def _target(self, objective: Objective) -> float | None:
        path: Trail = ("spec", "objectives", 0)
        if (objective.target is None) == (objective.targetPercent is None):
            self._wrong(path, "expected exactly one of `target: 0.995` and `targetPercent: 99.5`")
            return None
        key = "target" if objective.target is not None else "targetPercent"
        raw = (
            objective.target
            if objective.target is not None
            else (objective.targetPercent or 0.0) / 100
        )
        target = round(raw, 12)
        if 0 < target < 1:
            return target
        found = getattr(objective, key)
        if key == "target" and 1 < found < 100:
            what = (
                f"expected a share between 0 and 1, found {found:g}; did you mean "
                f"`targetPercent: {found:g}`?"
            )
        elif target == 1:
            what = (
                "100 % leaves no error budget, so nothing can be judged by it; expected less, such "
                "as 0.9999"
            )
        else:
            what = f"expected between 0 and 1 (or 0 and 100 with `targetPercent`), found {found:g}"
        self._wrong((*path, key), what)
        return None

    def _window(self, windows: Sequence[TimeWindow]) -> tuple[timedelta, Calendar | None] | None:
        path: Trail = ("spec", "timeWindow")
        if len(windows) != 1:
            self._wrong(
                path,
                f"expected a list of one window, such as `- duration: 30d`, found {len(windows)}",
            )
            return None
        window = windows[0]
        try:
            _, _, length = duration(window.duration)
        except ValueError as error:
            self._wrong((*path, 0, "duration"), str(error))
            return None
        if length < SHORTEST:
            hint = "; `1m` is one minute; a month is `1M`" if window.duration.endswith("m") else ""
            what = f"expected a window of 1h or more, found {format_duration(length)}{hint}"
            self._wrong((*path, 0, "duration"), what)
            return None
        if window.calendar is None:
            if window.isRolling is False:
                what = (
                    "a window that does not roll needs `calendar: {startTime, timeZone}`; or "
                    "set `isRolling: true`"
                )
                self._wrong((*path, 0, "isRolling"), what)
                return None
            return length, None
        if window.isRolling:
            self._wrong(
                (*path, 0, "isRolling"), "a calendar window does not roll; remove one of the two"
            )
            return None
        try:
            return length, calendar_of(
                window.duration, window.calendar.startTime, window.calendar.timeZone
            )
        except ValueError as error:
            self._wrong((*path, 0, "calendar"), str(error))
            return None

    def _method(self, method: str, objective: Objective) -> tuple[Slices | None] | None:
        path: Trail = ("spec", "budgetingMethod")
        of: Trail = ("spec", "objectives", 0)
        if method == "Occurrences":
            for key in ("timeSliceTarget", "timeSliceWindow"):
                if getattr(objective, key) is not None:
                    self._wrong(
                        (*of, key),
                        "goes with `budgetingMethod: Timeslices`; remove it or change the method",
                    )
            return (None,)
        if method == "RatioTimeslices":
            self._wrong(
                path,
                "RatioTimeslices averages ratios and forgets how many events there were; "
                "use Timeslices",
            )
            return None
        if method != "Timeslices":
            self._wrong(path, f"expected Occurrences or Timeslices, found {quoted(method)}")
            return None
        if objective.timeSliceWindow is None:
            self._wrong(of, "Timeslices needs `timeSliceWindow`, such as 1m")
            return None
        text = objective.timeSliceWindow
        try:
            _, _, length = duration(f"{text}m" if text.isdecimal() else text)
        except ValueError as error:
            self._wrong((*of, "timeSliceWindow"), str(error))
            return None
        if not timedelta(seconds=10) <= length <= timedelta(hours=1):
            self._wrong(
                (*of, "timeSliceWindow"), f"expected 10s to 1h, found {format_duration(length)}"
            )
            return None
        share = objective.timeSliceTarget
        if share is not None and not 0 < share <= 1:
            self._wrong(
                (*of, "timeSliceTarget"), f"expected a share above 0 and at most 1, found {share:g}"
            )
            return None
        return (Slices(length, 1.0 if share is None else share),)

    def _indicator(self) -> tuple[SliDocument, Document, Trail] | None:
        spec = self._document.data.spec
        if (spec.indicator is None) == (spec.indicatorRef is None):
            self._wrong(("spec",), "expected exactly one of `indicator` and `indicatorRef`")
            return None
        if spec.indicator is not None:
            return spec.indicator, self._document, ("spec", "indicator")
        found = self._follow("SLI", spec.indicatorRef, ("spec", "indicatorRef"))
        return (found.data, found, ()) if found else None

    def _follow(
        self, kind: str, name: str, path: Trail, at: Document | None = None
    ) -> Document | None:
        known = self._library.named(kind)
        if name not in known:
            article = "an" if kind[0] in "AS" and kind != "Service" else "a"
            what = (
                f"{article} {kind} document of this name was expected beside the SLO, "
                f"found none{nearest(name, known)}"
            )
            self._wrong(path, what, at)
            return None
        return known[name]

    def _sli(
        self,
        indicator: SliDocument,
        at: Document,
        path: Trail,
        objective: Objective,
        *,
        sliced: bool,
    ) -> Sli | None:
        spec, of = indicator.spec, (*path, "spec")
        if (spec.ratioMetric is None) == (spec.thresholdMetric is None):
            self._wrong(of, "expected exactly one of `ratioMetric` and `thresholdMetric`", at)
            return None
        if spec.ratioMetric is not None:
            return self._ratio(spec.ratioMetric, at, (*of, "ratioMetric"), objective)
        assert spec.thresholdMetric is not None
        if not sliced:
            what = (
                "a value is no event to count; use `budgetingMethod: Timeslices` with "
                "`timeSliceWindow`, or a `ratioMetric`"
            )
            self._wrong(("spec", "budgetingMethod"), what)
            return None
        return self._threshold(spec.thresholdMetric, at, (*of, "thresholdMetric"), objective)

    def _threshold(
        self, metric: Metric, at: Document, path: Trail, objective: Objective
    ) -> Sli | None:
        of: Trail = ("spec", "objectives", 0)
        op = _OPERATORS.get(objective.op or "")
        if op is None or objective.value is None:
            self._wrong(of, "a `thresholdMetric` needs `op` (lt, lte, gt or gte) and `value`")
            return None
        source = self._source(metric.metricSource, at, (*path, "metricSource"))
        if source != PROMETHEUS:
            if source == PROBER:
                self._wrong(
                    (*path, "metricSource"), "a probe counts answers; use it in a `ratioMetric`", at
                )
            return None
        where: Trail = (*path, "metricSource", "spec")
        text = query_text(
            metric.metricSource.spec, lambda key, what: self._wrong(_key(where, key), what, at)
        )
        made = valued(text, lambda what: self._wrong(where, what, at)) if text is not None else None
        return Threshold(made, op, objective.value) if made is not None else None

    def _ratio(
        self, ratio: RatioMetric, at: Document, path: Trail, objective: Objective
    ) -> Sli | None:
        of: Trail = ("spec", "objectives", 0)
        if objective.value is not None:
            self._wrong(
                (*of, "value"), "a ratio has no value to compare; remove `value` (and `op`)"
            )
        elif objective.op is not None:
            self._notice("`op` has no meaning for a ratio and is ignored")
        for key in ("raw", "rawType"):
            if getattr(ratio, key) is not None:
                what = (
                    "a ratio that is computed already has no counts to judge by; write `good` (or "
                    "`bad`) and `total`"
                )
                self._wrong((*path, key), what, at)
                return None
        if (ratio.good is None) == (ratio.bad is None) or ratio.total is None:
            self._wrong(path, "expected `total` and exactly one of `good` and `bad`", at)
            return None
        key = "good" if ratio.good is not None else "bad"
        part = ratio.good or ratio.bad
        assert part is not None
        sources = {
            name: self._source(metric.metricSource, at, (*path, name, "metricSource"))
            for name, metric in ((key, part), ("total", ratio.total))
        }
        if None in sources.values():
            return None
        if sources[key] != sources["total"]:
            self._wrong(path, f"`{key}` and `total` must come from the same type of source", at)
            return None
        if sources[key] == PROBER:
            return self._probed(part, ratio.total, at, path, key)
        counter = bool(ratio.counter)
        some, total = (
            self._query(part, counter, at, (*path, key)),
            self._query(ratio.total, counter, at, (*path, "total")),
        )
        if some is None or total is None:
            return None
        return Ratio(good=some, total=total) if key == "good" else Ratio(bad=some, total=total)

    def _query(self, metric: Metric, counter: bool, at: Document, path: Trail) -> Query | None:
        where: Trail = (*path, "metricSource", "spec")
        text = query_text(
            metric.metricSource.spec, lambda key, what: self._wrong(_key(where, key), what, at)
        )
        if text is None:
            return None
        used = next(key for key in ("query", "promql") if key in metric.metricSource.spec)
        return counted(text, counter, lambda what: self._wrong((*where, used), what, at))

    def _probed(
        self, part: Metric, total: Metric, at: Document, path: Trail, key: str
    ) -> Probed | None:
        both = []
        for name, metric in ((key, part), ("total", total)):
            where: Trail = (*path, name, "metricSource", "spec")

            def wrong(part_of: str, what: str, where: Trail = where) -> None:
                self._wrong(_key(where, part_of), what, at)

            both.append(probed(metric.metricSource.spec, wrong))
        some, every = both
        if some is None or every is None:
            return None
        if some.probe != every.probe or every.slow is not None:
            what = f"expected the same probe in `{key}` and `total`, and `slow` only in `{key}`"
            self._wrong(path, what, at)
            return None
        return some

    def _source(self, source: MetricSource, at: Document, path: Trail) -> str | None:
        """`prometheus` or `drillkit-prober`."""
        found, where = source.type, (*path, "type")
        if source.metricSourceRef is not None:
            document = self._follow_source(source.metricSourceRef, (*path, "metricSourceRef"), at)
            if document is None:
                return None
            spec = document.data.spec
            if found is not None and found.lower() != spec.type.lower():
                what = f"DataSource `{document.name}` is of type {spec.type}; remove one of the two"
                self._wrong(where, what, at)
                return None
            if found is None:
                found, at, where = spec.type, document, ("spec", "type")
        if found is None:
            self._wrong(path, f"expected `type: Prometheus` or `type: {PROBER}`", at)
            return None
        if found.lower() not in (PROMETHEUS, PROBER):
            what = (
                f"expected a source of type Prometheus or {PROBER}, found {quoted(found)}; others "
                "are not read"
            )
            self._wrong(where, what, at)
            return None
        return found.lower()

    def _follow_source(self, name: str, path: Trail, at: Document) -> Document | None:
        known = self._library.named("DataSource")
        if name in known:
            data: DataSourceDocument = known[name].data
            if data.spec.connectionDetails is not None:
                self._notice(
                    f"`connectionDetails` of DataSource `{name}` is ignored: the target says where "
                    "it is"
                )
            return known[name]
        what = (
            f"no DataSource document has the name {quoted(name)}{nearest(name, known)}. Add one, "
            "or remove the reference and write `type: Prometheus`: the target says which server "
            "is asked"
        )
        self._wrong(path, what, at)
        return None

    def _alerts(self, target: float) -> Iterator[BurnAlert]:
        for i, given in enumerate(self._document.data.spec.alertPolicies):
            path: Trail = ("spec", "alertPolicies", i)
            if isinstance(given, PolicyDocument):
                yield from self._policy(given, self._document, path, target)
                continue
            name = given if isinstance(given, str) else given.alertPolicyRef
            where = path if isinstance(given, str) else (*path, "alertPolicyRef")
            found = self._follow("AlertPolicy", name, where)
            if found is not None:
                yield from self._policy(found.data, found, (), target)

    def _policy(
        self, policy: PolicyDocument, at: Document, path: Trail, target: float
    ) -> Iterator[BurnAlert]:
        for i, given in enumerate(policy.spec.conditions):
            where: Trail = (*path, "spec", "conditions", i)
            if isinstance(given, ConditionReference):
                found = self._follow(
                    "AlertCondition", given.conditionRef, (*where, "conditionRef"), at
                )
                if found is not None and (alert := self._condition(found.data, found, (), target)):
                    yield alert
            elif alert := self._condition(given, at, where, target):
                yield alert

    def _condition(
        self, given: ConditionDocument, at: Document, path: Trail, target: float
    ) -> BurnAlert | None:
        of, burn = (*path, "spec", "condition"), given.spec.condition
        if burn.kind.lower() != "burnrate":
            self._wrong((*of, "kind"), f"expected burnrate, found {quoted(burn.kind)}", at)
            return None
        if burn.op in ("lt", "lte"):
            self._wrong((*of, "op"), f"`{burn.op}` fires while all is well; expected gt or gte", at)
            return None
        if burn.op not in ("gt", "gte"):
            self._wrong((*of, "op"), f"expected gt or gte, found {quoted(burn.op)}", at)
            return None
        if burn.threshold <= 0:
            self._wrong(
                (*of, "threshold"), f"expected a burn rate above 0, found {burn.threshold:g}", at
            )
            return None
        if not can_fire(burn.threshold, target):
            most = (
                f"at {target * 100:.6g} % even a full outage burns at {1 / (1 - target):.4g} only"
            )
            self._wrong((*of, "threshold"), f"it can never fire: {most}; lower the threshold", at)
            return None
        lengths: list[timedelta] = []
        for key, text in (("lookbackWindow", burn.lookbackWindow), ("alertAfter", burn.alertAfter)):
            try:
                lengths.append(
                    duration(text)[2] if text not in (None, "0", "0m", "0s") else timedelta()
                )
            except ValueError as error:
                self._wrong((*of, key), str(error), at)
                return None
        if not lengths[0]:
            self._wrong((*of, "lookbackWindow"), "expected a window above zero, such as 1h", at)
            return None
        return BurnAlert(
            given.metadata.name, given.spec.severity, burn.threshold, lengths[0], lengths[1]
        )


def _key(path: Trail, key: str) -> Trail:
    return (*path, key) if key else path

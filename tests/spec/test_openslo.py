"""OpenSLO documents: what is accepted, and what each refusal says: where, why, what to
write instead.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from drillkit.model.calendars import window_start
from drillkit.model.errors import SpecError, UsageError
from drillkit.model.slo import Calendar, Counter, Probed, Ratio, Slices, Threshold, Windowed
from drillkit.spec.openslo import FoundSlo, find_slo, list_slos
from drillkit.spec.roots import Root, Roots, package_root

SLO = """
apiVersion: openslo/v1
kind: SLO
metadata: {name: web}
spec:
  indicator:
    metadata: {name: web}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: Prometheus, spec: {query: 'requests_total{code=~"5.."}'}}}
        total: {metricSource: {type: prometheus, spec: {promql: sum(requests_total)}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.995}]
"""


@pytest.fixture
def read(tmp_path: Path):
    def read(text: str) -> FoundSlo:
        file = tmp_path / "slo.yaml"
        file.write_text(text)
        return find_slo(str(file), Roots(()))

    return read


def changed(*edits: tuple[str, str]) -> str:
    text = SLO
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return text


def test_a_ratio_of_counters_is_read_with_its_selectors(read):
    slo = read(SLO).slo

    assert slo.sli == Ratio(
        bad=Counter('requests_total{code=~"5.."}'), total=Counter("requests_total")
    )
    assert (slo.target, slo.window, slo.calendar, slo.slices) == (
        0.995,
        timedelta(days=30),
        None,
        None,
    )


def test_a_target_in_percent_is_the_same_target(read):
    assert read(changed(("target: 0.995", "targetPercent: 99.5"))).slo.target == 0.995


def test_a_query_with_its_window_is_a_template_and_the_sum_of_an_increase_a_counter(read):
    slo = read(
        changed(
            ("counter: true", "counter: false"),
            ("'requests_total{code=~\"5..\"}'", "'sum(increase(failed_total[{{.window}}]))'"),
            (
                "sum(requests_total)",
                "'sum(rate(a_total[{{ .window }}])) + sum(rate(b_total[{{.window}}]))'",
            ),
        )
    ).slo

    assert slo.sli == Ratio(
        bad=Counter("failed_total"),
        total=Windowed(
            "sum(rate(a_total[{{.window}}])) + sum(rate(b_total[{{.window}}]))", per_second=True
        ),
    )


def test_slices_of_a_threshold_and_a_calendar_window(read):
    threshold = (
        "thresholdMetric: {metricSource: {type: Prometheus, spec: {query: max(queue_length)}}}"
    )
    text = yaml.safe_load(SLO)
    text["spec"]["indicator"]["spec"] = yaml.safe_load(threshold)
    text["spec"]["budgetingMethod"] = "Timeslices"
    text["spec"]["objectives"] = [
        {"target": 0.99, "op": "lte", "value": 100, "timeSliceWindow": "1m"}
    ]
    text["spec"]["timeWindow"] = [
        {
            "duration": "1M",
            "calendar": {"startTime": "2026-01-31 09:00:00", "timeZone": "Europe/Berlin"},
        }
    ]
    slo = read(yaml.safe_dump(text)).slo

    assert slo.sli == Threshold("max(queue_length)", "lte", 100.0)
    assert slo.slices == Slices(timedelta(minutes=1), 1.0)
    assert slo.window == timedelta(days=30)
    assert isinstance(slo.calendar, Calendar)
    at = datetime(2026, 3, 15, tzinfo=UTC).timestamp()
    assert datetime.fromtimestamp(window_start(slo.window, slo.calendar, at), UTC).isoformat() == (
        "2026-02-28T08:00:00+00:00"
    )


def test_an_unquoted_start_of_a_calendar_is_a_date_all_the_same(read):
    text = changed(
        (
            "{duration: 30d, isRolling: true}",
            "{duration: 1w, isRolling: false, calendar: {startTime: 2026-01-05 00:00:00, "
            "timeZone: UTC}}",
        ),
    )

    found = read(text).slo.calendar

    assert found is not None
    assert found.start.isoformat() == "2026-01-05T00:00:00+00:00"


def test_a_probe_of_the_drill_is_a_source(read):
    text = changed(
        (
            "type: Prometheus, spec: {query: 'requests_total{code=~\"5..\"}'}",
            "type: drillkit-prober, spec: {probe: web, slow: 500ms}",
        ),
        (
            "type: prometheus, spec: {promql: sum(requests_total)}",
            "type: drillkit-prober, spec: {probe: web}",
        ),
    )

    assert read(text).slo.sli == Probed("web", timedelta(milliseconds=500))


REFERENCES = """
- apiVersion: openslo/v1
  kind: SLO
  metadata: {name: web, annotations: {drillkit.dev/owner: ann@example.com}}
  spec:
    service: shop
    indicatorRef: web-errors
    timeWindow: [{duration: 28d, isRolling: true}]
    budgetingMethod: Occurrences
    objectives: [{target: 0.999}]
    alertPolicies: [pages, {alertPolicyRef: pages}]
- apiVersion: openslo/v1
  kind: SLI
  metadata: {name: web-errors}
  spec:
    ratioMetric:
      counter: true
      bad: {metricSource: {metricSourceRef: ours, spec: {query: errors_total}}}
      total: {metricSource: {metricSourceRef: ours, spec: {query: requests_total}}}
- apiVersion: openslo/v1
  kind: DataSource
  metadata: {name: ours}
  spec: {type: Prometheus, connectionDetails: {url: "https://elsewhere.example.com"}}
- apiVersion: openslo/v1
  kind: AlertPolicy
  metadata: {name: pages}
  spec:
    conditions: [{conditionRef: fast}]
    notificationTargets: [{targetRef: phone}]
- apiVersion: openslo/v1
  kind: AlertCondition
  metadata: {name: fast}
  spec:
    severity: page
    condition: {kind: burnrate, op: gte, threshold: 14.4, lookbackWindow: 1h, alertAfter: 5m}
- apiVersion: openslo/v1
  kind: AlertNotificationTarget
  metadata: {name: phone}
  spec: {target: whatever}
- apiVersion: openslo/v1
  kind: Service
  metadata: {name: shop}
  spec: {description: The shop.}
"""


def test_references_between_documents_are_followed_and_what_has_no_effect_is_said(read):
    found = read(REFERENCES)

    assert found.slo.owner == "ann@example.com"
    assert found.slo.sli == Ratio(bad=Counter("errors_total"), total=Counter("requests_total"))
    assert [(a.name, a.threshold, a.lookback) for a in found.slo.alerts] == [
        ("fast", 14.4, timedelta(hours=1))
    ] * 2
    assert any(
        "AlertNotificationTarget documents are ignored" in notice for notice in found.notices
    )
    assert any("the target says where it is" in notice for notice in found.notices)
    assert any(
        "`notificationTargets` of AlertPolicy `pages` is ignored" in n for n in found.notices
    )


def test_references_reach_documents_of_the_same_folder(tmp_path):
    documents = yaml.safe_load(REFERENCES)
    (tmp_path / "slo.yaml").write_text(yaml.safe_dump(documents[0]))
    (tmp_path / "rest.yaml").write_text(yaml.safe_dump_all(documents[1:]))

    assert find_slo(str(tmp_path / "slo.yaml"), Roots(())).slo.alerts


RATIO = "bad: {metricSource: {type: Prometheus, spec: {query: 'requests_total{code=~\"5..\"}'}}}"
OBJECTIVE = "objectives: [{target: 0.995}]"
WINDOW = "{duration: 30d, isRolling: true}"
REFUSED = [
    (
        ("openslo/v1", "openslo/v1alpha"),
        "apiVersion",
        "expected openslo/v1, found 'openslo/v1alpha'; rewrite it",
    ),
    (("openslo/v1", "openslo.com/v2alpha"), "apiVersion", "write it as openslo/v1"),
    (("kind: SLO", "kind: SLOO"), "kind", "did you mean `SLO`?"),
    (
        ("metadata: {name: web}\nspec", "metadata: {name: we b}\nspec"),
        "metadata.name",
        "letters, digits",
    ),
    (
        (
            "metadata: {name: web}\nspec",
            "metadata: {name: web, annotations: {drillkit.dev/ownr: x}}\nspec",
        ),
        "metadata.annotations.drillkit.dev/ownr",
        "did you mean `drillkit.dev/owner`?",
    ),
    (("timeWindow", "timeWindows"), "spec", "did you mean `timeWindow`?"),
    (
        (OBJECTIVE, "objectives: [{target: 0.99}, {target: 0.9}]"),
        "spec.objectives",
        "one SLO document for each",
    ),
    (
        (OBJECTIVE, "objectives: [{target: 0.99, indicatorRef: x}]"),
        "spec.objectives[0].indicatorRef",
        "composite",
    ),
    (
        (OBJECTIVE, "objectives: [{target: 0.99, targetPercent: 99}]"),
        "spec.objectives[0]",
        "exactly one of `target",
    ),
    ((OBJECTIVE, "objectives: [{}]"), "spec.objectives[0]", "exactly one of `target"),
    (
        (OBJECTIVE, "objectives: [{target: 99.5}]"),
        "spec.objectives[0].target",
        "did you mean `targetPercent: 99.5`?",
    ),
    (
        (OBJECTIVE, "objectives: [{target: 1.0}]"),
        "spec.objectives[0].target",
        "leaves no error budget",
    ),
    (
        (OBJECTIVE, "objectives: [{target: 0.99, op: lte, value: 1}]"),
        "spec.objectives[0].value",
        "remove `value`",
    ),
    ((WINDOW, "{duration: 1m, isRolling: true}"), "spec.timeWindow[0].duration", "a month is `1M`"),
    (
        (WINDOW, "{duration: 30 days, isRolling: true}"),
        "spec.timeWindow[0].duration",
        "such as 28d, 1M",
    ),
    (
        (WINDOW, "{duration: 30d, isRolling: false}"),
        "spec.timeWindow[0].isRolling",
        "needs `calendar",
    ),
    (
        (WINDOW, "{duration: 1M, calendar: {startTime: soon, timeZone: UTC}}"),
        "spec.timeWindow[0].calendar",
        "a date",
    ),
    (
        (WINDOW, "{duration: 1M, calendar: {startTime: 2026-01-01, timeZone: Berlin}}"),
        "spec.timeWindow[0].calendar",
        "IANA time zone",
    ),
    ((f"[{WINDOW}]", "[]"), "spec.timeWindow", "a list of one window"),
    (("Occurrences", "RatioTimeslices"), "spec.budgetingMethod", "use Timeslices"),
    (("Occurrences", "Occurences"), "spec.budgetingMethod", "expected Occurrences or Timeslices"),
    (("Occurrences", "Timeslices"), "spec.objectives[0]", "needs `timeSliceWindow`"),
    (
        (OBJECTIVE, "objectives: [{target: 0.9, timeSliceWindow: 1m}]"),
        "spec.objectives[0].timeSliceWindow",
        "goes with `budgetingMethod: Timeslices`",
    ),
    (
        (RATIO, "good: {metricSource: {type: Datadog, spec: {query: x}}}"),
        "spec.indicator.spec.ratioMetric.good.metricSource.type",
        "expected a source of type Prometheus",
    ),
    (
        (
            RATIO,
            "good: {metricSource: {metricSourceRef: thanos, type: Prometheus, spec: {query: x}}}",
        ),
        "spec.indicator.spec.ratioMetric.good.metricSource.metricSourceRef",
        "the target says which server is asked",
    ),
    (
        (RATIO, "good: {metricSource: {spec: {query: x}}}"),
        "spec.indicator.spec.ratioMetric.good.metricSource",
        "expected `type: Prometheus`",
    ),
    (
        (RATIO, "raw: {metricSource: {type: Prometheus, spec: {query: x}}}"),
        "spec.indicator.spec.ratioMetric.raw",
        "no counts to judge by",
    ),
    ((RATIO, ""), "spec.indicator.spec.ratioMetric", "exactly one of `good` and `bad`"),
    (
        ("{query: 'requests_total{code=~\"5..\"}'}", "{query: x, promql: y}"),
        "spec.indicator.spec.ratioMetric.bad.metricSource.spec",
        "expected one text `query`",
    ),
    (
        ("{query: 'requests_total{code=~\"5..\"}'}", "{query: x, step: 1m}"),
        "spec.indicator.spec.ratioMetric.bad.metricSource.spec.step",
        "unknown key `step`",
    ),
    (
        ("sum(requests_total)", "'sum(rate(requests_total[5m]))'"),
        "spec.indicator.spec.ratioMetric.total.metricSource.spec.promql",
        "a window is given already",
    ),
    (
        ("sum(requests_total)", "'sum by (pod) (requests_total)'"),
        "spec.indicator.spec.ratioMetric.total.metricSource.spec.promql",
        "several series",
    ),
    (
        ("sum(requests_total)", "'increase(sum(requests_total)[{{.window}}:])'"),
        "spec.indicator.spec.ratioMetric.total.metricSource.spec.promql",
        "never of a sum",
    ),
    (
        ("sum(requests_total)", "'sum(rate(a[{{.window}}])) / sum(rate(b[{{.window}}]))'"),
        "spec.indicator.spec.ratioMetric.total.metricSource.spec.promql",
        "it divides",
    ),
    (
        ("sum(requests_total)", "'avg_over_time(a[{{.window}}])'"),
        "spec.indicator.spec.ratioMetric.total.metricSource.spec.promql",
        "gives no count",
    ),
    (
        ("sum(requests_total)", "'sum(rate(a[5m])) + sum(rate(a[{{.window}}]))'"),
        "spec.indicator.spec.ratioMetric.total.metricSource.spec.promql",
        "every one must be `[{{.window}}]`",
    ),
    (
        ("sum(requests_total)", "'sum(requests_total'"),
        "spec.indicator.spec.ratioMetric.total.metricSource.spec.promql",
        "unclosed",
    ),
    (
        ("counter: true", "counter: false"),
        "spec.indicator.spec.ratioMetric.bad.metricSource.spec.query",
        "set `counter: true` if the metric is a counter",
    ),
    (("sum(requests_total)", "'${total}'"), "", "takes no `${...}`"),
    (("kind: SLO\n", "kind: SLO\nkind: SLO\n"), "", "given twice"),
]


@pytest.mark.parametrize(
    ("edit", "path", "words"), REFUSED, ids=[f"{p} {w}"[:60] for _, p, w in REFUSED]
)
def test_each_refusal_says_where_why_and_what_to_write_instead(read, edit, path, words):
    with pytest.raises(SpecError) as caught:
        read(changed(edit))

    fitting = [m for m in caught.value.mistakes if words in m.what]
    assert fitting, str(caught.value)
    assert fitting[0].path == path
    assert "slo.yaml:" in fitting[0].where


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (
            "{kind: burnrate, op: lte, threshold: 14.4, lookbackWindow: 1h}",
            "fires while all is well",
        ),
        (
            "{kind: burnrate, op: gte, threshold: 200, lookbackWindow: 1h}",
            "can never fire: at 99.5 %",
        ),
        ("{kind: magic, op: gte, threshold: 2, lookbackWindow: 1h}", "expected burnrate"),
        ("{kind: burnrate, op: gte, threshold: 2, lookbackWindow: ever}", "such as 28d"),
    ],
)
def test_alert_conditions_that_make_no_sense_are_refused(read, condition, words):
    policy = (
        "alertPolicies: [{kind: AlertPolicy, metadata: {name: p}, spec: {conditions: [{kind: "
        "AlertCondition, metadata: {name: c}, spec: {severity: page, condition: "
        f"{condition}}}}}]}}}}]\n  {OBJECTIVE}"
    )
    with pytest.raises(SpecError, match=words):
        read(changed((OBJECTIVE, policy)))


def test_a_threshold_counts_no_events_and_a_guessed_quantile_decides_nothing(read):
    text = yaml.safe_load(SLO)
    query = "histogram_quantile(0.95, sum by (le) (rate(took_bucket[5m])))"
    text["spec"]["indicator"]["spec"] = {
        "thresholdMetric": {"metricSource": {"type": "Prometheus", "spec": {"query": query}}}
    }
    text["spec"]["objectives"] = [{"target": 0.99, "op": "lte", "value": 0.5}]
    with pytest.raises(SpecError, match="a value is no event to count"):
        read(yaml.safe_dump(text))

    text["spec"]["budgetingMethod"] = "Timeslices"
    text["spec"]["objectives"][0]["timeSliceWindow"] = "1m"
    with pytest.raises(SpecError, match="nothing is decided on a guess"):
        read(yaml.safe_dump(text))


def test_unresolved_references_name_what_is_there(read):
    documents = yaml.safe_load(REFERENCES)
    documents[0]["spec"]["indicatorRef"] = "web-error"

    with pytest.raises(
        SpecError, match=r"an SLI document of this name was expected .* did you mean `web-errors`"
    ):
        read(yaml.safe_dump(documents))


def test_an_unknown_name_is_told_with_the_near_ones(tmp_path):
    (tmp_path / "drills" / "slos").mkdir(parents=True)
    (tmp_path / "drills" / "slos" / "a.yaml").write_text(SLO)

    with pytest.raises(UsageError, match="did you mean `web`"):
        find_slo("wep", Roots((Root(tmp_path, "project"),)))


def test_everything_that_ships_is_accepted_without_a_notice():
    root = package_root()
    assert root is not None

    found, wrong = list_slos(Roots((root,)))

    assert not wrong
    assert {
        "api-availability",
        "istio-success",
        "istio-latency",
        "ingress-nginx-success",
        "ingress-nginx-latency",
        "http-success",
        "http-latency",
        "probed-availability",
    } <= {each.slo.name for each in found}
    assert not [notice for each in found for notice in each.notices]

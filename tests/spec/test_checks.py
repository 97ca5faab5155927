"""What the fields of a drill must agree on."""

from __future__ import annotations

import pytest

from tests.spec.conftest import HEAD, Spec

PROBES = "probes: {web: {http: http://h/, rate: 20/s}}\n"
SLO = "slos: [{kind: SLO, metadata: {name: api}}]\n"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("limit: 0s", "limit: expected a duration above zero, found 0s"),
        ("cleanup_limit: 0", "cleanup_limit: expected a duration above zero"),
        ("window: {hours: '2-5'}", "window.hours: expected hours such as 02:00-05:00, found '2-5'"),
        ("window: {hours: '25:00-26:00'}", "window.hours: expected hours"),
        (
            "window: {hours: '02:00-05:00', timezone: Europe/Berlim}",
            "window.timezone: expected an IANA time zone",
        ),
        (
            "window: {hours: '02:00-05:00', timezone: ../etc/passwd}",
            "window.timezone: expected an IANA time zone",
        ),
        ("probes: {slo: {tcp: 'h:1'}}", "probes.slo: `slo` has a meaning of its own"),
        (
            "probes: {w: {http: ftp://x}}",
            "probes.w.http: expected a URL such as http://host/health, found 'ftp://x'",
        ),
        ("probes: {w: {tcp: host}}", "probes.w.tcp: expected host:port, found 'host'"),
        ("probes: {w: {tcp: 'h:99999'}}", "probes.w.tcp: expected host:port"),
        (
            "probes: {w: {tcp: 'h:1', rate: 6000/s}}",
            "probes.w.rate: expected at most 5000/s, found 6000/s",
        ),
        ("probes: {w: {tcp: 'h:1', slow: 3s}}", "probes.w.slow: expected at most `timeout`"),
        (
            "probes: {w: {tcp: 'h:1', body: x}}",
            "probes.w.body: `body` goes with `http`, not with `tcp`",
        ),
        (
            "probes: {w: {http: http://h, expect: ok}}",
            "probes.w.expect: expected a status such as 200, 2xx",
        ),
        (
            "probes: {w: {http: http://h, expect: '2xx,4xx,5xx'}}",
            "probes.w.expect: takes success and every server error alike",
        ),
        (
            PROBES + "hypothesis: {before: {wbe: {bad: 2 of 200}}}",
            "no probe or SLO is called 'wbe'; did you mean `web`?",
        ),
        (
            PROBES + "hypothesis: {during: {wbe: {bad: 2}}}",
            "hypothesis.during.wbe: no probe or SLO is called",
        ),
        (
            PROBES + "hypothesis: {during: {web: {}}}",
            "hypothesis.during.web: expected at least one bound",
        ),
        (
            PROBES + "hypothesis: {during: {web: {budget: 1%}}}",
            "during.web.budget: `web` is a probe and has no error",
        ),
        (
            PROBES + "hypothesis: {before: {slo: [web]}}",
            "before.slo[0]: `web` is a probe and has no objective",
        ),
        (
            PROBES + "hypothesis: {before: {web: {}}}",
            "before.web: expected a declared count, such as `bad: 2 of 200`",
        ),
        (
            PROBES + "hypothesis: {before: {web: {bad: 2 of 200, confidence: 10%}}}",
            "confidence: expected 50% or more",
        ),
        (
            PROBES + "hypothesis: {after: {web: {bad: 2 of 200, within: 5s}}}",
            "after.web: 200 probes at 20/s take 10 s, longer than the 5 s allowed; raise `within` "
            "or lower the count",
        ),
        (
            "hypothesis: {before: {slo: [apj]}}\n" + SLO,
            "no SLO is called 'apj'; did you mean `api`?",
        ),
        (
            "slos: [{kind: SLO}]",
            "slos[0]: expected an OpenSLO document with `metadata: {name: ...}`",
        ),
    ],
)
def test_a_drill_that_makes_no_sense_is_told_where(spec: Spec, text: str, what: str) -> None:
    assert what in spec.mistakes(f"{HEAD}{text}\n")


@pytest.mark.parametrize(
    ("guards", "what"),
    [
        ("start: [{}]", "guards.start[0]: expected exactly one of `alerts`, `budget`"),
        ("start: [{alerts: Watchdog}]", "guards.start[0].alerts: expected matchers of alerts"),
        ("start: [{budget: api}]", "guards.start[0]: `budget` under `start` needs `left`"),
        (
            "start: [{budget: api, spent: 2%}]",
            "guards.start[0].spent: `spent` belongs under `abort`",
        ),
        (
            "start: [{budget: web, left: 2%}]",
            "guards.start[0].budget: `web` is a probe and has no objective",
        ),
        ("abort: [{budget: api}]", "guards.abort[0]: `budget` under `abort` needs `spent`"),
        (
            "abort: [{slo: api, burn: 14.4}]",
            "guards.abort[0]: `slo` under `abort` needs `burn` and `window`",
        ),
        (
            "abort: [{slo: api, burn: 0, window: 5m}]",
            "guards.abort[0].burn: expected a burn rate above zero",
        ),
        (
            "start: [{probe: web, bad: 3}]",
            "guards.start[0].probe: `probe` is watched while it runs (`abort`) only",
        ),
        (
            "abort: [{probe: web}]",
            "guards.abort[0]: `probe` under `abort` needs `longest_gap` or `bad`",
        ),
        (
            "abort: [{probe: wbe, bad: 3}]",
            "guards.abort[0].probe: no probe is called 'wbe'; did you mean `web`?",
        ),
        (
            "abort: [{blind: 30s, burn: 3}]",
            "guards.abort[0].burn: `burn` goes with `slo`, found it with `blind`",
        ),
        ("start: [{blind: 30s}]", "guards.start[0].blind: `blind` is watched while it runs"),
        (
            "abort: [{freeze: 2026-12-20..2027-01-05}]",
            "`freeze` is watched before a run (`start`) only",
        ),
        (
            "start: [{freeze: 2026-12-20..2026-01-05}]",
            "freeze: expected the first day before the last",
        ),
        ("start: [{freeze: 2026-12-20..soon}]", "freeze: expected YYYY-MM-DD..YYYY-MM-DD"),
        (
            "start: [{freeze: no-such.ics}]",
            "freeze: no iCalendar file 'no-such.ics' beside the drill",
        ),
    ],
)
def test_a_guard_needs_its_companions_and_its_place(spec: Spec, guards: str, what: str) -> None:
    assert what in spec.mistakes(f"{HEAD}{PROBES}{SLO}guards: {{{guards}}}\n")


def test_sound_guards_pass(spec: Spec) -> None:
    start = (
        "{alerts: 'severity=\"critical\"'}, {budget: api, left: 20%}, {slo: api}, "
        "{freeze: 2026-12-20..2027-01-06}"
    )
    abort = (
        "{budget: api, spent: 2%}, {slo: api, burn: 14.4, window: 5m}, {probe: web, bad: 9}, "
        "{blind: 10s}"
    )
    drill = spec.drill(f"{HEAD}{PROBES}{SLO}guards: {{start: [{start}], abort: [{abort}]}}\n")
    assert [guard.subject for guard in drill.guards.start] == ["alerts", "budget", "slo", "freeze"]
    assert [guard.subject for guard in drill.guards.abort] == ["budget", "slo", "probe", "blind"]


def test_slos_are_found_in_the_files_of_the_project(spec: Spec) -> None:
    folder = spec.folder / "drills" / "slos"
    folder.mkdir(parents=True)
    (folder / "api.yaml").write_text(
        "kind: SLI\nmetadata: {name: x}\n---\nkind: SLO\nmetadata: {name: availability}\n"
    )
    text = (
        HEAD + "hypothesis: {before: {slo: [availability]}, during: {availability: {budget: 1%}}}\n"
    )
    assert spec.drill(text).hypothesis.before.slo == ("availability",)
    assert "no probe or SLO is called 'x'" in spec.mistakes(
        text.replace("during: {availability", "during: {x")
    )


@pytest.mark.parametrize(
    ("steps", "what"),
    [
        ("[]", "steps: expected at least one step"),
        ("[{parallel: []}]", "steps[0].parallel: expected at least one step"),
        (
            "[{name: a b, uses: velero.restore, with: {source: s}}]",
            "steps[0].name: expected a name of a step",
        ),
        (
            "[{name: a, uses: velero.restore, with: {source: s}}, {name: a, uses: velero.restore, "
            "with: {source: s}}]",
            "steps[1].name: `a` is the name of step 1 already",
        ),
        (
            "[{uses: velero.restore, with: {source: s}, limit: 2h}]",
            "limit: expected at most the drill's own limit (1 h)",
        ),
        (
            "[{uses: velero.restore, with: {source: s}, checks: [{}]}]",
            "and `uses`, found none",
        ),
        (
            "[{uses: velero.restore, with: {source: s}, checks: [{sql: s, expect: many}]}]",
            "checks[0].expect: expected such as",
        ),
        (
            "[{uses: velero.restore, with: {source: s}, objectives: {rto: 0s}}]",
            "objectives.rto: expected a duration above",
        ),
        (
            "[{uses: chaostoolkit, with: {experiment: pod-delet}}]",
            "no experiment `pod-delet`; did you mean `pod-delete`?",
        ),
        (
            "[{uses: chaostoolkit, with: {experiment: pod-delete, configuration: {selektor: x}}}]",
            "selektor: experiment `pod-delete` has no configuration 'selektor'; did you "
            "mean `selector`?",
        ),
    ],
)
def test_steps_are_checked(spec: Spec, steps: str, what: str) -> None:
    assert what in spec.mistakes(f"drill: d\nsteps: {steps}\n")


def test_a_name_of_a_drill_fits_labels_and_folders(spec: Spec) -> None:
    for name in ("Upper", "a/b", "../x", "a_b", "-a", "x" * 64):
        assert "drill: expected lower-case letters, digits and dashes" in spec.mistakes(
            HEAD.replace("drill: d", f"drill: {name}")
        )


def test_an_unsound_experiment_is_told_with_its_own_place(spec: Spec) -> None:
    (spec.folder / "experiments" / "bad.yaml").write_text(
        "title: t\nmethod:\n- {type: act, name: a, provider: {type: python}}\n"
    )
    found = spec.mistakes("drill: d\nsteps: [{uses: chaostoolkit, with: {experiment: bad}}]\n")
    assert "bad.yaml:3:10: method[0].type: expected action or probe, found 'act'" in found
    assert "expected a text as `description`, found nothing" in found
    assert "`module` is missing: a python activity needs it" in found

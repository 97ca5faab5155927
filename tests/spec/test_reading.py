"""YAML text to trees, and trees to dataclasses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from drillkit.model.drill import Group, Step
from drillkit.model.units import Amount, OutOf, Rate
from drillkit.spec import document
from drillkit.spec.arguments import bind_arguments
from tests.spec.conftest import HEAD, Restore, Spec


def with_(spec: Spec, text: str) -> Restore:
    step = spec.drill(
        f"drill: d\nsteps:\n- uses: velero.restore\n  with: {{source: s, {text}}}\n"
    ).steps[0]
    assert isinstance(step, Step)
    return bind_arguments(Restore, step.with_, "step restore", {})


def test_types_decide_what_a_scalar_means_and_not_yaml(spec: Spec) -> None:
    drill = spec.drill(
        HEAD + "owner: no\ndescription: 10:30\nvars: {a: no, b: 1e3, c: 10:30, d: 012, e: 1.10, "
        "f: '1'}\n"
    )
    assert (drill.owner, drill.description) == ("no", "10:30")
    assert drill.vars == {"a": "no", "b": 1000.0, "c": "10:30", "d": 12, "e": 1.1, "f": "1"}


def test_a_text_that_looks_like_a_number_stays_as_written_where_text_is_wanted(spec: Spec) -> None:
    assert with_(spec, "tag: 1.20, namespaces: {1.10: 1.20}").tag == "1.20"
    assert with_(spec, "namespaces: {1.10: 0x10}").namespaces == {"1.10": "0x10"}
    assert with_(spec, "nested: {on: yes, size: 3}").nested.on == "yes"


def test_each_scalar_type_reads_what_people_write(spec: Spec) -> None:
    read = with_(spec, "amount: 50%, wait: 1h, to: 2026-11-01T03:00:00Z, several: [{size: 2}, {}]")
    assert (str(read.amount), read.wait, read.to) == (
        "50%",
        timedelta(hours=1),
        datetime(2026, 11, 1, 3, tzinfo=UTC),
    )
    assert [item.size for item in read.several] == [2, 1]
    assert with_(spec, "amount: 2, to: latest").amount == Amount(count=2)


def test_a_gate_is_named_by_any_key_that_is_no_field(spec: Spec) -> None:
    text = (
        HEAD + "probes: {web: {http: http://h/, rate: 600/m}}\n"
        "hypothesis: {before: {within: 1m, web: {bad: 2 of 200}}}\n"
    )
    drill = spec.drill(text)
    assert drill.probes["web"].rate == Rate(10.0)
    assert drill.hypothesis.before.within == timedelta(minutes=1)
    assert drill.hypothesis.before.gates["web"].bad == OutOf(2, 200)


def test_a_mapping_is_a_group_when_it_has_parallel(spec: Spec) -> None:
    member = "{uses: velero.restore, with: {source: s}}"
    drill = spec.drill(
        f"drill: d\nsteps:\n- parallel: [{member}, {member}]\n- {member}\n- parallel: [{member}]\n"
    )
    first, second, third = drill.steps
    assert isinstance(first, Group)
    assert isinstance(third, Group)
    assert (first.name, third.name) == ("parallel-1", "parallel-2")
    assert [step.name for step in (*first.parallel, second, *third.parallel)] == [
        "velero-restore",
        "velero-restore-2",
        "velero-restore-3",
        "velero-restore-4",
    ]


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("limt: 3m", "d.yaml:5:1", "unknown key 'limt'; did you mean `limit`?"),
        ("timezone: UTC", "d.yaml:5:1", "unknown key 'timezone'; it belongs to `window`"),
        ("checks: []", "d.yaml:5:1", "unknown key 'checks'; it belongs to `steps[]`"),
        ("name: x", "d.yaml:5:1", "unknown key 'name'; it belongs to `steps[]` or "),
        ("limit: 10", "d.yaml:5:8: limit", "expected a duration with its unit, such as 10s or 10m"),
        ("limit: 99999999999999d", "d.yaml:5:8: limit", "expected a duration of at most"),
        (
            "limit: [1m]",
            "d.yaml:5:8: limit",
            "expected a duration such as 90s, 10m or 1h30m, found a list",
        ),
        ("window: {hours: '02:00-05:00', days: none}", "window.days", "; leave it out for none"),
        ("owner:", "d.yaml:5:7: owner", "expected text, found nothing"),
        ("owner: {a: b}", "d.yaml:5:8: owner", "expected text, found a mapping"),
        ("cadence: montly", "d.yaml:5:10: cadence", "did you mean `monthly`?"),
        ("vars: {a: .nan}", "d.yaml:5:11: vars.a", "expected a finite number"),
        ("vars: {a: 1e999}", "d.yaml:5:11: vars.a", "expected a number up to"),
        (
            "vars: {a: [1]}",
            "d.yaml:5:11: vars.a",
            "expected a text, number or boolean, found a list",
        ),
        ("vars: {a b: 1}", "d.yaml:5:8: vars", "expected a name of letters"),
        ("vars: {a: 1, a: 2}", "d.yaml:5:14", "`a` is given twice"),
        (
            "probes: {w: {http: http://h/, tcp: 'h:1'}}",
            "d.yaml:5:13: probes.w",
            "exactly one of `http` and `tcp`",
        ),
        (
            "probes: {w: {http: http://h/, fresh: yes}}",
            "probes.w.fresh",
            "expected true or false, found 'yes'",
        ),
        (
            "hypothesis: {before: {slo: web}}",
            "hypothesis.before.slo",
            "expected a list (each: text), found 'web'",
        ),
        ("owner: !!python/none x", "d.yaml:5:8", "is not understood; remove it"),
        ("? [a]\n: b", "d.yaml:5:3", "expected text as a key, found a list"),
    ],
)
def test_a_mistake_has_its_place_and_says_what_was_expected(
    spec: Spec, text: str, where: str, what: str
) -> None:
    found = spec.mistakes(f"{HEAD}{text}\n")
    assert where in found
    assert what in found


@pytest.mark.parametrize(
    ("arguments", "path", "what"),
    [
        ("sorce: s", "steps[0].with", "unknown key 'sorce'; did you mean `source`?"),
        ("objectives: {}", "steps[0].with", "unknown key 'objectives'; it belongs to `steps[]`"),
        ("tag: x", "steps[0].with", "`source` is missing"),
        ("source: s, amount: 0", "steps[0].with.amount", "a number above zero or a percentage"),
        (
            "source: s, nested: {on: maybe}",
            "steps[0].with.nested.on",
            "expected one of yes, no, found 'maybe'",
        ),
        ("source: s, wait: 2h", "steps[0].with", "expected `wait` of at most 1h"),
        (
            "source: s, to: yesterday",
            "steps[0].with.to",
            "a time such as 2026-11-01T03:00:00Z or one of `latest`",
        ),
        (
            "source: s, several: [{size: x}]",
            "steps[0].with.several[0].size",
            "expected a whole number, found 'x'",
        ),
    ],
)
def test_arguments_of_a_step_are_checked_by_its_kind(
    spec: Spec, arguments: str, path: str, what: str
) -> None:
    found = spec.mistakes(f"drill: d\nsteps:\n- uses: velero.restore\n  with: {{{arguments}}}\n")
    assert "d.yaml:4:" in found
    assert f"{path}: " in found
    assert what in found


def test_an_unknown_kind_is_suggested_and_a_broken_one_is_no_traceback(spec: Spec) -> None:
    found = spec.mistakes(
        "drill: d\nsteps: [{uses: velero.restor}, {uses: broken}, {uses: ../x}]\n"
    )
    assert (
        "d.yaml:2:16: steps[0].uses: no kind of step is called 'velero.restor'; did you "
        "mean `velero.restore`?" in found
    )
    assert "steps[1].uses: the kind 'broken' cannot be loaded: No module named 'left_pad'" in found
    assert "steps[2].uses: no kind of step is called '../x'" in found


def test_all_mistakes_are_told_in_the_order_of_the_file(spec: Spec) -> None:
    found = spec.mistakes(
        "drill: d\nlimit: x\nsettle: y\nsteps: [{uses: nope}, {paralel: []}]\nowner: [a]\n"
    )
    assert [line.split(":")[1] for line in found.splitlines()] == ["2", "3", "4", "4", "4", "5"]


def test_hundreds_of_mistakes_are_cut(spec: Spec) -> None:
    found = spec.mistakes(HEAD + "".join(f"k{i}: 1\n" for i in range(300)))
    assert len(found.splitlines()) == 51
    assert found.endswith("d.yaml: and 250 more mistakes after these")


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        ("", "d.yaml:1:1: expected a mapping with `drill`, `steps`, found nothing"),
        ("- a", "found a list"),
        ("drill: [", "d.yaml:2:1: not YAML"),
        ("drill:\n\tx: 1", "d.yaml:2:1: found a tab; YAML is indented with spaces only"),
        ("drill: a\n---\ndrill: b", "d.yaml:3:1: expected one document, found another after `---`"),
        (b"drill: \xff", "d.yaml:1:8: expected UTF-8 text"),
        ("drill: d".encode("utf-16"), "expected UTF-8 text"),
        ("drill: \ud800", "d.yaml:1:8: expected UTF-8 text"),
        ("drill: a\x00b", "d.yaml:1:9: not YAML"),
        ("&a [*a]", "`*a` has no `&a` that ends before it"),
        ("[" * 5000, "expected at most 40 levels, found more"),
        ("x: " + "a" * document.MAX_BYTES, "expected at most 1,000,000 bytes"),
    ],
)
def test_what_is_no_sound_yaml_is_refused(spec: Spec, raw: str | bytes, what: str) -> None:
    assert what in spec.mistakes(raw)


def test_a_billion_laughs_are_refused(spec: Spec) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert "expected at most 50,000 values, aliases included" in spec.mistakes("\n".join(lines))


def test_anchors_aliases_and_merges_work(spec: Spec) -> None:
    drill = spec.drill(
        "drill: d\nprobes:\n  a: &a {http: http://a/, rate: 5/s}\n  b: {<<: *a, rate: 10/s}\n"
        "steps:\n- &s {uses: velero.restore, with: {source: s}}\n- *s\n"
    )
    assert (drill.probes["b"].http, drill.probes["b"].rate) == ("http://a/", Rate(10.0))
    assert [step.name for step in drill.steps] == ["velero-restore", "velero-restore-2"]


def test_a_utf8_byte_order_mark_is_fine(spec: Spec) -> None:
    assert spec.drill(b"\xef\xbb\xbf" + HEAD.encode()).drill == "d"

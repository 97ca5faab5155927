"""Whatever is read, the answer is a drill or a SpecError; a drill survives its journal."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drillkit.model.codec import from_data, to_data
from drillkit.model.drill import (
    Bounds,
    Drill,
    Gate,
    GateSet,
    Group,
    Hypothesis,
    Objectives,
    Probe,
    Step,
    StepCheck,
)
from drillkit.model.errors import SpecError
from drillkit.model.units import OutOf, Rate, Share
from drillkit.spec.arguments import bind_arguments
from drillkit.spec.document import read_one
from drillkit.spec.experiments import check_experiment, read_experiment
from drillkit.spec.files import FoundFile
from drillkit.spec.interpolation import escaped, parts, plain_text, render
from drillkit.spec.overrides import parse_sets
from drillkit.spec.roots import Root
from drillkit.spec.targets import bind_targets
from drillkit.spec.writing import as_written
from tests.spec.conftest import Restore, Spec

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@contextmanager
def a_spec() -> Iterator[Spec]:
    with tempfile.TemporaryDirectory() as folder:
        yield Spec(Path(folder))


_KEYS = """drill owner limit vars probes web http tcp rate hypothesis before during after bad within slo steps uses with
source parallel name checks sql guards start abort budget left window hours timezone slos metadata notify events << on_failure"""  # noqa: E501
KEYS = st.sampled_from(_KEYS.split())
WORDS = st.sampled_from(
    """d|web|slack|met|1|0|-3|1.5|1e3|1e999|no|true|null|~|10m|5s|20/s|2 of 200|0.5%|velero.restore|chaostoolkit|http://h/|stop|.inf
    |${web}|${target.urls.web}|${steps.web.outputs.x}|${|$${x}|${}|999999999999999999999d|0x10|2026-11-01T03:00:00Z
    """.strip().split("|")
)
TREES = st.recursive(
    st.one_of(WORDS, st.none(), st.booleans(), st.integers(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=6)),
    max_leaves=25,
)
DRILLS = st.fixed_dictionaries(
    {"drill": st.sampled_from(["d", "D", "${web}"])},
    optional={
        "steps": st.lists(
            st.fixed_dictionaries({"uses": WORDS}, optional={"with": TREES, "name": WORDS}),
            max_size=3,
        ),
        "vars": st.dictionaries(KEYS, WORDS, max_size=4),
        "probes": TREES,
        "hypothesis": TREES,
        "guards": TREES,
        "limit": WORDS,
    },
)


def a_drill_or_a_spec_error(text: str | bytes) -> None:
    with a_spec() as spec:
        try:
            drill = spec.drill(text)
        except SpecError as error:
            mistakes = error.mistakes
        else:
            assert json.loads(json.dumps(to_data(drill))) == to_data(drill)
            return
        assert mistakes
        assert all(mistake.where.startswith("d.yaml") for mistake in mistakes)


@QUICK
@given(st.one_of(st.text(), st.binary()))
def test_any_text_is_a_drill_or_a_spec_error(raw: str | bytes) -> None:
    a_drill_or_a_spec_error(raw)


@QUICK
@given(
    st.lists(st.sampled_from(list("-:?[]{}&*!|>'\"%@`#,\t \nab10<$.~")), max_size=60).map("".join)
)
def test_any_heap_of_yaml_signs_is_a_drill_or_a_spec_error(raw: str) -> None:
    a_drill_or_a_spec_error(raw)


@settings(QUICK, max_examples=400)
@given(st.one_of(TREES, DRILLS))
def test_any_yaml_is_a_drill_or_a_spec_error(tree: Any) -> None:
    a_drill_or_a_spec_error(yaml.safe_dump(tree, allow_unicode=True))


@QUICK
@given(TREES)
def test_any_yaml_is_targets_or_a_spec_error(tree: Any) -> None:
    try:
        targets = bind_targets(read_one("t.yaml", yaml.safe_dump(tree)))
    except SpecError:
        return
    assert all(target.name == name for name, target in targets.items())


@QUICK
@given(
    st.one_of(TREES.map(lambda tree: yaml.safe_dump(tree).encode()), st.binary()),
    st.sampled_from(["yaml", "json"]),
)
def test_any_file_is_an_experiment_or_a_spec_error(raw: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"e.{suffix}"
        path.write_bytes(raw)
        try:
            experiment = read_experiment(
                FoundFile(path, "path", "experiment", Root(Path(folder), "path"))
            )
        except SpecError:
            return
        json.dumps(experiment.data)
        check_experiment(experiment)


@QUICK
@given(st.text(alphabet=st.sampled_from(list("${}ax.")), max_size=20))
def test_escaping_gives_the_text_back(text: str) -> None:
    assert plain_text(escaped(text)) == text
    assert "".join(map(str, parts(escaped(text)))) == text


@QUICK
@given(st.text(alphabet=st.sampled_from(list("${}ax.")), max_size=20))
def test_a_template_survives_being_taken_apart(text: str) -> None:
    try:
        found = parts(text)
        again = render(found)
    except ValueError:
        return
    assert parts(again) == found


@QUICK
@given(
    st.text(
        alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\n"),
        min_size=1,
        max_size=30,
    )
)
def test_what_a_set_gives_reaches_the_step_unchanged(value: str) -> None:
    text = 'drill: d\nvars: {v: x}\nsteps:\n- uses: velero.restore\n  with: {source: "<${v}>"}\n'
    with a_spec() as spec:
        try:
            sets = parse_sets([f"v={value}"])
        except SpecError:  # `.inf` and numbers beyond any machine
            return
        step = spec.drill(text, sets).steps[0]
    assert isinstance(step, Step)
    inside = (
        value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
    )
    assert bind_arguments(Restore, step.with_, "s", {}).source == f"<{inside}>"


names = st.text("abcxyz-", min_size=1, max_size=6)
durations = st.integers(1, 10**7).map(lambda ms: timedelta(milliseconds=ms))
maybe_duration = st.none() | durations
rates = st.integers(1, 5000).map(lambda n: Rate(float(n)))
shares = st.integers(1, 99).map(lambda n: Share(n / 100))
scalars = st.one_of(
    st.text(max_size=5),
    st.integers(),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
)
gates = st.builds(
    Gate,
    bad=st.builds(OutOf, bad=st.integers(0, 9), total=st.integers(10, 999)),
    within=maybe_duration,
)
gate_sets = st.builds(
    GateSet,
    slo=st.lists(names, max_size=2).map(tuple),
    within=maybe_duration,
    gates=st.dictionaries(names, gates, max_size=2),
)
bounds = st.builds(
    Bounds,
    bad=st.none() | st.integers(0, 99),
    longest_gap=maybe_duration,
    budget=st.none() | shares,
)
hypotheses = st.builds(
    Hypothesis, before=gate_sets, during=st.dictionaries(names, bounds, max_size=2), after=gate_sets
)
probes = st.builds(
    Probe,
    http=names,
    rate=rates,
    timeout=durations,
    slow=maybe_duration,
    expect=scalars,
    fresh=st.booleans(),
)
checks = st.builds(
    StepCheck, sql=names, http=st.dictionaries(names, scalars, max_size=2), within=durations
)
data = st.recursive(
    st.none() | scalars,
    lambda i: st.lists(i, max_size=3) | st.dictionaries(names, i, max_size=3),
    max_leaves=6,
)
steps = st.builds(
    Step,
    name=names,
    uses=names,
    with_=st.dictionaries(names, data, max_size=3),
    objectives=st.builds(Objectives, rto=maybe_duration),
    checks=st.lists(checks, max_size=2).map(tuple),
    hypothesis=st.none() | hypotheses,
    limit=maybe_duration,
    on_failure=st.sampled_from(["stop", "continue"]),
)
drills = st.builds(
    Drill,
    drill=names,
    target=st.none() | names,
    limit=durations,
    vars=st.dictionaries(names, scalars, max_size=3),
    probes=st.dictionaries(names, probes, max_size=2),
    hypothesis=hypotheses,
    steps=st.lists(
        steps | st.builds(Group, name=names, parallel=st.lists(steps, max_size=2).map(tuple)),
        max_size=3,
    ).map(tuple),
)


@QUICK
@given(drills)
def test_a_drill_survives_its_journal(drill: Drill) -> None:
    line = json.dumps(to_data(drill))
    assert from_data(Drill, json.loads(line)) == drill


WRITTEN = """\
drill: d
owner: o@example.com
description: "costs $${n}, ${run.id}"
vars: {n: 1, v: '1.10', t: yes, r: "${target.values.x}"}
slos: [{metadata: {name: api}, spec: {query: "$${a} ${target.values.x}", with: "$${b}"}}]
probes: {web: {http: "${target.urls.web}/", rate: 50/s, headers: {a: '1'}}}
hypothesis:
  before: {within: 1m, web: {bad: 2 of 200}}
  during: {web: {bad: 3, p95: 200ms}}
  after: {web: {bad: 0 of 9}}
guards: {abort: [{probe: web, longest_gap: 30s}]}
steps:
- {uses: chaostoolkit, with: {experiment: pod-delete, configuration: {count: "${n}"}}}
- parallel:
  - {uses: velero.restore, with: {source: "$${x}", tag: 1.10, wait: 5s}, hypothesis: {after: {web: {bad: 1 of 9}}}}
  - {uses: velero.restore, with: {source: "${steps.chaostoolkit.outputs.x}", nested: {on: no}}, limit: 3m}
"""  # noqa: E501


def test_what_is_shown_of_a_drill_reads_as_the_same_drill() -> None:
    with a_spec() as spec:
        drill = spec.drill(WRITTEN)
        again = spec.drill(yaml.safe_dump(as_written(drill)))
    assert again == drill
    assert (
        drill.description == "costs $${n}, ${run.id}"
    )  # still a template: the run is not known yet

"""Chaos Toolkit files as data, drills made of them, and values from the command line."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from drillkit.model.drill import Step
from drillkit.model.errors import SpecError
from drillkit.spec import Roots, open_drill, parse, parse_sets
from drillkit.spec.experiments import (
    activities,
    check_experiment,
    experiment_finder,
    read_experiment,
)
from drillkit.spec.files import FoundFile
from drillkit.spec.roots import Root
from tests.spec.conftest import HEAD, FakeKinds, Spec

FULL = """\
title: Pods die
description: d
configuration:
  namespace: shop
  count: 1
  token: {type: env, key: TOKEN}
  names: [a]
steady-state-hypothesis:
  title: s
  probes:
  - {type: probe, name: up, tolerance: 200, provider: {type: http, url: "http://h/", timeout: 2}}
method:
- type: action
  name: kill
  background: true
  provider: {type: python, module: no_such_package.pods, func: kill, arguments: {n: 1}}
- {ref: up}
rollbacks:
- {type: action, name: undo, provider: {type: process, path: no-such-program}}
"""


def found(path: Path, text: str | bytes) -> FoundFile:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return FoundFile(path, "path", "experiment", Root(path.parent, "path"))


def test_an_experiment_is_read_with_the_digest_of_its_bytes(tmp_path: Path) -> None:
    experiment = read_experiment(found(tmp_path / "e.yaml", FULL))
    assert (experiment.name, experiment.sha256) == ("e", hashlib.sha256(FULL.encode()).hexdigest())
    assert [(a.name, a.place, a.type, a.provider, a.what) for a in activities(experiment.data)] == [
        ("up", "hypothesis", "probe", "http", "http://h/"),
        ("kill", "method", "action", "python", "no_such_package.pods.kill"),
        ("undo", "rollback", "action", "process", "no-such-program"),
    ]
    kill = activities(experiment.data)[1]
    assert (kill.background, kill.arguments, kill.timeout_s) == (True, {"n": 1}, None)


def test_what_is_not_installed_here_is_only_noted(tmp_path: Path) -> None:
    checked = check_experiment(read_experiment(found(tmp_path / "e.yaml", FULL)))
    assert checked.mistakes == ()
    assert (
        "activity `kill`: there is no Python module `no_such_package`; install the package that "
        "has it" in checked.notes
    )
    assert "activity `undo`: there is no program 'no-such-program' here" in checked.notes


def test_yaml_is_read_as_chaos_toolkit_reads_it(tmp_path: Path) -> None:
    text = "title: no\nmethod: []\nwhen: 2026-11-01\nsize: 012\nexp: 1e3\n"
    data = read_experiment(found(tmp_path / "e.yaml", text)).data
    assert data == {"title": False, "method": [], "when": "2026-11-01", "size": 10, "exp": "1e3"}


def test_json_is_read_too(tmp_path: Path) -> None:
    data = {"title": "t", "description": "d", "method": [], "n": 1.5}
    assert (
        read_experiment(found(tmp_path / "e.json", "\t" + json.dumps(data, indent="\t"))).data
        == data
    )
    with pytest.raises(SpecError, match=r"e.json:1:2: not JSON"):
        read_experiment(found(tmp_path / "e.json", "{x}"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a",
        "x: 2026-13-45",
        "x: !!python/object:os.system {}",
        "x: !!binary aGk=",
        "x: .inf",
        "a: &a {b: *a}",
        "[" * 200,
        b"\xff",
    ],
)
def test_what_is_no_experiment_is_a_spec_error(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(SpecError):
        read_experiment(found(tmp_path / "e.yaml", text))


@pytest.mark.parametrize("text", ["", "[1]", "NaN", "[" * 100000, '{"a": Infinity}', b"\xff"])
def test_what_is_no_json_experiment_is_a_spec_error(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(SpecError):
        read_experiment(found(tmp_path / "e.json", text))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (
            "title: t",
            "e.yaml:1:1: expected a list of activities as `method` (it may be empty), "
            "found nothing",
        ),
        (
            "title: t\ndescription: d\nmethod: x",
            "e.yaml:3:9: method: expected a list of activities",
        ),
        (
            "title: t\ndescription: d\nmethod: [x]",
            "method[0]: expected an activity (a mapping), found 'x'",
        ),
        (
            "title: t\ndescription: d\nmethod: [{ref: x}]",
            "method[0].ref: no activity is called 'x'; there are none",
        ),
        ("title: t\ndescription: d\nmethod: [{type: probe}]", "`name` is missing"),
        ("title: t\ndescription: d\nmethod: [{type: probe, name: n}]", "`provider` is missing"),
        (
            "title: t\ndescription: d\nmethod: [{type: probe, name: n, provider: {type: grpc}}]",
            "one of python, process, http",
        ),
        (
            "title: t\ndescription: d\nmethod: []\nrollbacks: {}",
            "rollbacks: expected a list, found a mapping",
        ),
        (
            "title: t\ndescription: d\nmethod: []\nsteady-state-hypothesis: {}",
            "steady-state-hypothesis: `title` is missing",
        ),
        (
            "title: t\ndescription: d\nmethod: []\n"
            "steady-state-hypothesis: {title: t, probes: [{type: action}]}",
            "expected a probe: a hypothesis only looks",
        ),
    ],
)
def test_an_unsound_experiment_is_told(tmp_path: Path, text: str, what: str) -> None:
    checked = check_experiment(read_experiment(found(tmp_path / "e.yaml", text)))
    assert what in "\n".join(map(str, checked.mistakes))


def wrapped(spec: Spec, sets: list[str]) -> Step:
    (spec.folder / "experiments" / "Pods Die.yaml").write_text(FULL)
    values = parse_sets(sets)
    source = open_drill("Pods Die", spec.roots, values)
    parsed = parse(source, kinds=FakeKinds())
    drill = parsed.resolve(values)
    assert (drill.drill, drill.description) == ("pods-die", "Pods die")
    assert experiment_finder(parsed)(drill.steps[0].with_["experiment"]).name == "Pods Die"
    step = drill.steps[0]
    assert isinstance(step, Step)
    return step


def test_an_experiment_is_wrapped_with_its_configuration_as_variables(spec: Spec) -> None:
    assert wrapped(spec, []).with_ == {
        "experiment": "Pods Die",
        "configuration": {"namespace": "shop", "count": 1},
    }
    assert wrapped(spec, ["count=3"]).with_["configuration"] == {"namespace": "shop", "count": 3}


def test_configuration_that_chaos_toolkit_looks_up_stays_its_own_unless_set(spec: Spec) -> None:
    given = wrapped(spec, ["token=a${b}"]).with_["configuration"]
    assert given == {"namespace": "shop", "count": 1, "token": "a$${b}"}


def test_a_title_that_no_yaml_could_hold_is_wrapped_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "experiments" / "e.json"
    path.parent.mkdir()
    path.write_text(
        json.dumps({"title": "\x85\u2028${x} \U0001f600", "description": "d", "method": []})
    )
    roots = Roots((Root(tmp_path, "project"),))
    drill = parse(open_drill("e", roots), kinds=FakeKinds()).resolve()
    assert drill.description == "\x85\u2028${x} \U0001f600"


def test_sets_win_over_files_and_later_files_over_earlier_ones(tmp_path: Path, spec: Spec) -> None:
    one, two = tmp_path / "1.yaml", tmp_path / "2.yaml"
    one.write_text("a: 1\nb: 2\n")
    two.write_text("b: no\nc: 'x'\n")
    text = (
        "drill: d\nvars: {a: 0, b: 0, c: 0, d: 0}\n"
        "steps: [{uses: velero.restore, with: {source: s}}]"
    )
    sets = parse_sets(["a=5", "d='7'"], [one, two])
    assert spec.drill(text, sets).vars == {"a": 5, "b": "no", "c": "x", "d": "7"}
    assert spec.drill(text, parse_sets(["a=", "b=x=y", "c=1e3", "d=true"])).vars == {
        "a": "",
        "b": "x=y",
        "c": 1000.0,
        "d": True,
    }


@pytest.mark.parametrize(
    ("options", "file", "what"),
    [
        (["count"], "", "--set: expected key=value, found 'count'"),
        (["=1"], "", "--set: expected key=value, found '=1'"),
        ([], "- 1", "expected a mapping of variables, such as `count: 2`"),
        (
            [],
            "a: [1]",
            "v.yaml:1:4: a: expected a text, number or boolean, found a list or a mapping",
        ),
        ([], "a:", "a: expected a text, number or boolean, found nothing"),
        ([], "a: [", "not YAML"),
    ],
)
def test_bad_sets_are_told(tmp_path: Path, options: list[str], file: str, what: str) -> None:
    path = tmp_path / "v.yaml"
    path.write_text(file)
    with pytest.raises(SpecError) as caught:
        parse_sets(options, [path])
    assert what in str(caught.value)


def test_a_number_that_nobody_can_hold_is_told_where_a_number_is_wanted(spec: Spec) -> None:
    text = HEAD + "vars: {a: 1}\n"
    assert "--set a: expected a number up to" in spec.mistakes(text, parse_sets(["a=1e999"]))


@pytest.mark.parametrize("value", ["12e4567", "12e4", "007", "1.10", "true", "null", "0x10"])
def test_what_replaces_a_text_is_text_whatever_it_looks_like(spec: Spec, value: str) -> None:
    text = HEAD + "vars: {sha: main}\n"
    assert spec.drill(text, parse_sets([f"sha={value}"])).vars == {"sha": value}


def test_a_missing_var_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read: No such file"):
        parse_sets([], [tmp_path / "nope.yaml"])

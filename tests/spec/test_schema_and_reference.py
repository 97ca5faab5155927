"""The schema and the references are made of the same dataclasses that read a drill."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from drillkit.model.drill import Gate, GateSet, Step
from drillkit.model.errors import UsageError
from drillkit.spec.docs import field_docs
from drillkit.spec.init import first_drill, write_first
from drillkit.spec.reference import as_markdown, as_text, kind_reference, kind_references
from drillkit.spec.schema import drill_schema, project_schema, targets_schema
from drillkit.spec.targets import read_targets
from tests.spec.conftest import FakeKinds, Spec

KINDS = FakeKinds()


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = drill_schema(KINDS)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


DRILL = {"drill": "d", "steps": [{"uses": "velero.restore", "with": {"source": "s"}}]}


def test_the_schema_takes_a_sound_drill(validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(DRILL)
    validator.validate(yaml.safe_load(first_drill()))
    validator.validate(
        {
            **DRILL,
            "vars": {"a": 1},
            "limit": "${l}",
            "hypothesis": {"before": {"web": {"bad": "2 of 9"}}},
        }
    )


@pytest.mark.parametrize(
    "change",
    [
        {"limt": "3m"},
        {"limit": "3"},
        {"steps": [{"uses": "nope"}]},
        {"steps": [{"uses": "velero.restore"}]},
        {"steps": [{"uses": "velero.restore", "with": {"sorce": "s"}}]},
        {"steps": [{"uses": "velero.restore", "with": {"source": "s", "amount": 0}}]},
        {"steps": [{"uses": "chaostoolkit", "with": {"source": "s"}}]},
        {"probes": {"w": {"rate": 20}}},
        {"cadence": "hourly"},
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(
    validator: jsonschema.Draft202012Validator, spec: Spec, change: dict[str, object]
) -> None:
    drill = {**DRILL, **change}
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(drill)
    assert spec.mistakes(yaml.safe_dump(drill))


def test_every_field_of_the_schema_has_its_text(validator: jsonschema.Draft202012Validator) -> None:
    defs = validator.schema["$defs"]
    assert defs["Probe"]["properties"]["rate"]["description"].startswith("How often: `20/s`.")
    assert defs["Probe"]["properties"]["rate"]["default"] == "20/s"
    for name in (
        "Drill",
        "Probe",
        "Gate",
        "GateSet",
        "Bounds",
        "Step",
        "Group",
        "Guard",
        "StartWindow",
        "StepCheck",
    ):
        assert defs[name]["description"]
        assert [
            key for key, value in defs[name]["properties"].items() if not value.get("description")
        ] == []


def test_the_text_under_a_field_is_its_reference() -> None:
    assert field_docs(Gate)["bad"].startswith("At most so many bad of so many")
    assert set(field_docs(GateSet)) == {"slo", "within", "gates"}
    assert field_docs(Step)["with_"] == "Arguments of the kind."


def test_targets_and_project_have_schemas_too() -> None:
    for schema in (targets_schema(), project_schema()):
        jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(
        {"a": {"kubernetes": {"context": "c"}, "caps": {"pods": "50%"}}}, targets_schema()
    )
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"a": {"kubernets": {}}}, targets_schema())


def test_the_reference_of_a_kind_names_every_argument() -> None:
    restore = kind_reference("velero.restore", KINDS)
    rows = {a.key: a for a in restore.arguments}
    assert (rows["source"].required, rows["source"].doc) == (True, "What to restore.")
    assert (rows["wait"].default, rows["wait"].type) == (
        "5s",
        "a duration such as 90s, 10m or 1h30m",
    )
    assert rows["nested.on"].type == "one of `yes`, `no`"
    text = as_text(restore)
    assert "velero.restore (disturbs nobody)" in text
    assert "  source: text, required\n      What to restore." in text
    assert (
        "| `amount` | a number above zero or a percentage such as 50% | `1` | How many. |"
        in as_markdown([restore])
    )
    assert [kind.name for kind in kind_references(KINDS)] == KINDS.names()


def test_an_unknown_kind_is_suggested() -> None:
    with pytest.raises(
        UsageError,
        match=r"no kind of step is called `velero.restor`; did you mean `velero.restore`\?",
    ):
        kind_reference("velero.restor", KINDS)


def test_init_writes_a_project_that_is_sound(tmp_path: Path, spec: Spec) -> None:
    written = write_first(tmp_path / "new", "my-first")
    assert [path.name for path in written] == ["drillkit.yaml", "targets.yaml", "my-first.yaml"]
    drill = spec.drill(written[2].read_bytes())
    assert (drill.drill, drill.steps[0].name) == ("my-first", "kill")
    assert read_targets(written[1]) == {}


def test_init_never_overwrites(tmp_path: Path) -> None:
    write_first(tmp_path)
    (tmp_path / "drillkit.yaml").write_text("target: x\n")
    assert [path.name for path in write_first(tmp_path, "second")] == ["second.yaml"]
    assert (tmp_path / "drillkit.yaml").read_text() == "target: x\n"
    with pytest.raises(UsageError, match="exists already; choose another name"):
        write_first(tmp_path, "second")
    with pytest.raises(UsageError, match="expected a name of lower-case letters"):
        write_first(tmp_path, "../Evil")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        write_first(tmp_path / "file" / "below")


def test_the_commented_targets_of_init_are_sound_once_uncommented(tmp_path: Path) -> None:
    path = write_first(tmp_path)[1]
    lines = [
        line.removeprefix("# ")
        for line in path.read_text().splitlines()
        if line.startswith(("# staging", "#   "))
    ]
    path.write_text("\n".join(line for line in lines if not line.strip().startswith("#")))
    (target,) = read_targets(path).values()
    assert target.prometheus is not None
    assert target.prometheus.bearer == "env:PROMETHEUS_TOKEN"

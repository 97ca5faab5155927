"""What ships is sound: every drill with the real step kinds, every experiment, the schema over all
of them.
"""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from drillkit.spec import Roots, open_drill, parse
from drillkit.spec.experiments import check_experiment, read_experiment
from drillkit.spec.files import FoundFile, list_drills, list_experiments
from drillkit.spec.reference import kind_references
from drillkit.spec.roots import package_root
from drillkit.spec.schema import drill_schema, project_schema, targets_schema

ROOT = package_root()
assert ROOT is not None
ROOTS = Roots((ROOT,))


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(drill_schema())


@pytest.mark.parametrize("found", list_drills(ROOTS), ids=lambda found: found.name)
def test_every_shipped_drill_is_sound(
    found: FoundFile, validator: jsonschema.Draft202012Validator
) -> None:
    parsed = parse(open_drill(found.name, ROOTS))
    drill = parsed.resolve()
    assert drill.drill == found.name
    assert drill.owner
    assert drill.description
    validator.validate(yaml.safe_load(found.path.read_text()))


@pytest.mark.parametrize("found", list_experiments(ROOTS), ids=lambda found: found.name)
def test_every_shipped_experiment_is_sound_and_runs_by_its_own_name(
    found: FoundFile, tmp_path: Path
) -> None:
    checked = check_experiment(read_experiment(found))
    assert (checked.mistakes, checked.notes) == ((), ())
    lonely = tmp_path / "experiments" / f"only-{found.path.name}"
    lonely.parent.mkdir()
    lonely.write_bytes(found.path.read_bytes())
    drill = parse(open_drill(str(lonely), ROOTS)).resolve()
    assert set(drill.vars) == set(drill.steps[0].with_["configuration"])


def test_shipped_targets_and_project_fit_their_schemas() -> None:
    jsonschema.validate(yaml.safe_load(ROOT.targets.read_text()), targets_schema())
    jsonschema.validate(
        yaml.safe_load((ROOT.folder / "drillkit.yaml").read_text()), project_schema()
    )


def test_every_argument_of_every_kind_has_its_reference() -> None:
    kinds = kind_references()
    assert "chaostoolkit" in [kind.name for kind in kinds]
    for kind in kinds:
        assert kind.summary, kind.name
        assert [a.key for a in kind.arguments if not a.doc and "." not in a.key] == [], kind.name

"""The contract of a step kind: whoever adds one in `drillkit/steps/` adds nothing here.

Crashes: the kinds that act on a cluster are in the campaign of `tests/crash`; databases have their
own beside their clients. What a prospect does not touch is seen with real servers by the plans
of `test_shipped.py`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import random
import typing
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from drillkit.clients import Clients
from drillkit.clients.kube import Kube
from drillkit.clock import Deadline, Fence
from drillkit.journal.book import Planned
from drillkit.model.codec import from_data, to_data
from drillkit.model.drill import Group, Step
from drillkit.model.errors import DrillError
from drillkit.model.records import Entry, kind_of
from drillkit.model.requests import Answer
from drillkit.model.target import AwsTarget, Caps, KubernetesTarget, Target
from drillkit.spec import Roots, open_drill, parse
from drillkit.spec.arguments import bind_arguments
from drillkit.spec.experiments import experiment_finder
from drillkit.spec.files import list_drills
from drillkit.spec.reference import kind_reference
from drillkit.spec.roots import package_root
from drillkit.spec.scalars import LEAVES
from drillkit.spec.types import alternatives, is_list, is_mapping, is_record, item_of
from drillkit.steps.base import Act, Experiment, Kind, RunNames, kind_named, kind_names
from tests.crash.world import RUN, Cluster, Fate, Stage

ROOT = package_root()
assert ROOT is not None
ROOTS = Roots((ROOT,))
WITHOUT_DRILL: Mapping[str, str] = {
    "command": "what it runs is the user's: a shipped drill could only run `true`",
    "wait": "proves nothing by itself; stands between steps of the user's own drills",
    "velero.backup": "no shipped drill makes a backup yet",
}
"""Kinds that no shipped drill uses, and why. This list may only become shorter."""
KINDS = pytest.mark.parametrize("name", kind_names())
TARGET = Target(
    name="world",
    kubernetes=KubernetesTarget(),
    caps=Caps(pods="100%", nodes="100%"),
    urls={"web": "http://127.0.0.1:9"},
    # Nothing listens there: what a kind says of AWS when nobody answers is told, not raised raw.
    aws=AwsTarget(region="eu-central-1", account="123456789012", endpoint_url="http://127.0.0.1:9"),
)
NAMES = RunNames(RUN, "drill", datetime(2026, 1, 1, tzinfo=UTC))
WORDS = ("x", "90s", "2", "50%", "1 of 2", "5/s", "true", "2026-11-01", "2026-11-01T03:00:00Z")
"""One of these is a value of any scalar."""


def arguments(cls: type, nth: int) -> Any:
    """The kind's arguments: with its defaults (0), or everything set, each key to its
    nth alternative.
    """
    hints = typing.get_type_hints(cls)
    given = {
        f.name: sample(hints[f.name], nth)
        for f in dataclasses.fields(cls)
        if nth or (f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING)
    }
    return cls(**given)


def sample(want: Any, nth: int) -> Any:
    choices = alternatives(want)
    of = choices[nth % len(choices)]
    if of is Any:
        return {"any": "thing"}
    if get_origin(of) is Literal:
        return get_args(of)[nth % len(get_args(of))]
    if is_list(of):
        return (sample(item_of(of), nth),)
    if is_mapping(of):
        return {"key": sample(item_of(of), nth)}
    if is_record(of):
        return arguments(of, nth)
    leaf = LEAVES[of]
    for word in WORDS[1:] if of is not str else WORDS:
        try:
            return leaf.parse(word)
        except ValueError:
            continue
    raise AssertionError(f"no sample of {leaf.title}: add one to WORDS")


def shipped_steps() -> dict[str, list[tuple[str, Step]]]:
    """Every step of every shipped drill, by kind, with its drill."""
    found: dict[str, list[tuple[str, Step]]] = {}
    for drill in list_drills(ROOTS):
        for entry in parse(open_drill(drill.name, ROOTS)).resolve({}, TARGET, NAMES).steps:
            for step in entry.parallel if isinstance(entry, Group) else (entry,):
                found.setdefault(step.uses, []).append((drill.name, step))
    return found


@KINDS
def test_a_kind_says_what_it_is(name: str) -> None:
    kind = kind_named(name)
    assert isinstance(kind, Kind)
    assert kind.name == name
    assert kind.disturbs in ("users", "none")
    assert kind.needs <= {"kubernetes", "aws", "aurora", "velero"}
    assert dataclasses.is_dataclass(kind.Arguments)
    assert kind.Arguments.__dataclass_params__.frozen  # type: ignore[attr-defined]
    reference = kind_reference(name)
    assert len(reference.doc) > 40
    assert [argument.key for argument in reference.arguments if not argument.doc] == []


@KINDS
def test_its_arguments_are_the_same_after_a_way_through_plain_data_and_as_a_drill_writes_them(
    name: str,
) -> None:
    cls = kind_named(name).Arguments
    for nth in range(4):
        given = arguments(cls, nth)
        data = to_data(given)
        assert from_data(cls, data) == given
        assert bind_arguments(cls, data, "drill.yaml: step `it`", {}) == given


def test_every_kind_has_a_shipped_drill_or_a_reason() -> None:
    used = set(shipped_steps())
    assert set(kind_names()) - used - set(WITHOUT_DRILL) == set(), "ship a drill that uses it"
    assert used & set(WITHOUT_DRILL) == set(), "these have a drill now: take them off the list"
    assert set(WITHOUT_DRILL) <= set(kind_names()), "these are no kinds any more"


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else boto3 looks for some on the network."""
    for key, value in (
        ("AWS_ACCESS_KEY_ID", "AKIANOBODY"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ):
        monkeypatch.setenv(key, value)


class Closed:
    """A book that takes no plans."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def append(self, entry: Entry, *, durable: bool = True, step: str | None = None) -> int:
        self.lines.append(kind_of(entry))
        return 0

    def plan(self, effect: Any) -> Planned[Any]:
        raise AssertionError(f"planned {effect.resource} while only looking")


def acting(
    stage: Stage, book: Closed, folder: Path, step: Step | None = None, drill: str = ""
) -> Act:
    """What a prospect is handed: a closed fence, a book that takes nothing."""
    fence = Fence()
    fence.close("this only looks")
    clients = Clients(TARGET, stage.clock, fence)
    vars(clients)["kube"] = Kube(stage.kube._transport, stage.clock, fence, "the test")
    find = experiment_finder(parse(open_drill(drill, ROOTS))) if drill else _no_experiment
    act = Act(
        name="it",
        run=NAMES,
        target=TARGET,
        book=book,
        clients=clients,
        clock=stage.clock,
        fence=Fence(),
        deadline=Deadline.after(60, stage.clock),
        folder=folder,
        find_experiment=find,
        people=lambda about, step, text, deadline: Answer(True, "ann"),
    )
    return (
        act
        if step is None
        else dataclasses.replace(act, objectives=step.objectives, checks=step.checks)
    )


def _no_experiment(name: str) -> Experiment:
    raise DrillError(f"expected experiment {name}, found none")


def changing(stage: Stage) -> list[str]:
    asked = ("POST /apis/authorization.k8s.io/v1/selfsubject",)
    calls = [
        door.removeprefix("before ") for door in stage.fate.doors if door.startswith("before ")
    ]
    return [call for call in calls if not call.startswith(("GET ", "writing ", *asked))]


@KINDS
def test_its_prospect_touches_nothing_whatever_it_is_given(name: str, tmp_path: Path) -> None:
    kind = kind_named(name)
    for nth in range(3):
        stage, book = Stage.open(Cluster(), Fate(random.Random(0))), Closed()
        before = stage.cluster.inventory()
        with contextlib.suppress(
            DrillError
        ):  # a plan tells it as the reason why the drill must not start
            kind.prospect(arguments(kind.Arguments, nth), acting(stage, book, tmp_path))
        assert changing(stage) == []
        assert book.lines == []
        assert stage.cluster.inventory() == before
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("drill", "step"),
    [
        (drill, step)
        for drill, step in itertools.chain(*shipped_steps().values())
        if kind_named(step.uses).needs == {"kubernetes"}
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_the_prospect_of_a_shipped_step_names_what_it_would_do_and_touches_nothing(
    drill: str, step: Step, tmp_path: Path
) -> None:
    stage, book = Stage.open(Cluster(), Fate(random.Random(0))), Closed()
    before = stage.cluster.inventory()
    kind = kind_named(step.uses)
    given: Any = bind_arguments(kind.Arguments, step.with_, drill, {})
    found = kind.prospect(given, acting(stage, book, tmp_path, step, drill))
    assert found.problems == ()
    assert found.targets
    assert found.effects
    assert changing(stage) == []
    assert book.lines == []
    assert stage.cluster.inventory() == before

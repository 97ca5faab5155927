"""The controller of a fleet may die at any moment and any call may go wrong: whoever goes on brings
the fleet to the same end, and no drill runs twice.
"""

from __future__ import annotations

import random

import pytest

from drillkit.clients.kube.verified import KUBE_SYSTEM
from drillkit.fleet import jobs
from drillkit.fleet.outcome import TargetOutcome
from drillkit.fleet.store import FleetAbort, SubmittedJob
from drillkit.fleet.waves import Result
from tests.crash.fleet import FleetWorld, PlayedWorker, a_plan, controlled
from tests.crash.world import MISHAPS, Another, Blow, Dead, Fate


def begin(names: str = "ab", **more: str) -> FleetWorld:
    return FleetWorld.of(a_plan(names, **more))


def results_of(state: object) -> dict[str, str]:
    return {name: each.result for name, each in state.outcomes.items()}  # type: ignore[attr-defined]


def laws(world: FleetWorld) -> list[str]:
    world.look()
    twice = [run for run, uids in world.begun.items() if len(uids) > 1]
    several = len(world.jobs()) - len(
        {j["metadata"]["annotations"][jobs.TARGET] for j in world.jobs()}
    )
    return [
        *(f"{each} was there, and nothing in the bucket knew of it" for each in world.unwritten),
        *(f"{run} was begun by two Jobs" for run in twice),
        *([f"{several} targets have two Jobs"] if several else []),
    ]


def test_whoever_goes_on_behind_any_death_brings_it_to_the_same_end() -> None:
    fresh = begin()
    rehearsal, whole = Fate(random.Random(0)), fresh.fork()
    expected = results_of(controlled(whole, rehearsal))
    assert expected == {"a": "met", "b": "met"}
    assert rehearsal.n > 30
    for end_at in range(1, rehearsal.n + 1):
        world, fate = fresh.fork(), Fate(random.Random(end_at), end_at)
        with pytest.raises(Dead):
            controlled(world, fate)
        world.look()
        assert not world.unwritten, fate.where
        # Of the same chance: the first names of runs that come to its mind are taken.
        after = controlled(world, Fate(random.Random(end_at)))
        assert (results_of(after), laws(world)) == (expected, []), fate.where


@pytest.mark.parametrize("mishap", MISHAPS)
def test_whatever_becomes_of_a_call_each_drill_runs_once(mishap: str) -> None:
    fresh, rehearsal = begin(), Fate(random.Random(0))
    controlled(fresh.fork(), rehearsal)
    for change in range(1, rehearsal.changes + 1):
        world, fate = fresh.fork(), Fate(random.Random(change))
        fate.blow = Blow(change, mishap, deadly=False)
        after = controlled(world, fate)
        assert (results_of(after), laws(world)) == ({"a": "met", "b": "met"}, []), change


class Hasty(PlayedWorker):
    """Submits before it writes down."""

    def begin(self, target: str, run: str) -> tuple[SubmittedJob | None, TargetOutcome | None]:
        cluster = self._clients(target).verify_cluster()
        written = jobs.submission(self.plan, target, run, self.clock.now(), cluster)
        jobs.submit(self.clients(written).kube, self.plan, written)
        return self.store.submit(written), None


def test_a_controller_that_submits_before_it_writes_down_is_found_out() -> None:
    fresh, rehearsal = begin(), Fate(random.Random(0))
    controlled(fresh.fork(), rehearsal, make=Hasty)
    for end_at in range(1, rehearsal.n + 1):
        world = fresh.fork()
        with pytest.raises(Dead):
            controlled(world, Fate(random.Random(end_at), end_at), make=Hasty)
        if any("nothing in the bucket knew of it" in each for each in laws(world)):
            return
    pytest.fail("nobody noticed")


def test_a_job_whose_image_is_not_there_is_taken_back_and_its_target_is_not_run() -> None:
    world = begin(image="registry/unknown/drillkit")
    state = controlled(world, Fate(random.Random(0)))
    assert results_of(state) == {"a": "not run"}
    assert "ImagePullBackOff" in state.outcomes["a"].why
    assert state.decide().halted.startswith("wave 1 proved nothing (not run)")
    assert (world.jobs(), world.files()) == ([], []), "nothing of it is left"


@pytest.mark.parametrize(
    ("forbidden", "why"),
    [
        ("create jobs", "Forbidden"),
        ("create configmaps", "Forbidden"),
        ("get jobs", "nothing was heard of it"),
        ("get serviceaccounts", "Forbidden"),
    ],
)
def test_a_cluster_that_says_no_costs_its_target_and_leaves_nothing_that_waits(
    forbidden: str, why: str
) -> None:
    world, fate = begin("a"), Fate(random.Random(0), forbidden=forbidden)
    state = controlled(world, fate)
    found = results_of(state)
    assert found == ({"a": "met"} if forbidden == "get jobs" else {"a": "not run"})
    if found["a"] == "not run":
        assert why in state.outcomes["a"].why
        assert world.jobs() == []


def test_a_fleet_that_is_aborted_submits_no_job_that_it_had_only_written_down() -> None:
    world, fate = begin(), Fate(random.Random(0))
    worker = PlayedWorker(world, fate, {})
    worker.store.submit(jobs.submission(world.plan, "a", "20260101-000000-aaaa", 0.0, ""))
    worker.store.ask_abort(FleetAbort("me", "enough", 0.0))
    state = controlled(world, fate)
    assert results_of(state) == {"a": "not run"}
    assert state.decide().halted == "me aborted it: enough"
    assert (world.jobs(), world.begun) == ([], {})


@pytest.mark.parametrize("stopping", ["violated", "dirty"])
def test_what_stops_it_is_found_again_by_whoever_goes_on(stopping: Result) -> None:
    world, results = begin("abc"), {"a": stopping}
    first = controlled(world, Fate(random.Random(0)), results)
    again = controlled(world, Fate(random.Random(1)), results)
    for state in (first, again):
        assert results_of(state) == {"a": stopping}
        assert state.decide().halted == f"wave 1: a is {stopping}"
    assert len(world.jobs()) == 1


class Elsewhere(PlayedWorker):
    """The kubeconfig leads to another cluster by now, which is like the first one."""

    leads_to = Another


def test_whoever_goes_on_where_the_kubeconfig_leads_elsewhere_submits_and_deletes_nothing() -> None:
    fresh, seen = begin("a"), 0
    rehearsal = Fate(random.Random(0))
    controlled(fresh.fork(), rehearsal)
    for end_at in range(1, rehearsal.n + 1, 3):
        world = fresh.fork()
        with pytest.raises(Dead):
            controlled(world, Fate(random.Random(end_at), end_at))
        written = PlayedWorker(world, Fate(random.Random(0)), {}).store.submitted()
        if "a" not in written or not world.jobs():
            continue
        seen += 1
        other = FleetWorld(world.plan, fresh.cluster.fork(), dict(world.objects))
        before = other.cluster.inventory()
        worker = Elsewhere(other, Fate(random.Random(1)), {})
        stopped, why = worker.stop(written["a"])
        assert stopped is None
        assert f"its Job is in cluster {written['a'].cluster}" in why
        assert "this kubeconfig leads to cluster another-cluster" in why
        state = controlled(other, Fate(random.Random(1)), make=Elsewhere)
        if "a" in state.outcomes and state.outcomes["a"].result == "not run":
            assert "nothing was heard of it: its Job is in cluster" in state.outcomes["a"].why
        assert other.cluster.inventory() == before
        assert isinstance(worker.wire, Another)
        assert set(worker.wire.asked) == {f"GET {KUBE_SYSTEM}"}
    assert seen > 3

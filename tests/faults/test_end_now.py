"""The end of a fault whose time is over: what passes is tried again while users still suffer."""

from __future__ import annotations

import pytest

from drillkit.cleanup import open_undos
from drillkit.clients import Clients
from drillkit.clients.kube import Uncordon, uncordon_of
from drillkit.clients.kube.resources import NODES
from drillkit.clients.undo import UndoContext
from drillkit.faults.context import end_now
from drillkit.model.effects import Undone
from drillkit.model.errors import Unavailable
from drillkit.model.records import UndoEnded
from tests.faults.conftest import Scene


@pytest.mark.parametrize("stopped", [False, True])
def test_an_undo_that_fails_for_a_moment_is_tried_again_unless_the_run_is_stopped(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    kube, session = scene.stage.kube, scene.session
    plan = session.book.plan(uncordon_of(kube.get(NODES, "node-1"), run=session.run))
    kube.cordon(plan)
    apply, attempts = Uncordon.apply, 0

    def stumbling(undo: Uncordon, clients: Clients, context: UndoContext) -> Undone:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise Unavailable("503")
        return apply(undo, clients, context)

    monkeypatch.setattr(Uncordon, "apply", stumbling)
    if stopped:
        session.fence.close("somebody wants it")
        with pytest.raises(Unavailable):
            end_now(session, plan, 60.0)
        assert attempts == 1
        assert [u.record for u in open_undos(tuple(scene.records()))] == [plan.n]
        return
    assert end_now(session, plan, 60.0) == "/spec/unschedulable is unset again"
    (ended,) = [r.entry for r in scene.records() if isinstance(r.entry, UndoEnded)]
    assert (ended.of, ended.outcome, ended.attempts) == (plan.n, "undone", 3)

"""An experiment's rollbacks are an undo: planned first, played by us, each whatever becomes of
the others.
"""

from __future__ import annotations

import pytest

from drillkit.cleanup import open_undos
from drillkit.clients.chaostoolkit import undo as undo_module
from drillkit.clients.chaostoolkit.undo import Rollbacks
from drillkit.model.errors import StepFailed
from tests.chaostoolkit.conftest import Bench, hypothesis, python, shell


def rollbacks(*activities: object) -> Rollbacks:
    """An undo as it stands in a journal."""
    document = {
        "title": "t",
        "description": "d",
        "configuration": {},
        "method": [],
        "rollbacks": list(activities),
    }
    return Rollbacks("bench", "", "", document)


def test_rollbacks_are_played_after_a_method_that_failed(bench: Bench) -> None:
    flag = bench.folder / "mended"
    experiment = bench.experiment(
        method=[shell("break", "exit 1")], rollbacks=[shell("mend", f"touch {flag}")]
    )
    assert isinstance(bench.run(experiment), StepFailed)
    assert not flag.exists()
    cleaned = bench.clean()
    assert [s.undone.detail for s in cleaned.ended] == ["1 of 1 rollbacks succeeded"]
    assert flag.exists()
    assert [(a.name, a.outcome, a.place) for a in bench.activities("rollback")] == [
        ("mend", "succeeded", "rollback")
    ]


def test_there_is_nothing_to_roll_back_where_the_steady_state_kept_the_method_from_beginning(
    bench: Bench,
) -> None:
    flag = bench.folder / "mended"
    experiment = bench.experiment(
        **{
            "steady-state-hypothesis": hypothesis(shell("up", "exit 7", kind="probe", tolerance=0)),
            "method": [shell("move", "true")],
            "rollbacks": [shell("mend", f"touch {flag}")],
        }
    )
    assert bench.run(experiment) is not None
    assert open_undos(bench.records()) == ()
    assert bench.clean().open == ()
    assert not flag.exists()


def test_rollbacks_are_on_disk_before_the_first_activity_of_the_method(bench: Bench) -> None:
    seen = bench.folder / "seen"
    journal = bench.folder / "journal.jsonl"
    experiment = bench.experiment(
        method=[shell("look", f"grep -c chaostoolkit.rollbacks {journal} > {seen}; exit 3")],
        rollbacks=[shell("mend", "true")],
    )
    assert bench.run(experiment) is not None
    assert seen.read_text().strip() == "1"


def test_rollbacks_are_played_when_the_steady_state_was_missed_after(bench: Bench) -> None:
    flag, broken = bench.folder / "mended", bench.folder / "broken"
    probe = shell("up", f"test ! -e {broken}", kind="probe", tolerance=0)
    experiment = bench.experiment(
        **{
            "steady-state-hypothesis": hypothesis(probe),
            "method": [shell("break", f"touch {broken}")],
            "rollbacks": [shell("mend", f"touch {flag}")],
        }
    )
    assert bench.run(experiment) is not None
    assert bench.clean().open == ()
    assert flag.exists()


def test_one_rollback_that_fails_or_does_not_exist_keeps_no_other_from_running(
    bench: Bench,
) -> None:
    bench.module("def breaks(): raise RuntimeError('jammed')")
    undo = rollbacks(
        python("not there", "x", module="no.such.module"),
        python("breaking", "breaks", module="json"),
        shell("exiting", "exit 4"),
        shell("last", f"touch {bench.folder / 'mended'}"),
    )
    bench.journal.plan(undo)
    cleaned = bench.clean(limit_s=0.0)
    assert (bench.folder / "mended").exists()
    assert [(a.name, a.outcome) for a in bench.activities("rollback")] == [
        ("not there", "failed"),
        ("breaking", "failed"),
        ("exiting", "failed"),
        ("last", "succeeded"),
    ]
    (failed,) = cleaned.failed
    assert "3 of 4 rollbacks failed" in failed.why
    assert "exiting: the command ended with 4" in failed.why


@pytest.mark.realtime
def test_a_rollback_that_hangs_gets_its_share_and_the_next_one_runs(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undo_module, "SHARE_AT_LEAST_S", 2.0)
    undo = rollbacks(
        shell("hang", "exec sleep 60"), shell("last", f"touch {bench.folder / 'mended'}")
    )
    bench.journal.plan(undo)
    cleaned = bench.clean(limit_s=0.0)
    assert (bench.folder / "mended").exists()
    assert ("hang", "cut") in [(a.name, a.outcome) for a in bench.activities("rollback")]
    assert "hang: cut at its share" in cleaned.failed[0].why


def test_a_rollback_that_a_control_stops_is_not_taken_for_done(bench: Bench) -> None:
    bench.module("""
        from chaoslib.exceptions import InterruptExecution
        def before_activity_control(context, **kwargs):
            if context["name"] == "stopped": raise InterruptExecution("not today")
    """)
    document = {
        "title": "t",
        "description": "d",
        "method": [],
        "controls": [{"name": "stopper", "provider": {"type": "python", "module": "beside"}}],
        "rollbacks": [shell("stopped", "true"), shell("last", "true")],
    }
    bench.journal.plan(Rollbacks("bench", str(bench.folder / "bench.json"), "", document))
    cleaned = bench.clean(limit_s=0.0)
    assert [(a.name, a.outcome) for a in bench.activities("rollback")] == [
        ("stopped", "failed"),
        ("last", "succeeded"),
    ]
    assert "1 of 2 rollbacks failed" in cleaned.failed[0].why


def test_a_rollback_sees_the_configuration_that_the_method_saw(bench: Bench) -> None:
    bench.module("""
        import uuid
        def drawn(): return str(uuid.uuid4())
    """)
    method, back = bench.folder / "method", bench.folder / "back"
    experiment = bench.experiment(
        configuration={
            "victim": {
                "type": "probe",
                "name": "draw",
                "provider": python("d", "drawn")["provider"],
            }
        },
        method=[shell("destroy", f"echo ${{victim}} > {method}")],
        rollbacks=[{"ref": "destroy"}, shell("mend", f"echo ${{victim}} > {back}")],
    )
    assert bench.run(experiment) is None
    assert bench.clean().open == ()
    assert len(method.read_text()) > 30
    assert method.read_text() == back.read_text()


def test_drillkits_own_rollback_needs_no_worker(bench: Bench) -> None:
    own = python("undo what is left", "undo_all", module="drillkit.faults.undo")
    assert bench.run(bench.experiment(method=[shell("a", "true")], rollbacks=[own])) is None
    assert not [r for r in bench.records() if r.kind == "undo.planned"]

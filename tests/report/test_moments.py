"""What happened when: the same thing at the same time is one line, and what is routine is left
out first.
"""

from __future__ import annotations

from drillkit.judge import judge
from drillkit.model.evidence import Note
from drillkit.model.records import History
from drillkit.model.verdict import Verdict
from drillkit.report import render
from drillkit.report.pages import postmortem
from drillkit.report.report_model import tell
from drillkit.report.timeline import Moment, shortened
from tests.golden.stories import history_of
from tests.judge.histories import pod_delete


def short() -> tuple[History, Verdict]:
    history = pod_delete().history()
    return history, judge(history)


def lines(name: str) -> list[str]:
    history = history_of(name)
    return [moment.text for moment in tell(history, judge(history)).moments]


def test_the_order_is_that_of_the_events_and_not_of_the_lines() -> None:
    told = lines("met")
    expected = [
        "undo on disk, before the effect: lease/drillkit/drillkit",
        "steady state before: web holds (0 bad of 50)",
        "kill: started",
        "kill: delete pod: pod/shop/web-5d9c-x7k2p",
        "kill: disrupted",
        "web fails: 3 bad, an outage of 0.2 s to 0.4 s",
        "kill: recovered",
        "kill: ended, ok",
        "undone: lease/drillkit/drillkit",
        "run closed",
    ]
    assert [line for line in told if line in expected] == expected


def test_nine_pods_are_one_line() -> None:
    assert [line for line in lines("violated") if "delete pod:" in line] == [
        "kill: delete pod: pod/shop/orders-7f6b-0, pod/shop/orders-7f6b-1, pod/shop/orders-7f6b-2 "
        "and 6 more"
    ]


def test_a_long_outage_has_a_begin_and_an_end() -> None:
    history = pod_delete(bad=[(21, 35)]).history()
    told = [
        moment.text
        for moment in tell(history, judge(history)).moments
        if moment.text.startswith("web ")
    ]
    assert told == [
        "web begins to fail",
        "web fails for the last time: 280 bad, an outage of 13.9 s to 14.1 s",
    ]


def test_an_undo_that_failed_is_loud() -> None:
    assert "NOT undone: rds/drill-copy: 403: not allowed to delete" in lines("dirty")


def test_routine_is_left_out_first() -> None:
    routine = tuple(Moment(float(i), "", f"routine {i}") for i in range(50))
    telling = tuple(Moment(i + 0.5, "", f"telling {i}", tone="step") for i in range(10))
    shown, more = shortened(tuple(sorted((*routine, *telling), key=lambda m: m.at_s)), 12)
    assert more == 48
    assert [m.text for m in shown if m.tone == "step"] == [f"telling {i}" for i in range(10)]
    assert [m.text for m in shown if m.tone == "plain"] == ["routine 0", "routine 1"]
    assert list(shown) == sorted(shown, key=lambda m: m.at_s)


def test_a_timeline_that_is_cut_says_how_much_more_there_is() -> None:
    tape = pod_delete()
    for i in range(1_100):
        tape.see(20 + i / 1_000, Note("maria", f"look {i}", "observation"))
    history = tape.history()
    verdict = judge(history)
    story = tell(history, verdict)
    pages = {**render(history, verdict, "hash"), "postmortem": postmortem(story, verdict)}
    every = len(story.moments)
    assert every > 1_100
    for name, shown in (("report.md", 40), ("postmortem", 40), ("report.html", 80)):
        assert f" {every - shown:,} more in the journal." in pages[name], name
    assert "more in the journal" not in render(*short(), "hash")["report.html"]

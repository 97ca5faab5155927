"""What can be asked of a run is asked from the terminal as from the page, and means the same."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from drillkit.cli.phrases import request_of
from drillkit.model.records import ExpectationStated, HoldOpened, PhaseStarted, QuestionAsked
from drillkit.model.requests import REQUESTS, Decide, Request
from tests.browser import browser, program

from .conftest import Show, until
from .test_page import out_of_reach, violations

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(program() is None, reason="needs a browser (Debian's chromium)"),
]
HELPERS = """
window.put = (id, text) => { document.getElementById(id).value = text };
window.press = (css) => document.querySelector(css).click();
window.write = (sort, text) => {
  put("sort", sort);
  document.getElementById("sort").dispatchEvent(new Event("change"));
  put("text", text);
  press("#note button");
};
window.reply = (number, value, why) => {
  const field = document.getElementById(`why-${number}`);
  field.value = why;
  field.form.querySelector(`button[value=${value}]`).click();
};
window.expected = (nth, value, why) => {
  const form = document.querySelectorAll("#expectations form")[nth];
  form.querySelector("input").value = why;
  form.querySelector(`button[value=${value}]`).click();
}; 0
"""


def decided(word: str, why: str = "") -> str:
    return f"put('hold-reason', '{why}'); press('#decide button[value={word}]')"


def marked(moment: str, ago_s: int = 0) -> str:
    return f"put('ago', '{ago_s}'); press('#mark button[value={moment}]')"


SAID = [
    # what is typed, what is done on the page
    ("go", decided("go")),
    ("skip the rack is locked", decided("skip", "the rack is locked")),
    ("repeat", decided("repeat")),
    ("abort customers call", decided("abort", "customers call")),
    ("note it is slow", "write('note', 'it is slow')"),
    ("decision we wait", "write('decision', 'we wait')"),
    ("hypothesis the cache is cold", "write('hypothesis', 'the cache is cold')"),
    ("expect nobody calls", "write('expect', 'nobody calls')"),
    (
        "action raise the alarm @sre 2027-01-31",
        "put('owner', 'sre'); put('due', '2027-01-31'); write('action', 'raise the alarm')",
    ),
    ("mark detected 5m ago", marked("detected", 300)),
    ("mark acknowledged", marked("acknowledged")),
    ("mark mitigated 1m ago", marked("mitigated", 60)),
    ("mark resolved", marked("resolved")),
    ("done #{manual} scaled it up", "reply({manual}, 'done', 'scaled it up')"),
    ("fail #{manual} no access", "reply({manual}, 'failed', 'no access')"),
    ("done #{undo}", "reply({undo}, 'done', '')"),
    ("yes {first} all saw it", "expected(0, 'yes', 'all saw it')"),
    ("no {second}", "expected(1, 'no', '')"),
    ("join ann scribe", "put('joiner', 'ann'); put('role', 'scribe'); press('#join button')"),
    (
        "stop customers call",
        "press('#stop'); put('sure-why', 'customers call'); press('#sure button[value=stop]')",
    ),
]
DEBRIEFED = [
    (
        "debrief What went well? The alert",
        "document.querySelector('#debrief-questions textarea').value = 'The alert';"
        "press('#debrief-questions button')",
    ),
    (
        "debrief And the phones? Silent",
        "put('question', 'And the phones?'); write('debrief', 'Silent')",
    ),
    ("ready", "press('#ready button')"),
]


def test_all_that_the_page_can_ask_can_be_typed_and_the_reverse(tmp_path: Path) -> None:
    taken: list[Request] = []

    def take(request: Request) -> int:
        taken.append(request)
        return 1

    with closing(Show(tmp_path, take)) as show, browser(tmp_path / "browser") as page:
        append = show.journal.append
        append(PhaseStarted("steps"))
        numbers = {
            "first": append(ExpectationStated("the alert comes")),
            "second": append(ExpectationStated("nobody notices")),
            "manual": append(QuestionAsked("manual", "do it"), step="by-hand"),
            "undo": append(QuestionAsked("undo", "put it back"), step="by-hand"),
        }
        hold = append(HoldOpened(next=("does it",), after="before"), step="kill")
        page.visit(show.links["facilitator"])
        page.until("document.querySelectorAll('#expectations form').length === 2")
        page.ask("document.getElementById('me').value = 'maria'")
        page.ask(HELPERS)

        def check(typed: str, done: str) -> None:
            for name, number in numbers.items():
                typed, done = (text.replace(f"{{{name}}}", str(number)) for text in (typed, done))
            count = len(taken)
            page.ask(f"{{ {done}; 0 }}")
            until(lambda: len(taken) > count)
            assert taken[-1] == request_of(typed, "maria", hold), typed

        assert out_of_reach(page) == []
        for typed, done in SAID:
            check(typed, done)
        append(PhaseStarted("debrief"))
        page.until("!document.getElementById('debrief').hidden")
        assert out_of_reach(page) == []
        for typed, done in DEBRIEFED:
            check(typed, done)
        assert violations(page) == []
    assert {type(request) for request in taken} == set(REQUESTS.values())
    said: dict[str, set[Any]] = {}
    for request in taken:
        for name in ("decision", "moment", "about", "came", "done"):
            if hasattr(request, name):
                said.setdefault(name, set()).add(getattr(request, name))
    assert {name: len(values) for name, values in said.items()} == {
        "decision": 4,
        "moment": 4,
        "about": 3,
        "came": 2,
        "done": 2,
    }
    assert all(request.hold == hold for request in taken if isinstance(request, Decide))

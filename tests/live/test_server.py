"""Who gets what from the page's server, whatever they send."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from aiohttp import web

from drillkit.judge import judge
from drillkit.live import entrance
from drillkit.live.access import Access
from drillkit.live.entrance import Entrance
from drillkit.live.feed import Feed
from drillkit.live.launch import PageProcess, parse_address
from drillkit.model.errors import UsageError
from drillkit.model.evidence import Note
from drillkit.model.records import (
    Entry,
    ListedStep,
    ParticipantJoined,
    PhaseStarted,
    Record,
    RunClosed,
    RunOpened,
    StepEnded,
    StepStarted,
    encode,
)
from drillkit.report.pages import markdown
from drillkit.report.report_model import tell

from .conftest import DRILL, SURPRISE, Show, Visitor, until


def is_state(events: list[dict[str, Any]]) -> bool:
    return any(event["event"] == "state" for event in events)


def test_a_link_that_somebody_pastes_lets_nobody_in(show: Show) -> None:
    for right, link in show.links.items():
        message = {"ask": "note", "by": "maria", "text": f"come in: {link} ({show.tokens[right]})"}
        assert show.ask("facilitator", message).status == 200
    for token in show.tokens.values():
        assert token not in show.text()
    assert show.text().count("[secret]") == 4


def test_every_request_that_is_not_the_pages_own_is_refused_and_changes_nothing(show: Show) -> None:
    fine = {"ask": "note", "by": "maria", "text": "hello"}
    cookie = show.cookies["facilitator"]
    before = show.text()
    port = show.host.partition(":")[2]
    refused: list[tuple[int, str, str, Any, dict[str, str]]] = [
        (401, "GET", "/events", None, {}),
        (401, "GET", "/events", None, {"Cookie": "drillkit=facilitator.0"}),
        (401, "POST", "/ask", fine, show.own()),
        (401, "POST", "/enter", {"token": "wrong"}, show.own()),
        (401, "POST", "/enter", {"token": 7}, show.own()),
        (401, "POST", "/enter", {}, show.own()),
        (403, "POST", "/ask", fine, show.own(Cookie=show.cookies["observer"])),
        (403, "POST", "/ask", fine, show.own(Cookie=cookie, Origin="http://evil.example")),
        (403, "POST", "/ask", fine, show.own(Cookie=cookie, Origin="null")),
        (
            403,
            "POST",
            "/ask",
            fine,
            show.own(Cookie=cookie, Origin=f"https://{show.host}"),
        ),
        (403, "POST", "/ask", fine, show.own(Cookie=cookie, Sec_Fetch_Site="cross-site")),
        (403, "POST", "/ask", fine, {"Cookie": cookie, "Content-Type": "application/json"}),
        (403, "POST", "/enter", {"token": show.tokens["facilitator"]}, {"Origin": "http://a.b"}),
        (
            415,
            "POST",
            "/ask",
            fine,
            show.own(Cookie=cookie, Content_Type="text/plain"),
        ),
        (400, "POST", "/ask", b"[1]", show.own(Cookie=cookie)),
        (400, "POST", "/ask", b"{", show.own(Cookie=cookie)),
        (400, "POST", "/ask", b"[" * 30_000, show.own(Cookie=cookie)),
        (400, "POST", "/ask", b"\xff\xfe", show.own(Cookie=cookie)),
        (413, "POST", "/ask", b'"' + b"x" * 100_000, show.own(Cookie=cookie)),
        (409, "POST", "/ask", {"ask": "rm"}, show.own(Cookie=cookie)),
        (409, "POST", "/ask", {**fine, "by": "a\nb"}, show.own(Cookie=cookie)),
        (409, "POST", "/ask", {**fine, "more": 1}, show.own(Cookie=cookie)),
        (405, "GET", "/ask", None, show.own(Cookie=cookie)),
        (405, "POST", "/", fine, show.own(Cookie=cookie)),
        (404, "GET", "/../journal.jsonl", None, {"Cookie": cookie}),
        (404, "GET", "/%2e%2e/%2e%2e/etc/passwd", None, {"Cookie": cookie}),
        (404, "GET", "/page/page.js", None, {"Cookie": cookie}),
        (405, "HEAD", "/events", None, {"Cookie": cookie}),
        (405, "OPTIONS", "/ask", None, show.own(Cookie=cookie)),
        (405, "PUT", "/ask", fine, show.own(Cookie=cookie)),
        (405, "DELETE", "/events", None, show.own(Cookie=cookie)),
        (405, "TRACE", "/", None, show.own(Cookie=cookie)),
        (404, "PUT", "/journal.jsonl", fine, show.own(Cookie=cookie)),
        (421, "GET", "/", None, {"Host": f"drills.evil.example:{port}"}),
        (421, "GET", "/events", None, {"Cookie": cookie, "Host": "127.0.0.1:1"}),
        (421, "POST", "/ask", fine, show.own(Cookie=cookie, Host=f"evil.example:{port}")),
    ]
    for status, method, path, body, headers in refused:
        answer = show.send(method, path, body, headers)
        assert answer.status == status, (method, path, body, headers, answer)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert show.text() == before
    assert show.ask("facilitator", fine).status == 200
    assert "hello" in show.text()


def test_a_request_that_two_readers_could_take_for_two_is_none(show: Show) -> None:
    note = b'{"ask":"note","by":"eve","text":"smuggled"}'
    start = f"POST /ask HTTP/1.1\r\nCookie: {show.cookies['facilitator']}\r\n"
    start += f"Origin: http://{show.host}\r\nContent-Type: application/json\r\n"
    own, length = f"Host: {show.host}\r\n", f"Content-Length: {len(note)}\r\n"
    doubtful = [
        own + length + "Transfer-Encoding: chunked\r\n",
        own + length + "Content-Length: 3\r\n",
        own + "Content-Length: +44\r\n",
        own + "Transfer-Encoding: chunked, identity\r\n",
        own + "Host: evil.example\r\n" + length,
        "Host: evil.example\r\n" + own + length,
        own + f"Origin: http://evil.example\r\n{length}",
        own + f"X: a\r\n b: c\r\n{length}",
        own + f"X : a\r\n{length}",
        own + f"X: a\x00b\r\n{length}",
        length,
    ]
    host, _, port = show.host.partition(":")
    for headers in doubtful:
        with socket.create_connection((host, int(port)), timeout=10) as link:
            link.sendall(f"{start}{headers}Connection: close\r\n\r\n".encode() + note)
            status = link.makefile("rb").readline().split()[1:2]
        assert status in ([b"400"], [b"403"], [b"421"]), (headers, status)
    assert "smuggled" not in show.text()


def test_a_cookie_of_one_run_opens_no_other(show: Show, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with closing(Show(tmp_path / "other")) as other:
        name = other.cookies["facilitator"].partition("=")[0]
        for right, cookie in show.cookies.items():
            foreign = f"{name}={cookie.partition('=')[2]}"
            for given in (cookie, foreign, f"{cookie}; {foreign}"):
                assert other.send("GET", "/events", None, {"Cookie": given}).status == 401, right
        raised = other.cookies["observer"].replace("observer.", "facilitator.")
        assert other.send("GET", "/events", None, {"Cookie": raised}).status == 401
        answer = other.send("POST", "/enter", {"token": show.tokens["observer"]}, other.own())
        assert answer.status == 401


def test_an_observer_is_told_of_no_surprise_whatever_was_seen_before(show: Show) -> None:
    show.hold(SURPRISE)

    def holds(events: list[dict[str, Any]]) -> bool:
        return any(e["event"] == "state" and e["data"]["hold"] for e in events)

    number = show.events("facilitator", holds)[-1]["n"]
    for after in ("0", "1", str(number - 1), str(number), "-1", "9" * 15, "9" * 40, "x", "1e3"):
        headers = {"Last-Event-ID": after}
        assert SURPRISE.name not in str(show.events("observer", holds, headers=headers)), after


def test_the_page_is_served_on_the_loopback_of_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("needs IPv6")
    with closing(PageProcess("[::1]:0")) as page:
        visitor = Visitor()
        visitor.host = page.link("observer").split("/")[2]
        token = page.link("observer").partition("#")[2]
        assert visitor.host.startswith("[::1]:")
        assert visitor.enter(token).startswith("drillkit-")
        named = {"Host": f"[::2]:{visitor.host.rpartition(':')[2]}"}
        assert visitor.send("GET", "/", None, named).status == 421


def test_tokens_stand_in_no_answer_and_no_file(show: Show) -> None:
    show.ask("facilitator", {"ask": "note", "by": "maria", "text": "hello"})
    events = show.events("facilitator", is_state)
    parts = [show.send("GET", path).body for path in ("/", "/page.js", "/page.css")]
    for token in show.tokens.values():
        assert token not in show.text()
        assert token not in str(events)
        assert all(token.encode() not in part for part in parts)
    argv = Path(f"/proc/{show.page._process.pid}/cmdline")
    if argv.exists():
        assert all(token.encode() not in argv.read_bytes() for token in show.tokens.values())


def test_a_browser_that_comes_back_is_sent_what_it_missed_and_nothing_twice(show: Show) -> None:
    def lines(events: list[dict[str, Any]]) -> list[str]:
        return [e["data"]["text"] for e in events if e["event"] == "line"]

    for number in range(5):
        show.journal.append(Note("maria", f"note {number}", "observation"))
    seen = show.events("observer", lambda events: len(lines(events)) >= 6)
    assert lines(seen) == ["run r1 on target ", *(f"maria: note {n}" for n in range(5))]
    show.journal.append(Note("maria", "note 5", "observation"))
    missed = show.events("observer", lambda events: bool(lines(events)), after=seen[-1]["n"])
    assert lines(missed) == ["maria: note 5"]


def test_observers_are_not_told_of_a_surprise_until_it_begins(show: Show) -> None:
    held = show.hold(SURPRISE)

    def holds(events: list[dict[str, Any]]) -> bool:
        return any(e["event"] == "state" and e["data"]["hold"] for e in events)

    assert "does black-friday" in str(show.events("facilitator", holds))
    told = show.events("observer", holds)
    assert "black-friday" not in str(told)
    [hold] = [e["data"]["hold"] for e in told if e["event"] == "state" and e["data"]["hold"]]
    assert hold["secret"]
    assert not hold["next"]
    number = hold["n"]
    assert show.ask("facilitator", {"ask": "decide", "by": "m", "decision": "go"}).status == 200
    held.join(10)
    show.journal.append(StepStarted("chaostoolkit"), step=SURPRISE.name)
    told = show.events("observer", lambda events: "running" in str(events), after=number)
    assert "step black-friday started" in str(told)


@pytest.mark.parametrize(
    ("why", "said", "state"),
    [
        ("not reached: jan asked for it", "not reached: jan asked for it", "not reached"),
        ("a freeze has begun", "not reached: a freeze has begun", "not reached"),
        ("skipped by maria: too late", "skipped by maria: too late", "skipped"),
    ],
)
def test_a_surprise_that_never_began_is_named_to_observers_when_the_run_is_over_as_in_its_report(
    why: str, said: str, state: str
) -> None:
    feed, name = Feed(), SURPRISE.name
    listed = (ListedStep("kill", "chaostoolkit"), ListedStep(name, "chaostoolkit"))
    entries: list[tuple[str, Entry]] = [
        ("", RunOpened(run="r1", drill=DRILL, steps=listed)),
        ("kill", StepEnded("skipped", why)),
        (name, StepEnded("skipped", why)),
        ("", ParticipantJoined("ann", "observer")),
        ("", PhaseStarted("debrief")),
        ("", RunClosed()),
    ]
    history = []
    for n, (step, entry) in enumerate(entries, 1):
        kind, data = encode(entry)
        history.append(Record(n, float(n), float(n), "runner", kind, step, data))
    feed.take(history[:-1])
    told, all_ = (feed.reader(sight, 0).more().decode() for sight in ("observed", "everything"))
    assert f"step kill {said}" in told
    assert name not in told
    assert f"step {name} {said}" in all_
    assert [step["state"] for step in feed.view.snapshot(everything=True)["steps"]] == [state] * 2
    feed.take(history[-1:])
    missed = f"a surprise was planned and did not come: {name}"
    for after in (0, len(history) - 1):  # whoever comes late is told, too
        told = feed.reader("observed", after).more().decode()
        assert missed in told
        assert f'"name":"{name}"' in told
        assert f"step {name}" not in told
    story = tell(tuple(history), verdict := judge(tuple(history)))
    assert missed[1:] in markdown(story, verdict, "", "")


def test_the_page_comes_back_when_its_process_is_killed_and_lets_the_same_browsers_in(
    show: Show,
) -> None:
    first = show.page._process.pid
    os.kill(first, signal.SIGKILL)
    until(lambda: show.page._process.pid != first and show.page._process.poll() is None)

    def answers() -> bool:
        try:
            return show.send("GET", "/").status == 200
        except OSError:
            return False

    until(answers)
    assert show.ask("facilitator", {"ask": "note", "by": "m", "text": "still here"}).status == 200
    events = show.events("observer", lambda found: "still here" in str(found))
    assert "run r1" in str(events)


def test_what_came_of_a_run_is_the_last_thing_that_is_shown(show: Show) -> None:
    show.journal.append(StepStarted("chaostoolkit"), step="kill")
    show.journal.append(StepEnded("ok"), step="kill")
    show.journal.append(RunClosed())
    show.page.say(outcome="met: nobody noticed")
    events = show.events("observer", lambda found: "nobody noticed" in str(found))
    [last] = [e["data"] for e in events if e["event"] == "state"][-1:]
    assert last["steps"][0]["state"] == "ok"
    assert last["outcome"] == "met: nobody noticed"


def test_ten_thousand_notes_and_markup_cost_a_late_browser_no_more_than_their_lines() -> None:
    text = "<img src=x onerror=alert(1)>\r\n\r\nevent: state\ndata: {}"
    kind, note = encode(Note("maria", text, "observation"))
    feed = Feed()
    feed.take(Record(n, 0.0, 0.0, "runner", kind, "", note) for n in range(1, 10_001))
    events = [e for e in feed.reader("observed", 0).more().split(b"\n\n") if e]
    kinds = [event.split(b"\n")[1] for event in events]
    assert kinds == [b"event: line"] * 10_000 + [b"event: state"]
    assert all(event.count(b"\n") == 2 for event in events)
    assert len(events[-1]) < 2_000
    assert feed.reader("observed", 10_000).more() == events[-1] + b"\n\n"


def test_whoever_connects_and_says_nothing_takes_the_page_from_nobody(show: Show) -> None:
    host, port = show.host.split(":")
    silent = [socket.create_connection((host, int(port))) for _ in range(50)]
    try:
        for each in silent:
            each.sendall(b"POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: 30000\r\n\r\n{")
        assert show.ask("facilitator", {"ask": "note", "by": "m", "text": "t"}).status == 200
    finally:
        for each in silent:
            each.close()


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Drip:
        host, content_type = "127.0.0.1:80", "application/json"
        headers: ClassVar = {"Origin": "http://127.0.0.1:80", "Sec-Fetch-Site": "same-origin"}

        async def text(self) -> str:
            await asyncio.Event().wait()
            raise AssertionError("it never comes")

    monkeypatch.setattr(entrance, "BODY_S", 0.01)
    door = Entrance(lambda port: Access.of({}, "127.0.0.1", port, tls=False), {})
    door.listens(80)
    with pytest.raises(web.HTTPRequestTimeout):
        asyncio.run(door.message(cast(web.Request, Drip())))


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.7:8080", "host.example"])
def test_a_page_that_others_reach_needs_tls(address: str) -> None:
    with pytest.raises(UsageError, match="--serve-cert"):
        PageProcess(address)


def test_an_address_that_is_taken_is_told_at_once(show: Show) -> None:
    with pytest.raises(UsageError, match="address already in use"):
        PageProcess(show.host)


def test_addresses_are_read_as_people_write_them() -> None:
    assert parse_address("8080") == ("127.0.0.1", 8080)
    assert parse_address("localhost") == ("localhost", 0)
    assert parse_address("[::1]:80") == ("::1", 80)
    assert parse_address("[::1]") == ("::1", 0)
    with pytest.raises(UsageError, match="expected an address"):
        parse_address("host:http")

"""What a person sees while a drill runs, on a real (pseudo) terminal, through a pipe, and
as JSON.
"""

from __future__ import annotations

import io
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drillkit.cli.progress import JsonLines, PlainLines
from drillkit.live.rates import Rates
from drillkit.live.sentences import Sentences
from drillkit.model.records import Record
from tests.cli.terminal import Terminal
from tests.conftest import ROOT, CommandLine
from tests.golden.stories import history_of
from tests.judge.histories import Tape

PLAYED = """
import sys, time
from drillkit.cli.progress import LiveScreen
from tests.cli.test_terminal import records, short_drill
screen = LiveScreen(short_drill())
for record in records():
    screen(record)
    time.sleep(float(sys.argv[1]))
time.sleep(0.4)
screen.close()
screen(records()[3])
print("over", file=sys.stderr)
"""


def short_drill() -> Any:
    from tests.judge.histories import drill

    return drill(drill="pod-delete-with-a-rather-long-name", limit="90s")


def records() -> list[Record]:
    """A short run with two probes, an abort and an undo that fails."""
    tape = Tape(short_drill()).phase("before", 1, 2).phase("steps", 2)
    tape.add(2.1, "step.started", on="kill", uses="chaostoolkit", disturbs="users", group="")
    tape.probe("web", 2, 6, bad=[(4.0, 4.3)]).probe(
        "orders-through-the-front-page-of-the-shop", 2, 6, control=True
    )
    tape.add(
        6.5,
        "effect.irreversible",
        on="kill",
        effect="kube.delete-pod",
        resource="pod/shop/web-1",
        args={},
    )
    tape.add(7, "abort", by="operator", why="SIGINT from the operator").undo(6.6, "node/n1")
    tape.add(8, "undo.failed", of="node/n1", why="a " + "very " * 30 + "long reason", attempts=2)
    return list(tape.history())


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*arguments: str, width: int = 100, env: dict[str, str] | None = None) -> Terminal:
        usual = {
            k: v for k, v in CommandLine(tmp_path).environment().items() if not k.endswith("_COLOR")
        }
        environment = {**usual, "PYTHONPATH": str(ROOT), **(env or {})}
        opened.append(Terminal([sys.executable, *arguments], tmp_path, environment, width=width))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


@pytest.mark.realtime
def test_the_live_view_shows_step_time_and_rates_and_leaves_only_lines(
    terminal: Callable[..., Terminal],
) -> None:
    screen = terminal("-c", PLAYED, "0.15")
    lines = screen.shows("kill (")
    live = "\n".join(lines)
    assert "pod-delete-with-a-rather-long-name · kill (" in live
    assert re.search(r"\d+ s of 90 s · Ctrl-C stops it", live) or re.search(
        r"of 1 min 30 s · Ctrl-C", live
    )
    lines = screen.until(lambda seen: any("6 bad of" in line for line in seen))
    row = next(line for line in lines if line.strip().startswith("web") and "bad of" in line)
    assert re.search(r"web +9\d\.\d\d % good +p95 5\.1 ms +6 bad of \d+ so far", row)
    assert any("(control)" in line or "orders-through" in line for line in lines)
    screen.shows("Ctrl-C again leaves")
    assert screen.end() == 0
    left = [line for line in screen.cells.lines if line]
    assert screen.cells.unknown == set()
    assert [line for line in left if "so far" in line or "━" in line or "⠋" in line] == []
    assert [re.sub(r"^\d\d:\d\d:\d\d  ", "", line) for line in left][:4] == [
        "run 20270115-080000-x7k2 on target sandbox",
        "steady state before",
        "step kill started (chaostoolkit)",
        "kill: delete pod pod/shop/web-1",
    ]
    assert left[-1] == "over"


def test_a_narrow_terminal_is_not_garbled(terminal: Callable[..., Terminal]) -> None:
    screen = terminal("-c", PLAYED, "0.12", width=60)
    lines = screen.until(lambda seen: any("bad of" in line for line in seen))
    assert all(len(line) <= 60 for line in lines)
    row = next(line for line in lines if line.strip().startswith("web"))
    assert "% good" in row
    assert "p95" in row
    assert screen.end() == 0
    text = "\n".join(screen.cells.lines)
    assert text.count("step kill started (chaostoolkit)") == 1
    assert "so far" not in text
    assert "━" not in text
    joined = "".join(screen.cells.lines)
    assert "node/n1: NOT undone: a very very" in joined
    assert joined.rstrip().endswith("over")


def test_nothing_is_shown_after_the_end(terminal: Callable[..., Terminal]) -> None:
    screen = terminal("-c", PLAYED, "0")
    assert screen.end() == 0
    assert "\n".join(screen.cells.lines).count("steady state before") == 1


@pytest.mark.parametrize("colored", [True, False])
def test_no_color_is_obeyed(terminal: Callable[..., Terminal], colored: bool) -> None:
    screen = terminal("-c", PLAYED, "0", env={} if colored else {"NO_COLOR": "1"})
    assert screen.end() == 0
    # 30 to 49 and 90 to 107 are colours; bold and dim are none.
    colors = re.findall(r"\x1b\[(?:[\d;]*;)?(?:3\d|4\d|9\d|10[0-7])(?:;[\d;]*)?m", screen.raw)
    assert bool(colors) is colored


class Gone(io.StringIO):
    """A pipe that nobody reads any more."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_reader_that_goes_away_stops_nothing() -> None:
    for show in (PlainLines(Gone()), JsonLines(Gone())):
        for record in records():
            show(record)
        show.close()


def test_plain_lines_tell_the_rates_every_five_seconds() -> None:
    out = io.StringIO()
    show = PlainLines(out)
    for record in records():
        show(record)
    show.close()
    show(records()[0])
    lines = [re.sub(r"^\d\d:\d\d:\d\d  ", "", line) for line in out.getvalue().splitlines()]
    assert lines[:3] == [
        "run 20270115-080000-x7k2 on target sandbox",
        "steady state before",
        "step kill started (chaostoolkit)",
    ]
    assert "web: 100.00 % good, p95 5.1 ms, 0 bad of 20 so far" in lines
    assert sum("so far" in line for line in lines) == 1
    assert any(
        line.startswith("aborting (operator): SIGINT") and "Ctrl-C again" in line for line in lines
    )
    assert sum(line.startswith("run 2027") for line in lines) == 1


def test_json_lines_are_records_and_nothing_else() -> None:
    out = io.StringIO()
    show = JsonLines(out)
    for record in records():
        show(record)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["n"] for line in lines] == [record.n for record in records()]
    assert set(lines[0]) == {"n", "at", "kind", "step", "data"}


def test_one_lost_request_never_rounds_to_all_good() -> None:
    rates = Rates()
    tape = Tape(None).probe("web", 0, 5, rate=40_000, bad=[(1.0, 1.00002)])
    for record in tape.history():
        assert rates.take(record)
    (rate,) = rates.rows()
    assert (rate.good, rate.count) == ("99.99 % good", "1 bad of 200,000 so far")


@pytest.mark.parametrize("story", ["newer", "evil", "dirty", "recovered"])
def test_no_record_is_too_strange(story: str) -> None:
    from dataclasses import replace

    sentences, rates = Sentences(), Rates()
    for record in history_of(story):
        for odd in (
            record,
            replace(record, data={}),
            replace(record, data=dict.fromkeys(record.data)),
        ):
            rates.take(odd)
            assert "\x1b" not in sentences.of(odd)
    escape = Record(1, 0.0, 0.0, "runner", "progress", "", {"text": "\x1b[2J gone"})
    assert sentences.of(escape) == "\N{REPLACEMENT CHARACTER}[2J gone"


def test_json_mode_ends_with_the_verdict_and_writes_nothing_else_to_stdout(
    drillkit: CommandLine,
) -> None:
    (drillkit.folder / "rest.yaml").write_text(
        "drill: rest\nowner: me@example.com\nlimit: 1m\n"
        "steps: [{name: rest, uses: wait, with: {for: 100ms}}]\n"
    )
    (drillkit.folder / "targets.yaml").write_text("bare: {urls: {}}\n")
    ran = drillkit("run", "./rest.yaml", "-t", "sandbox", "--json", "--yes")
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert lines[-1]["kind"] == "verdict"
    assert lines[-1]["data"]["exit_code"] == ran.code == 3
    assert lines[-1]["data"]["headline"].startswith(
        "unknown: nothing declared that could be proven"
    )
    assert [Path(path).name for path in lines[-1]["reports"]] == [
        "verdict.json",
        "report.md",
        "report.html",
        "junit.xml",
    ]
    assert lines[0]["kind"] == "run.opened"
    assert lines[-2]["kind"] == "run.closed"


@pytest.mark.slow
def test_ctrl_c_says_what_happens_now_and_the_summary_what_to_do_next(
    terminal: Callable[..., Terminal],
) -> None:
    screen = terminal("-m", "drillkit", "run", "network-latency", "--target", "sandbox", width=90)
    screen.until(
        lambda lines: (
            any("delay (" in line for line in lines) and any("% good" in line for line in lines)
        )
    )
    screen.shows("150ms latency on")
    time.sleep(0.5)
    screen.press("\x03")
    screen.shows("aborting (operator)")
    code = screen.end()
    text = "\n".join(screen.cells.lines)
    assert code == 3, text
    wrapped = re.sub(r"\s", "", text)
    assert "Ctrl-Cagainleaveswhatisslowtoremove" in wrapped
    assert "unknown:abortedbyoperator:SIGINTfromtheoperator" in wrapped
    assert "next: see under" in text
    assert "exit 3: unknown: not proven" in text
    assert "so far" not in text
    assert screen.cells.unknown == set()

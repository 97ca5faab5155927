"""Many runs: read once, remembered, never told wrongly."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from drillkit.archive import cache
from drillkit.archive.compare import compare
from drillkit.archive.coverage import coverage
from drillkit.archive.scan import Archive, scan
from drillkit.archive.trend import OUTAGES, change_in, pettitt, series_of, sparkline
from drillkit.model.verdict import Holds
from drillkit.report.index_page import DueRow, index
from drillkit.report.summary_page import summary as quarter_page
from tests.archive.conftest import DAY_S, summary
from tests.conftest import CommandLine


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRILLKIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_every_stored_run_is_summarized_and_remembered(reports: Path) -> None:
    judged: list[int] = []
    first = scan(reports, judged.append)
    assert len(first.runs) >= 10
    assert judged
    judged.clear()
    assert scan(reports, judged.append) == first
    assert judged == []


def test_a_journal_that_has_changed_is_judged_again_and_one_that_is_gone_forgotten(
    reports: Path,
) -> None:
    before = scan(reports)
    journal = next(reports.glob("*/met/journal.jsonl"))
    os.utime(journal, (1, 1))
    judged: list[int] = []
    assert scan(reports, judged.append) == before
    assert judged == [1]
    journal.unlink()
    assert len(scan(reports).runs) == len(before.runs) - 1


def test_a_damaged_journal_is_named_and_hides_no_other(reports: Path) -> None:
    count = len(scan(reports).runs)
    journal = next(reports.glob("*/met/journal.jsonl"))
    journal.write_bytes(journal.read_bytes().replace(b"run.opened", b"run.0pened", 1))
    found = scan(reports)
    assert len(found.runs) == count - 1
    assert len(found.unread) == 1
    assert "met/journal.jsonl" in found.unread[0]


@pytest.mark.parametrize("content", ["", "x", "[1]\n", '[1,"0"]\n[1,2]\n', "null\nnull\n"])
def test_a_broken_cache_is_no_error(reports: Path, home: Path, content: str) -> None:
    found = scan(reports)
    (file,) = (home / "cache").iterdir()
    file.write_text(content)
    assert scan(reports) == found


def test_where_nothing_can_be_kept_everything_is_judged_again(
    reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = scan(reports)
    monkeypatch.setenv("DRILLKIT_HOME", "/proc/nope")
    assert scan(reports) == found


def test_what_is_kept_is_what_was_read(reports: Path) -> None:
    runs = scan(reports).runs
    cache.save(reports, ((str(n), (1, 2), run) for n, run in enumerate(runs)))
    assert [kept for _, kept in cache.load(reports).values()] == list(runs)


def test_a_change_is_told_from_noise_and_dated() -> None:
    noise = random.Random(11)
    before = [summary(n, rto_s=600 + noise.uniform(-60, 60)) for n in range(10)]
    after = [summary(n, rto_s=900 + noise.uniform(-60, 60)) for n in range(10, 18)]
    (rto, _) = sorted(series_of(before + after), key=lambda s: s.measure != "rto")
    change = change_in(rto)
    assert change is not None
    assert change.slower
    assert change.since.run == after[0].run
    assert 560 < change.before_s < 640
    assert 860 < change.after_s < 940
    (steady, _) = sorted(series_of(before), key=lambda s: s.measure != "rto")
    assert change_in(steady) is None


def test_the_test_rarely_cries_wolf() -> None:
    """Of series in which nothing changed, at most the declared share is called changed."""
    noise = random.Random(5)
    trials = 600
    for runs in (8, 12, 30, 80):
        series = [[noise.gauss(0, 1) for _ in range(runs)] for _ in range(trials)]
        cries = sum(pettitt(values)[1] < 0.05 for values in series)
        # 0.05, and twice its standard error over so many trials
        assert cries / trials <= 0.068, runs
        tied = sum(pettitt([float(round(v)) for v in values])[1] < 0.05 for values in series)
        assert tied <= cries + trials * 0.02, runs


@pytest.mark.parametrize(
    ("before", "after", "seen"),
    [
        (3, 4, False),  # fewer than eight: nothing can be told
        (4, 4, True),
        (5, 5, True),
        (6, 2, False),  # two late runs may be chance
        (15, 15, True),
        (0, 30, False),
        (40, 30, True),
    ],
)
def test_a_step_of_four_deviations_is_seen_as_soon_as_it_can_be(
    before: int, after: int, seen: bool
) -> None:
    noise = random.Random(7)
    values = [*(noise.gauss(600, 10) for _ in range(before))]
    values += [noise.gauss(660 if before else 600, 10) for _ in range(after)]
    runs = [summary(n, rto_s=value) for n, value in enumerate(values)]
    (rto, _) = sorted(series_of(runs), key=lambda s: s.measure != "rto")
    change = change_in(rto)
    assert (change is not None) is seen
    if change is not None:
        # An outlier beside the step may be taken for its begin.
        assert change.since.run in {runs[n].run for n in (before - 1, before, before + 1)}


def test_what_nobody_believes_moves_no_trend() -> None:
    """A judged step that came out unknown, and outages of a run whose probes may have been dead."""
    runs = [summary(n, outage_s=4.0, rto_s=600 + n % 3) for n in range(8)]
    odd = [
        summary(n, outage_s=0.0, rto_s=9.0, step_holds=Holds.UNKNOWN, holds=Holds.UNKNOWN)
        for n in range(8, 16)
    ]
    series = {s.name: s for s in series_of([*runs, *odd])}
    assert len(series["RTO of database"].points) == len(series["outage time"].points) == 8
    assert len(series["RPO of database"].points) == 16, "it has no objective, so it was not judged"
    assert change_in(series["RTO of database"]) is None


def test_a_series_of_equal_numbers_never_changed() -> None:
    assert pettitt([5.0] * 20)[1] == 1.0


def test_pettitt_by_ranks_is_pettitt_by_signs() -> None:
    noise = random.Random(2)
    for _ in range(50):
        values = [float(noise.randrange(6)) for _ in range(noise.randrange(2, 15))]
        n = len(values)
        signs = [
            abs(
                sum(
                    (values[i] > values[j]) - (values[i] < values[j])
                    for i in range(t)
                    for j in range(t, n)
                )
            )
            for t in range(1, n)
        ]
        at, p = pettitt(values)
        k = max(signs)
        assert signs[at - 1] == k
        assert p >= 1 / 2001
        assert (p == 1.0) or k > 0


def test_drawn_orders_agree_with_every_order_there_is() -> None:
    """K of all 5,040 orders of seven numbers."""
    all_k = []
    for order in itertools.permutations(range(1, 8)):
        sums = itertools.accumulate(order)
        all_k.append(max(abs(2 * total - t * 8) for t, total in enumerate(sums, 1) if t < 7))
    for values in ([1, 2, 3, 4, 5, 6, 7], [4, 1, 7, 2, 6, 3, 5], [1, 2, 3, 5, 4, 7, 6]):
        sums = itertools.accumulate(values)
        k = max(abs(2 * total - t * 8) for t, total in enumerate(sums, 1) if t < 7)
        exact = sum(each >= k for each in all_k) / len(all_k)
        assert pettitt([float(v) for v in values])[1] == pytest.approx(exact, abs=0.03)


def test_a_system_is_covered_by_its_last_restore_that_held_on_a_real_target() -> None:
    runs = [
        summary(0),
        summary(30, holds=Holds.VIOLATED),
        summary(31, emulated=True),
        summary(1, target="dev", holds=Holds.UNKNOWN),
    ]
    dev, prod = coverage(runs)
    assert (dev.target, dev.proven, dev.tried) == ("dev", None, 1)
    assert prod.proven == runs[0]
    assert prod.since_failed
    assert prod.tried == 2


def test_a_system_is_covered_in_each_region_that_a_restore_of_it_held_in() -> None:
    (step,) = summary(0).steps
    there = replace(step, region="eu-west-1", uses="rds.cross-region-restore")
    here = replace(step, region="eu-central-1")
    lost = replace(step, region="us-east-1", holds=Holds.VIOLATED)
    runs = [summary(0, steps=(here,)), summary(1, steps=(there,)), summary(2, steps=(here, lost))]
    (found,) = coverage(runs)
    assert found.regions == ("eu-west-1", "eu-central-1")
    assert "<td>eu-west-1, eu-central-1</td>" in index(Archive(tuple(runs)))


def test_outages_are_a_series_where_there_were_any() -> None:
    quiet = [summary(n) for n in range(3)]
    assert not [s for s in series_of(quiet) if s.measure == OUTAGES]
    (found,) = [s for s in series_of([*quiet, summary(4, outage_s=90.0)]) if s.measure == OUTAGES]
    assert [point.value_s for point in found.points] == [0.0, 0.0, 0.0, 90.0]
    assert found.name == "outage time"


def test_what_is_overdue_stands_first_on_the_page_and_when_the_rest_is_due() -> None:
    run = summary(0)
    rows = [
        DueRow("soon", "prod", "weekly", run, run.started + 7 * DAY_S, False),
        DueRow("late", "prod", "monthly", run, run.started + DAY_S, True),
        DueRow("never", "", "daily", None, None, True),
    ]
    page = index(Archive((run,)), rows)
    assert "overdue since 2027-01-02" in page
    places = [page.index(f'<th scope="row">{name}</th>') for name in ("never", "late", "soon")]
    assert places == sorted(places)
    assert 'id="due"' not in index(Archive((run,)))


def test_what_the_project_owes_is_told_by_all_runs_and_not_by_those_chosen(
    drillkit: CommandLine, reports: Path
) -> None:
    (drillkit.folder / "drillkit.yaml").write_text("")
    (drillkit.folder / "drills").mkdir(exist_ok=True)
    text = "drill: owed\nowner: a@b.c\ncadence: monthly\nsteps: [{uses: wait, with: {for: 1s}}]\n"
    (drillkit.folder / "drills" / "owed.yaml").write_text(text)
    told = drillkit("history", "--out", str(reports))
    assert "owed: never rehearsed where it counts (monthly)" in told.out
    assert drillkit("history", "--html", "--out", str(reports)).code == 0
    assert ">owed</th>" in (reports / "index.html").read_text()
    other = drillkit("history", "--drill", "other", "--html", "--out", str(reports))
    assert other.code == 0
    assert ">owed</th>" not in (reports / "index.html").read_text()


def test_a_skipped_restore_was_not_tried() -> None:
    assert coverage([summary(0, outcome="skipped", holds=Holds.UNKNOWN)]) == ()


def test_two_runs_are_compared_number_by_number() -> None:
    found = compare(
        summary(0, rto_s=600.0, findings=("old",)),
        summary(1, rto_s=None, findings=("new",), target="dev"),
    )
    rto = next(row for row in found.rows if row.name == "RTO of database")
    assert (rto.before, rto.after, rto.difference) == (600.0, None, None)
    assert (found.new, found.gone) == (("new",), ("old",))
    assert "two places" in found.caution


@pytest.mark.parametrize(
    ("rto_s", "as_far", "p"),
    [(700.0, 0, 1 / 22), (590.0, 0, 1 / 22), (609.5, 11, 12 / 22), (600.0, None, None)],
)
def test_a_difference_is_told_from_noise_by_where_the_run_stands_among_earlier_ones(
    rto_s: float, as_far: int | None, p: float | None
) -> None:
    earlier = [summary(n, rto_s=600.0 + n) for n in range(21)]
    unknown = [summary(n, rto_s=5.0, holds=Holds.UNKNOWN) for n in range(21, 25)]
    elsewhere = [summary(n, rto_s=5.0, target="dev") for n in range(21, 25)]
    after = summary(30, rto_s=rto_s)
    later = [summary(31, rto_s=5.0), summary(32, rto_s=9_000.0), after]
    found = compare(summary(0, rto_s=600.0), after, [*earlier, *unknown, *elsewhere, *later])
    rank = next(row for row in found.rows if row.name == "RTO of database").rank
    if p is None:
        assert rank is None, "there is no difference"
    else:
        assert rank is not None
        assert (rank.earlier, rank.as_far) == (21, as_far)
        assert rank.p == pytest.approx(p)


def test_a_sparkline_has_a_bar_per_run_and_shows_the_last() -> None:
    assert sparkline([]) == ""
    assert sparkline([1, 2, 3]) == "▁▅█"
    assert len(sparkline(list(range(100)), 24)) == 24


def test_the_page_escapes_what_people_wrote_and_leads_to_each_run() -> None:
    page = index(Archive((summary(0, drill="a<b>", headline="met: <script>alert(1)</script>"),)))
    assert "<script>" not in page
    assert 'href="a%3Cb%3E/20270101-000000-x7k2/report.html"' in page


def test_a_page_of_nothing_says_so() -> None:
    page = index(Archive((), ("x/journal.jsonl: damaged",)))
    assert "1 journal cannot be read" in page
    assert "No restore was rehearsed on a real target" in page


def test_a_quarter_counts_what_is_real_and_says_what_is_not_proven() -> None:
    runs = (
        summary(0),
        summary(1, emulated=True),
        summary(2, holds=Holds.VIOLATED, findings=("RTO of database",)),
        summary(3, holds=Holds.UNKNOWN, findings=("RTO of database",)),
    )
    text = quarter_page(Archive(runs), "2027Q1")
    assert "3 rehearsals on real targets" in text
    assert "1 more ran on emulated targets" in text
    assert "`orders-db` on prod: 2027-01-01, RTO 10 min of 45 min" in text
    assert "**the last try did not hold**" in text
    assert "RTO of database: 2 runs of monthly-dr" in text


@pytest.mark.slow
def test_the_commands_answer_in_each_form(drillkit: CommandLine, reports: Path) -> None:
    listed = drillkit("history", "--out", str(reports))
    assert listed.code == 0, listed.said
    assert "runs: " in listed.out
    data = json.loads(drillkit("history", "--out", str(reports), "--json").out)
    assert {"runs", "changes", "coverage", "unread"} <= set(data)
    rows = list(
        csv.DictReader(io.StringIO(drillkit("history", "--out", str(reports), "--csv").out))
    )
    assert {row["run"] for row in rows} == {run["run"] for run in data["runs"]}
    made = drillkit("history", "--out", str(reports), "--html")
    assert made.code == 0, made.said
    assert (reports / "index.html").is_file()
    both = drillkit(
        "compare", str(next(reports.glob("*/met"))), str(next(reports.glob("*/restore")))
    )
    assert both.code == 0, both.said
    assert "the whole run" in both.out
    again = drillkit("compare", *[str(next(reports.glob("*/refused")))] * 2)
    assert "rank test" not in again.out, "nothing differs"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--since", "soon"), "expected a date such as 2026-01-01 or a duration such as 90d"),
        (("--since", "99999999999d"), "expected a date"),
        (("--quarter", "2026Q5"), "expected a quarter such as 2026Q4"),
        (("--json", "--csv"), "choose one"),
    ],
)
def test_wrong_options_are_told(drillkit: CommandLine, words: tuple[str, ...], told: str) -> None:
    ran = drillkit("history", *words)
    assert ran.code == 2
    assert told in ran.err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_fit_a_terminal_of_eighty_columns(
    reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drillkit.cli.history import history

    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    assert history.main(["--out", str(reports)], standalone_mode=False) == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue()).splitlines()
    assert "measured" in lines
    assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize("locale", ["C", "de_DE.ISO-8859-1"])
def test_what_goes_into_a_file_is_the_same_in_every_locale(
    reports: Path, tmp_path: Path, locale: str
) -> None:
    def printed(**env: str) -> bytes:
        command = [sys.executable, "-m", "drillkit", "history", "--out", str(reports)]
        home = str(tmp_path / "home")
        ran = subprocess.run(
            command, env={**os.environ, "DRILLKIT_HOME": home, **env}, capture_output=True
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    usual = printed(LC_ALL="C.UTF-8", TZ="UTC")
    assert "▄".encode() in usual
    elsewhere = printed(LC_ALL=locale, PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", TZ="Asia/Kathmandu")
    assert elsewhere == usual


def test_a_folder_without_runs_is_told(drillkit: CommandLine) -> None:
    ran = drillkit("history")
    assert ran.code == 0
    assert "every run writes one" in ran.out

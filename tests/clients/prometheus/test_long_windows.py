"""Windows of hours, against a real Prometheus that holds six hours written beforehand."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from drillkit.clients.prometheus import Prometheus, open_prometheus
from drillkit.clock import SystemClock
from drillkit.model.slo import Counter, Ratio, Slices, Slo, Windowed
from drillkit.model.target import PrometheusTarget
from drillkit.slo.counts import Counting
from drillkit.slo.status import reach_s, stand

from .conftest import running

pytestmark = pytest.mark.slow

HOUR = 3600
END = int(time.time()) // 60 * 60
START = END - 6 * HOUR
Value = Callable[[int], float | None]
FAMILIES: dict[str, dict[str, Value]] = {
    # Ten requests a second for six hours, never an error.
    "calm": {'code="200"': lambda s: s * 10},
    # The first errors come all at once, in the last hour: 100 of them, counted by a new series.
    "first": {
        'code="200"': lambda s: s * 10,
        'code="500"': lambda s: None if s < 5.8 * HOUR else 100,
    },
    # A pod is replaced half-way, and its successor is restarted once.
    "replaced": {
        'pod="a"': lambda s: s * 10 if s <= 3 * HOUR else None,
        'pod="b"': lambda s: None if s <= 3 * HOUR else (s - 3 * HOUR) % HOUR * 10,
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    if shutil.which("promtool") is None:
        pytest.skip("the program `promtool` is not installed")
    folder = tmp_path_factory.mktemp("long")
    lines = []
    for family, series in FAMILIES.items():
        lines.append(f"# TYPE {family} counter")
        for labels, value in series.items():
            for at in range(START, END + 1, 15):
                if (found := value(at - START)) is not None:
                    lines.append(f"{family}_total{{{labels}}} {found} {at}")
    (folder / "all.om").write_text("\n".join([*lines, "# EOF"]) + "\n")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics"]
    subprocess.run(
        [*command, f"{folder}/all.om", f"{folder}/data"], check=True, capture_output=True
    )
    with running(folder, {"global": {"scrape_interval": "15s"}}) as server:
        target = PrometheusTarget(url=server.url, scrape_interval=timedelta(seconds=15))
        yield open_prometheus(target, SystemClock())


class Counted:
    """A metrics server that counts what it is asked, and refuses to be asked for ever."""

    def __init__(self, server: Prometheus) -> None:
        self._server, self.asked = server, 0
        self.scrape_interval_s = server.scrape_interval_s

    def range(self, query: str, start: float, end: float, step_s: float) -> object:
        self.asked += 1
        assert self.asked < 50, "it asks for ever"
        return self._server.range(query, start, end, step_s)


def slo(family: str, window_s: float = 6 * HOUR) -> Slo:
    bad, total = Counter(f'{family}_total{{code=~"5.."}}'), Counter(f"{family}_total")
    return Slo(
        name=family,
        title=family,
        target=0.99,
        window=timedelta(seconds=window_s),
        sli=Ratio(bad=bad, total=total),
    )


@pytest.mark.parametrize("late_s", [15, 60, 1000, 2 * HOUR])
def test_how_far_data_reach_back_is_found_wherever_in_the_window_they_begin(
    server: Prometheus, late_s: int
) -> None:
    counted = Counted(server)

    found = reach_s(counted, slo("calm"), START - late_s, END)  # type: ignore[arg-type]

    assert found == pytest.approx(6 * HOUR, abs=16)
    assert counted.asked <= 4


@pytest.mark.realtime
def test_an_objective_whose_data_begin_just_after_its_window_did_is_read_at_once(
    server: Prometheus,
) -> None:
    began = time.monotonic()
    found = stand(server, slo("calm"), END - 15)
    assert time.monotonic() - began < 5
    assert found.covered_s == pytest.approx(6 * HOUR - 15, abs=16)
    assert found.answer.holds.value == "met"


@pytest.mark.parametrize("window_s", [HOUR, 3 * HOUR, 5 * HOUR])
def test_the_first_errors_of_a_new_series_are_counted_over_any_window(
    server: Prometheus, window_s: int
) -> None:
    found = Counting(server).count(slo("first"), END - window_s, END)

    assert found.bad == pytest.approx(100, abs=1)
    assert found.total == pytest.approx(window_s * 10 + 100, rel=0.002)


def test_a_pod_that_was_replaced_and_restarted_loses_no_request_but_those_of_one_scrape(
    server: Prometheus,
) -> None:
    total = Counter("replaced_total")
    of = Slo(
        name="x",
        title="x",
        target=0.99,
        window=timedelta(hours=5),
        sli=Ratio(bad=Counter('replaced_total{pod="c"}'), total=total),
    )

    found = Counting(server).count(of, END - 5 * HOUR, END)

    # What was served between the last scrape of a process and its end, nobody can know.
    lost = 3 * 15 * 10
    assert 5 * HOUR * 10 - lost <= (found.total or 0) <= 5 * HOUR * 10 + 1, found


@pytest.mark.parametrize(
    ("function", "total"), [("increase", "1"), ("rate", "0.00000001"), ("rate", "1")]
)
def test_a_number_made_up_for_a_metric_that_does_not_exist_is_no_data(
    server: Prometheus, function: str, total: str
) -> None:
    per_second = function == "rate"
    bad = f'sum({function}(nosuch_total{{code=~"5.."}}[{{{{.window}}}}])) or vector(0)'
    whole = f"sum({function}(nosuch_total[{{{{.window}}}}])) or vector({total})"
    made_up = Slo(
        name="x",
        title="x",
        target=0.99,
        window=timedelta(hours=1),
        sli=Ratio(bad=Windowed(bad, per_second), total=Windowed(whole, per_second)),
    )

    found = stand(server, made_up, END)

    assert found.answer.holds.value == "unknown"
    assert "nosuch_total" in found.answer.why
    assert found.remaining is None
    assert Counting(server).count(made_up, END - HOUR, END).good is None


BAD = "sum(increase(%s[{{.window}}])) or vector(0)"


@pytest.mark.parametrize("length", [None, timedelta(minutes=5)])
@pytest.mark.parametrize(
    ("selector", "known"),
    [
        ('calm_total{code=~"5.."}', True),  # no error yet, but the label that would tell is there
        ('calm_totl{code=~"5.."}', False),
        ('calm_total{status=~"5.."}', False),
    ],
)
@pytest.mark.parametrize("made_up", [True, False])
def test_bad_events_of_a_selector_that_matches_nothing_are_none_only_where_it_could_have_matched(
    server: Prometheus, selector: str, known: bool, made_up: bool, length: timedelta | None
) -> None:
    bad = BAD % selector
    total = Windowed("sum(increase(calm_total[{{.window}}]))")
    sli = Ratio(bad=Windowed(bad if made_up else bad.removesuffix(" or vector(0)")), total=total)
    slices = Slices(length, 0.99) if length else None
    whole = Slo(name="x", title="x", target=0.99, window=timedelta(hours=3), sli=sli, slices=slices)

    found = Counting(server).count(whole, END - 3 * HOUR, END)

    assert (found.good is not None) is known, found
    assert known or "nobody knows whether it ever could" in found.why

"""What many runs came to, as gauges in Prometheus' text format: for the textfile collector of
node_exporter, which takes no time stamps.

Only the newest run of each drill on each target is told, and none on an emulated target.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field

from drillkit.archive.summary import RunSummary
from drillkit.lazy_dataclass import dataclass
from drillkit.model.verdict import Holds

Labels = Mapping[str, str]
DIRTY = 5
"""Exit code of a run that left something."""


@dataclass(frozen=True, slots=True)
class NextDue:
    """When one drill is due on one target."""

    drill: str
    target: str
    at: float | None
    """Seconds since the epoch; None: it was never rehearsed, so it is due."""


@dataclass(slots=True)
class _Family:
    name: str
    text: str
    samples: list[tuple[Labels, float]] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        yield f"# HELP {self.name} {self.text}"
        yield f"# TYPE {self.name} gauge"
        for labels, value in self.samples:
            pairs = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
            yield f"{self.name}{{{pairs}}} {value!r}"


def exposition(
    runs: Iterable[RunSummary], due: Sequence[NextDue], open_runs: Mapping[str, int], version: str
) -> str:
    """The whole text. `open_runs`: how many runs on each target wait for `drillkit recover` on this
    machine.
    """
    families = _families()
    families["info"].samples.append(({"version": version}, 1.0))
    newest: dict[tuple[str, str], RunSummary] = {}
    met: dict[tuple[str, str], float] = {}
    for run in sorted(runs, key=lambda each: each.started):
        if run.emulated or run.refused:
            continue
        newest[run.drill, run.target] = run
        if run.exit_code == 0:
            met[run.drill, run.target] = run.ended
    for place, run in sorted(newest.items()):
        _tell(families, run, met.get(place))
    for each in due:
        if each.at is not None:
            labels = {"drill": each.drill, "target": each.target}
            families["next_due"].samples.append((labels, each.at))
        else:
            families["never"].samples.append(({"drill": each.drill, "target": each.target}, 1.0))
    for target, count in sorted(open_runs.items()):
        families["open"].samples.append(({"target": target}, float(count)))
    told = [line for family in families.values() if family.samples for line in family.lines()]
    return "\n".join(told) + "\n"


def _families() -> dict[str, _Family]:
    said = {
        "info": ("drillkit_info", "Version of drillkit that wrote this."),
        "verdict": ("drillkit_run_verdict", "1 for the verdict of the newest run, else 0."),
        "dirty": ("drillkit_run_dirty", "1 when the newest run left something behind."),
        "began": ("drillkit_last_run_timestamp_seconds", "When the newest run began."),
        "met": ("drillkit_last_met_timestamp_seconds", "When the newest run that was met ended."),
        "length": ("drillkit_run_duration_seconds", "How long the newest run took."),
        "measured": ("drillkit_measured_seconds", "RTO, RPO, recovery or detection of a step."),
        "objective": ("drillkit_objective_seconds", "What it may be at most."),
        "outage": ("drillkit_outage_seconds", "All outages that users saw in the newest run."),
        "gap": ("drillkit_longest_gap_seconds", "The longest of them."),
        "lost": ("drillkit_requests_lost", "Requests that failed in the newest run."),
        "budget": (
            "drillkit_error_budget_spent_ratio",
            "Share of an SLO's error budget that the newest run spent, where the drill bounds it.",
        ),
        "next_due": ("drillkit_next_due_timestamp_seconds", "When the drill is due again."),
        "never": ("drillkit_never_rehearsed", "1: a drill with a cadence that never ran there."),
        "open": ("drillkit_open_runs", "Runs that wait for `drillkit recover` on this machine."),
    }
    return {key: _Family(*texts) for key, texts in said.items()}


def _tell(families: Mapping[str, _Family], run: RunSummary, met: float | None) -> None:
    labels = {"drill": run.drill, "target": run.target}

    def add(family: str, value: float, **more: str) -> None:
        families[family].samples.append(({**labels, **more}, value))

    for holds in Holds:
        add("verdict", float(run.holds is holds), verdict=str(holds))
    add("dirty", float(run.exit_code == DIRTY))
    add("began", run.started)
    if met is not None:
        add("met", met)
    add("length", run.ended - run.started)
    for step, measure, number in run.measures():
        add("measured", number.value_s, step=step, measure=measure)
        if number.bound_s is not None:
            add("objective", number.bound_s, step=step, measure=measure)
    add("outage", run.outage_s)
    add("gap", run.longest_gap_s)
    add("lost", float(run.lost))
    for slo, share in run.budgets.items():
        add("budget", share, slo=slo)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

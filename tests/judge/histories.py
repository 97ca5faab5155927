"""Histories as literals: a tape that things are put on at a time, in any order, and read as the
journal would be.

tape = Tape(drill)
tape.phase("steps", 10, 20)
tape.probe("web", 0, 30, bad=[(12.0, 12.3)])
tape.step("kill", 10, 20)
verdict = judge(tape.history())
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drillkit.judge.histogram import bucket_us
from drillkit.model.codec import encode_evidence, from_data, to_data
from drillkit.model.drill import Drill
from drillkit.model.evidence import Activity, Evidence, Mark, Sample
from drillkit.model.records import History, Record

EPOCH = 1_800_000_000.0
"""Date at which the monotonic axis of a tape begins."""


def drill(**keys: Any) -> Drill:
    """A drill from the plain data of its file; one step `kill` unless it says otherwise."""
    steps = [{"name": "kill", "uses": "chaostoolkit"}]
    found: Drill = from_data(
        Drill, {"drill": "pod-delete", "owner": "platform@example.com", "steps": steps, **keys}
    )
    return found


class Tape:
    """A history under construction. All times are seconds on the run's axis."""

    def __init__(self, of: Drill | None, **opened: Any) -> None:
        """`opened`: more keys of record 1. Without a drill there is no record 1."""
        self._lines: list[tuple[float, int, str, str, str, dict[str, Any]]] = []
        if of is not None:
            self.add(
                0.0,
                "run.opened",
                run="20270115-080000-x7k2",
                drill=to_data(of),
                target={"name": "sandbox"},
                operator="me@here",
                trigger="operator",
                **opened,
            )

    def add(self, at: float, kind: str, /, *, on: str = "", key: str = "", **data: Any) -> Tape:
        """A record. `on`: the step it belongs to; `key`: a name that a later `of` may use instead
        of the number.
        """
        self._lines.append((at, len(self._lines), kind, on, key, data))
        return self

    def see(self, at: float, *evidence: Evidence, step: str = "") -> Tape:
        """Evidence."""
        for one in evidence:
            self.add(at, "evidence", on=step, **encode_evidence(one))
        return self

    def mark(self, step: str, **moments: float) -> Tape:
        """Marks of a step: `disrupted=10.0, recovered=12.1`."""
        for moment, at in moments.items():
            self.see(at, Mark(moment, at), step=step)  # type: ignore[arg-type]
        return self

    def phase(self, name: str, start: float, end: float | None = None) -> Tape:
        """A phase; without an end it was cut off."""
        self.add(start, "phase.started", phase=name)
        return self if end is None else self.add(end, "phase.ended", phase=name)

    def step(
        self,
        name: str,
        start: float,
        end: float | None = None,
        outcome: str = "ok",
        why: str = "",
        group: str = "",
    ) -> Tape:
        """A step; without an end it was cut off."""
        self.add(start, "step.started", on=name, uses="chaostoolkit", disturbs="users", group=group)
        return (
            self if end is None else self.add(end, "step.ended", on=name, outcome=outcome, why=why)
        )

    def hit(self, at: float, step: str = "kill", hit: int | None = 1, **more: Any) -> Tape:
        """An action of the step's that touched so many."""
        given: dict[str, Any] = {"name": "act", "place": "method", "kind": "action", **more}
        outcome = given.pop("outcome", "succeeded")
        tolerated = given.pop("tolerated", None)
        return self.see(
            at,
            Activity(outcome=outcome, hit=hit, tolerated=tolerated, took_s=0.1, **given),
            step=step,
        )

    def gate(
        self,
        at: float,
        place: str,
        sli: str,
        holds: str = "met",
        bad: int = 0,
        total: int = 200,
        **more: Any,
    ) -> Tape:
        """A gate's decision."""
        data = {"expected": "at most 2 of 200 bad", "why": f"{bad} bad of {total}", **more}
        return self.add(
            at, "gate.decided", place=place, sli=sli, holds=holds, bad=bad, total=total, **data
        )

    def undo(
        self, at: float, resource: str, *, phase: str = "relieve", step: str = "kill", key: str = ""
    ) -> Tape:
        """An undo that is planned; `add(…, "undo.ended", of=RESOURCE)` closes it."""
        data = {"undo": "kube.uncordon", "phase": phase, "resource": resource, "args": {}}
        return self.add(at, "undo.planned", on=step, key=key or resource, **data)

    def probe(
        self,
        sli: str,
        start: float,
        end: float,
        *,
        rate: int = 20,
        bad: Sequence[tuple[float, float]] = (),
        cause: str = "refused",
        latency_s: float = 0.005,
        slow: Mapping[float, float] | None = None,
        control: bool = False,
        dropped: Mapping[int, int] | None = None,
        late_us: Mapping[int, int] | None = None,
    ) -> Tape:
        """Samples of whole seconds from `start` to `end`: probes intended within a span of
        `bad` fail.

        `slow`: latencies by the intended time at which they begin to apply; `dropped`, `late_us`:
        by second.
        """
        for second in range(round(start), round(end)):
            times = [round(second + i / rate, 6) for i in range(rate)]
            states = [not any(a <= at < b for a, b in bad) for at in times]
            latencies = [latency_s] * rate
            for since, value in (slow or {}).items():
                latencies = [
                    value if at >= since else old for at, old in zip(times, latencies, strict=True)
                ]
            self.see(
                second + 1.0,
                sample_of_second(
                    sli,
                    times,
                    states,
                    latencies,
                    cause=cause,
                    control=control,
                    dropped=(dropped or {}).get(second, 0),
                    late_us=(late_us or {}).get(second, 300),
                ),
            )
        return self

    def closed(self, at: float) -> Tape:
        """The run's last line."""
        return self.add(at, "run.closed")

    def history(self) -> History:
        """The records in the order of their times, numbered."""
        lines = sorted(self._lines, key=lambda line: (line[0], line[1]))
        numbers = {key: n for n, (_, _, _, _, key, _) in enumerate(lines, 1) if key}
        return tuple(
            Record(n, EPOCH + at, at, "runner", kind, step, _numbered(kind, data, numbers))
            for n, (at, _, kind, step, _, data) in enumerate(lines, 1)
        )


def sample_of_second(
    sli: str,
    times: Sequence[float],
    states: Sequence[bool],
    latencies_s: Sequence[float],
    *,
    cause: str = "refused",
    control: bool = False,
    dropped: int = 0,
    late_us: int = 300,
) -> Sample:
    """The Sample of one second's probes."""
    starts = [i for i in range(len(states)) if i == 0 or states[i] != states[i - 1]]
    ends = [i - 1 for i in starts[1:]] + ([len(states) - 1] if states else [])
    latency: dict[int, int] = {}
    for good, seconds in zip(states, latencies_s, strict=True):
        if good or cause == "slow":  # a slow one was answered
            bucket = bucket_us(round(seconds * 1e6))
            latency[bucket] = latency.get(bucket, 0) + 1
    failed = states.count(False)
    return Sample(
        sli,
        len(states),
        len(states) - failed,
        {cause: failed} if failed else {},
        latency,
        tuple((times[i], states[i]) for i in starts),
        tuple((times[i], states[i]) for i in ends),
        late_us,
        dropped,
        control,
    )


def _numbered(kind: str, data: dict[str, Any], numbers: Mapping[str, int]) -> dict[str, Any]:
    named = kind.startswith(("undo.", "effect.")) and isinstance(data.get("of"), str)
    return {**data, "of": numbers[data["of"]]} if named else data


HYPOTHESIS = {
    "before": {"gates": {"web": {"bad": "2 of 200"}}},
    "during": {"web": {"bad": 20, "longest_gap": "5s"}},
    "after": {"gates": {"web": {"bad": "2 of 200", "within": "3m"}}},
}
KILL = {"name": "kill", "uses": "chaostoolkit", "objectives": {"recovery": "2m"}}


def pod_delete(
    of: Drill | None = None,
    *,
    bad: Sequence[tuple[float, float]] = ((21.0, 21.3),),
    until: float = 60.0,
    **probe: Any,
) -> Tape:
    """The design's example: before 0-20 s, a pod deleted at 21 s, whole again at 23.1 s, after from
    40 s on.
    """
    tape = Tape(
        of
        or drill(
            probes={"web": {"http": "http://shop/health"}}, hypothesis=HYPOTHESIS, steps=[KILL]
        )
    )
    tape.phase("before", 1, 20).gate(19.5, "before", "web").phase("steps", 20, 40)
    tape.probe("web", 0, until, bad=bad, **probe)
    tape.step("kill", 20, 40).mark("kill", disrupted=21.0, recovered=23.1)
    tape.add(
        21.0,
        "effect.irreversible",
        on="kill",
        effect="kube.delete-pod",
        resource="pod/shop/web-1",
        args={},
        reason="a pod is not brought back",
        wait_for="a replacement that is ready",
    )
    tape.phase("after", 40, 55).gate(54.5, "after", "web")
    return tape.phase("cleanup", 55, 56).closed(until + 1)

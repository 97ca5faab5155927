"""Whether anybody met what a fault put in: a delay that no request shows, a look-up that nobody
makes, a route that nobody takes prove nothing of the system behind it.

A fault that says what it puts in (`Injection`) is looked for in the probes of the same run, against
what they saw before the steps. What is proven otherwise (a pod that is gone) says nothing of the
kind, and how well it was absorbed is the drill's result.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from drillkit.judge.evidence import passes
from drillkit.judge.histogram import percentile_s, slower_than
from drillkit.judge.run_history import RunRead, StepRun
from drillkit.judge.sample_stats import Samples
from drillkit.judge.tally import THROTTLED, SampleTally
from drillkit.judge.wording import latency
from drillkit.model.evidence import Check, Injection, Reading

FINEST_S = 0.010
"""Delays below this cannot be told from those that a prober has itself."""
SHIFT = 0.5
"""A request that is slower by this part of an injected delay than the middle one before met it:
networks and queues hide some of it, never half."""
RESEND_S = 0.2
"""What a lost packet costs at least, where it is sent again (RFC 6298 with Linux' least of 200 ms)
and a request does not fail of it."""
LEAST = 3
"""So many requests must show it: one or two are accidents."""
SHARE = 0.05
"""And this part of the share that was to meet it: a probe may watch much else."""
TIMES = 2.0
"""And so many times the share that looked so before."""
BASELINE = 20
"""So few requests before the steps are no baseline."""
_SHOWS = {
    "delay": "was slower by half of that than before",
    "loss": "failed or was slower for it",
    "errors": "failed of it",
}
_NO_WATCH = (
    "no probe watched, so nobody knows whether a request met it: declare a probe of what is hit"
)


def unfelt(run: RunRead, samples: Samples, step: StepRun) -> str:
    """Why no request can have met what a step did, or none is known to have; '' where some did, or
    where what it did is proven by itself.
    """
    return unreached(step) or "; ".join(unseen(run, samples, step))


def felt_by_nobody(run: RunRead, samples: Samples, acted: Iterable[StepRun]) -> str:
    """Why no request can have met what any of these steps did, or ''."""
    whys = [unfelt(run, samples, step) for step in acted]
    return "; ".join(dict.fromkeys(whys)) if all(whys) else ""


def unreached(step: StepRun) -> str:
    """That no Service leads to anything that was hit, or ''."""
    checks = [s.what for s in step.evidence if isinstance(s.what, Check)]
    checks = [check for check in checks if check.purpose == "felt"]
    if not checks or any(passes(check) is not False for check in checks):
        return ""
    return "; ".join(dict.fromkeys(check.why for check in checks))


def unseen(run: RunRead, samples: Samples, step: StepRun) -> list[str]:
    """What a step put in and no probe saw, each with why, and what to do."""
    put_in = [seen.what for seen in step.evidence if isinstance(seen.what, Injection)]
    if not put_in or _readings_saw(run, step):
        return []
    return [why for each in dict.fromkeys(put_in) if (why := _unseen(samples, step, each))]


def _unseen(samples: Samples, step: StepRun, put_in: Injection) -> str:
    if put_in.effect == "delay" and put_in.delay_s < FINEST_S:
        return (
            f"{put_in.what}: a delay below {latency(FINEST_S)} cannot be told from the "
            "prober's own: inject more"
        )
    whys: list[str] = []
    for name, before, during in _watched(samples, step):
        if before.sent < BASELINE:
            whys.append(
                f"{name} has no baseline ({before.sent} requests before the steps): declare it "
                "under `hypothesis.before`"
            )
            continue
        if _shows(put_in, before, during):
            return ""
        whys.append(f"{name}: hardly any of {during.sent:,} requests {_SHOWS[put_in.effect]}")
    if not whys:
        return f"{put_in.what}: {_NO_WATCH}"
    advice = "" if "baseline" in whys[0] else "; probe what passes there, or inject more"
    return f"{put_in.what} was felt by no probe: {', '.join(whys)}{advice}"


def _watched(samples: Samples, step: StepRun) -> Iterator[tuple[str, SampleTally, SampleTally]]:
    """Each probe that watched the step: (name, before all steps, during this one)."""
    for name in sorted(samples.slis):
        seen = samples.slis[name]
        during = seen.steps.get(step.name)
        if not seen.control and during is not None and during.sent:
            yield name, seen.phases["before"], during


def _shows(put_in: Injection, before: SampleTally, during: SampleTally) -> bool:
    usual_s = percentile_s(before.latency, 0.5)
    limit_s = None
    if put_in.effect != "errors" and usual_s is not None:
        limit_s = usual_s + SHIFT * (put_in.delay_s or RESEND_S)
    marked = _marked(put_in, during, limit_s)
    usual = _marked(put_in, before, limit_s) / before.sent
    least = max(LEAST, math.ceil(SHARE * put_in.share * during.sent))
    return marked >= least and marked / during.sent >= TIMES * usual


def _marked(put_in: Injection, tally: SampleTally, limit_s: float | None) -> int:
    """How many requests look as the injection makes them."""
    slower = slower_than(tally.latency, limit_s).least if limit_s is not None else 0
    if put_in.effect == "delay":
        return slower + tally.bad.get("timeout", 0)
    failed = tally.failed - tally.bad.get(THROTTLED, 0) - tally.bad.get("slow", 0)
    return failed + slower


def _readings_saw(run: RunRead, step: StepRun) -> bool:
    """Whether metrics counted failures while the step ran."""
    start, end = step.started, run.end if step.ended is None else step.ended
    readings = [
        seen.what
        for seen in (*run.evidence, *step.evidence)
        if isinstance(seen.what, Reading)
        and seen.what.place in ("during", "watch")
        and start is not None
        and start <= seen.mono
        and seen.mono - seen.what.window_s <= end
    ]
    return any(
        r.total - r.good >= LEAST for r in readings if r.total is not None and r.good is not None
    )

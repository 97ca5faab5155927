"""How a run stands, in lines for a terminal: what a page shows all the time, on demand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from drillkit.live.rates import Rates
from drillkit.live.view import RunView
from drillkit.model.units import format_duration


def status_lines(view: RunView, rates: Rates, now: float) -> Iterator[str]:
    """Time, steps, users, alerts, what is changed now, what the team expects, what is to be done.

    Args:
        now: date, in seconds since the epoch.
    """
    shown = view.snapshot(everything=True)
    yield f"{'time':9} {_elapsed(shown, now)}"
    for step in shown["steps"]:
        yield f"{'step':9} {step['name']}: {_step(step, now)}"
    for rate in rates.rows():
        yield f"{'users':9} {rate.name}: {rate.good}, {rate.p95}, {rate.count}"
    for alert in shown["alerts"]:
        expected = " (expected)" if alert["expected"] else ""
        yield f"{'alert':9} {alert['name']} since {clock(alert['at'])}{expected}"
    for each in shown["open"]:
        yield f"{'changed':9} {each['what']}" + (f" ({each['step']})" if each["step"] else "")
    counts = shown["counts"]
    yield f"{'effects':9} {counts['open']} open, {counts['undone']} undone"
    for each in shown["expectations"]:
        came = {None: "not answered", True: "came true", False: "did not come"}[each["came"]]
        yield f"{each['n']:<9} expected: {each['text']} ({came})"
    for mark in shown["marks"]:
        yield f"{'mark':9} {clock(mark['at'])} {mark['moment']}, {mark['by']}"
    for each in shown["actions"]:
        owner, due = each["owner"] or "nobody", each["due"]
        yield f"{'to do':9} {each['text']} ({owner}{f', due {due}' if due else ''})"


def clock(at: float) -> str:
    """A date as a time of this machine's day."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def _elapsed(shown: dict[str, Any], now: float) -> str:
    """While people decide, the limit of the run stands still."""
    about, hold = shown["about"], shown["hold"]
    if "began" not in about:
        return "the run has not begun"
    elapsed = now - about["began"] - shown["held_s"] - (now - hold["at"] if hold else 0.0)
    limit = about["limit_s"]
    of = f" of {format_duration(limit)}" if limit else ""
    held = ", held: its limit stands still" if hold else ""
    return f"{format_duration(round(max(0.0, elapsed)))}{of}{held}"


def _step(step: dict[str, Any], now: float) -> str:
    if step["state"] != "running" or step["since"] is None:
        return str(step["state"]) + (", a surprise" if step["secret"] else "")
    took = format_duration(round(max(0.0, now - step["since"])))
    return f"running for {took}" + (
        f" of {format_duration(step['limit_s'])}" if step["limit_s"] else ""
    )

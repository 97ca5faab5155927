"""Charts as SVG text: one axis of time for lanes of steps and for every probe."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from drillkit.report.story import Bin, Series, Span, Story

WIDTH = 960
LEFT = 120
RIGHT = 16
LANE = 22
PANEL = 84
GAP = 26


class Axis:
    """Seconds since the run began to pixels."""

    def __init__(self, length_s: float) -> None:
        self.length_s = length_s

    def x(self, at_s: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max(at_s / self.length_s, 0.0), 1.0)

    def ticks(self) -> list[float]:
        """Round steps, six to twelve of them."""
        steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
        step = next((s for s in steps if self.length_s / s <= 12), steps[-1])
        return [i * step for i in range(int(self.length_s // step) + 1)]


def timeline(story: Story) -> str:
    """The whole picture: phases, steps, and a panel of traffic and one of latency per probe."""
    axis = Axis(story.length_s)
    parts: list[str] = []
    y = 18.0
    grid_top = y
    parts.append(_lane(axis, "phases", story.phases, y))
    y += LANE + 6
    for lane_name, spans in _lanes(story.steps):
        parts.append(_lane(axis, lane_name, spans, y))
        y += LANE + 4
    y += GAP - 8
    for series in story.series:
        parts.append(_traffic(axis, series, y))
        y += PANEL + 8
        parts.append(_latency(axis, series, y))
        y += PANEL + GAP
    grid = _grid(axis, grid_top, y - GAP + 6)
    return (
        f'<svg class="timeline" viewBox="0 0 {WIDTH} {y:.0f}" role="img" '
        f'aria-label="Steps and probes over time">{grid}{"".join(parts)}</svg>'
    )


def _grid(axis: Axis, top: float, bottom: float) -> str:
    lines = []
    for tick in axis.ticks():
        x = axis.x(tick)
        lines.append(f'<line class="grid" x1="{x:.1f}" y1="{top - 4:.1f}" x2="{x:.1f}" y2="{bottom:.1f}"/>')
        lines.append(f'<text class="tick" x="{x:.1f}" y="{top - 7:.1f}">{_clock(tick)}</text>')
    return "".join(lines)


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:g} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _lanes(spans: Iterable[Span]) -> list[tuple[str, list[Span]]]:
    """A lane for each step, in order of start."""
    return [(span.name, [span]) for span in spans]


def _lane(axis: Axis, name: str, spans: Iterable[Span], y: float) -> str:
    boxes = [f'<text class="label" x="{LEFT - 8}" y="{y + LANE / 2 + 4:.1f}">{escape(_short(name))}</text>']
    for span in spans:
        x, width = axis.x(span.start_s), max(2.0, axis.x(span.end_s) - axis.x(span.start_s))
        title = f"{span.name}: {span.start_s:.1f} to {span.end_s:.1f} s {span.note}".strip()
        boxes.append(
            f'<g><title>{escape(title)}</title><rect class="span {span.tone}" x="{x:.1f}" y="{y:.1f}" '
            f'width="{width:.1f}" height="{LANE}" rx="3"/>'
        )
        text = span.name if span.tone == "phase" else span.tone
        if width > 7 * len(text) + 8:
            boxes.append(f'<text class="in" x="{x + 6:.1f}" y="{y + LANE / 2 + 4:.1f}">{escape(text)}</text>')
        boxes.append("</g>")
    return "".join(boxes)


def _short(name: str) -> str:
    return name if len(name) <= 16 else name[:15] + "…"


def _traffic(axis: Axis, series: Series, y: float) -> str:
    """Requests a second, the bad ones in red from the bottom; outages behind them."""
    most = max((_per_s(b, b.sent) for b in series.bins), default=1.0) or 1.0
    control = " (control)" if series.control else ""
    parts = [
        f'<text class="label" x="{LEFT - 8}" y="{y + 12:.1f}">{escape(_short(series.sli))}</text>',
        f'<text class="unit" x="{LEFT - 8}" y="{y + 27:.1f}">requests/s{control}</text>',
        f'<text class="scale" x="{LEFT + 4}" y="{y + 10:.1f}">{most:.0f}</text>',
        f'<line class="base" x1="{LEFT}" y1="{y + PANEL:.1f}" x2="{WIDTH - RIGHT}" y2="{y + PANEL:.1f}"/>',
    ]
    for outage in series.outages:
        x = axis.x(outage.start_s)
        width = max(3.0, axis.x(outage.end_s) - x)
        parts.append(
            f'<rect class="span outage" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{PANEL}">'
            f"<title>outage from {outage.start_s:.2f} to {outage.end_s:.2f} s, {escape(outage.note)}</title></rect>"
        )
    for b in series.bins:
        x, width = axis.x(b.start_s), max(1.0, axis.x(b.end_s) - axis.x(b.start_s) - 0.5)
        whole, bad = PANEL * _per_s(b, b.sent) / most, PANEL * _per_s(b, b.bad) / most
        title = f"{b.start_s:.0f} s: {b.sent} sent, {b.bad} bad"
        parts.append(
            f'<g><title>{title}</title><rect class="good" x="{x:.1f}" y="{y + PANEL - whole:.1f}" '
            f'width="{width:.1f}" height="{max(0.0, whole - bad):.1f}"/>'
        )
        if b.bad:
            bad = max(bad, 2.0)
            parts.append(
                f'<rect class="bad" x="{x:.1f}" y="{y + PANEL - bad:.1f}" width="{width:.1f}" height="{bad:.1f}"/>'
            )
        parts.append("</g>")
    return "".join(parts)


def _per_s(b: Bin, count: int) -> float:
    return count / max(b.end_s - b.start_s, 1e-9)


def _latency(axis: Axis, series: Series, y: float) -> str:
    """p95 of answered requests, in milliseconds."""
    points = [(axis.x((b.start_s + b.end_s) / 2), b.p95_ms) for b in series.bins if b.p95_ms is not None]
    most = _round_up(max((ms for _, ms in points), default=1.0))
    parts = [
        f'<text class="unit" x="{LEFT - 8}" y="{y + 12:.1f}">p95 ms</text>',
        f'<text class="scale" x="{LEFT + 4}" y="{y + 10:.1f}">{most:g}</text>',
        f'<line class="base" x1="{LEFT}" y1="{y + PANEL:.1f}" x2="{WIDTH - RIGHT}" y2="{y + PANEL:.1f}"/>',
    ]
    if points:
        path = " ".join(f"{x:.1f},{y + PANEL - PANEL * ms / most:.1f}" for x, ms in points)
        parts.append(f'<polyline class="p95" points="{path}"/>')
    return "".join(parts)


def _round_up(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 0.001
    while power * 10 <= value:
        power *= 10
    return next((power * step for step in (1, 2, 5, 10) if power * step >= value), value)

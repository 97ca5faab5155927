"""Charts as SVG text: one axis of time for events, lanes of steps, and two panels for every probe.

Nothing is told by colour alone: what a box or a line means stands beside it, or in its title.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from drillkit.model.units import format_duration
from drillkit.model.verdict import Outage
from drillkit.report.report_model import ChartMark, ChartRow, Span, Story
from drillkit.report.series import Bin, ProbeSeries
from drillkit.report.timeline import bracket

WIDTH = 1000
LEFT = 150
RIGHT = 22
LANE = 20
PANEL = 70
HEADING = 30
"""Above a panel: its name, and under that the brackets of outages."""
EM = 6.4
"""About the width of a letter at the size of labels."""
ROUND_S = (
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    14400,
    28800,
    86400,
    604800,
)
LABELLED = 4
"""Outages of a chart with their length beside them, at most."""


class Axis:
    """Seconds since the run began to pixels."""

    def __init__(self, length_s: float) -> None:
        self.length_s = length_s

    def x(self, at_s: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max(at_s / self.length_s, 0.0), 1.0)

    def ticks(self) -> list[float]:
        """At round times, twelve at most."""
        step = next((s for s in ROUND_S if self.length_s / s <= 12), self.length_s / 12)
        return [i * step for i in range(int(self.length_s / step) + 1)]


def timeline(story: Story) -> str:
    """The whole picture."""
    axis, y = Axis(story.length_s), 22.0
    parts = [_lane(axis, ChartRow("phases", story.phases), y)]
    y += LANE + 8
    for lane in story.lanes:
        parts.append(_lane(axis, lane, y))
        y += LANE + (20 if lane.parts else 4)
    events_top = y + 4
    marks, y = _events(axis, story.events, events_top)
    lanes_end = y
    y += 18
    for series in story.series:
        parts.append(_heading(series, y))
        parts.append(_traffic(axis, series, story.begin, y + HEADING))
        parts.append(_latency(axis, series, y + HEADING + PANEL + 10))
        y += HEADING + 2 * PANEL + 34
    bottom = y - 20 if story.series else lanes_end
    return (
        f'<svg class="timeline" viewBox="0 0 {WIDTH} {bottom + 8:.0f}" role="img" '
        'aria-labelledby="chart-is chart-says">'
        f'<title id="chart-is">Steps and probes over time</title>'
        f'<desc id="chart-says">{escape(described(story))}</desc>'
        f"{_DEFINITIONS}{_grid(axis, 18, bottom)}{''.join(parts)}"
        f"{_lines(axis, story.events, events_top, bottom)}{marks}</svg>"
    )


_DEFINITIONS = (
    '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)">'
    '<line class="hatching" x1="0" y1="0" x2="0" y2="6"/></pattern></defs>'
)


def described(story: Story) -> str:
    """The picture in words."""
    said = []
    for lane in story.lanes:
        if not lane.spans:
            said.append(f"{lane.name} was not reached.")
        said += [
            f"{span.name}: {format_duration(round(span.start_s, 1))} to "
            f"{format_duration(round(span.end_s, 1))}"
            f"{'' if span.tone == 'group' else ', ' + span.tone}."
            for span in lane.spans
        ]
    for series in story.series:
        outages = _outages_in_words(series)
        said.append(f"{series.sli}: {series.bad:,} of {series.sent:,} requests bad, {outages}.")
    return " ".join(said)


def _text(x: float, y: float, kind: str, text: str, anchor: str = "start") -> str:
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}"{place}>{escape(text)}</text>'


def _rect(kind: str, x: float, y: float, width: float, height: float, more: str = "") -> str:
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
        f'height="{max(0.0, height):.1f}"{more}/>'
    )


def _titled(title: str, *shapes: str) -> str:
    return f"<g><title>{escape(title)}</title>{''.join(shapes)}</g>"


def _grid(axis: Axis, top: float, bottom: float) -> str:
    lines = []
    for tick in axis.ticks():
        x = axis.x(tick)
        lines.append(
            f'<line class="grid" x1="{x:.1f}" y1="{top:.1f}" x2="{x:.1f}" y2="{bottom:.1f}"/>'
        )
        lines.append(_text(x, top - 4, "tick", _clock(tick, axis.length_s), "middle"))
    return "".join(lines)


def _clock(seconds: float, length_s: float) -> str:
    if length_s < 60:
        return f"{seconds:g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if length_s >= 3600 else f"{minutes}:{rest:02d}"


def _short(name: str, letters: int = 21) -> str:
    return name if len(name) <= letters else name[: letters - 1] + "…"


def _lane(axis: Axis, lane: ChartRow, y: float) -> str:
    name = _short(lane.name, 19) if lane.depth else _short(lane.name)
    label = _text(LEFT - 10, y + LANE / 2 + 4, "label", f"· {name}" if lane.depth else name, "end")
    parts = [_titled(lane.name, label)]
    if not lane.spans:
        parts.append(_text(LEFT + 4, y + LANE / 2 + 4, "soft", "not reached"))
    parts += [_box(axis, span, y) for span in lane.spans]
    for part in lane.parts:
        x, width = axis.x(part.start_s), max(1.0, axis.x(part.end_s) - axis.x(part.start_s) - 1)
        words = [_text(x, y + LANE + 15, "part", part.name)] if width > EM * len(part.name) else []
        parts.append(
            _titled(
                f"{part.name}: {part.note}", _rect("span part", x, y + LANE + 1, width, 5), *words
            )
        )
    return "".join(parts)


def _box(axis: Axis, span: Span, y: float) -> str:
    x, width = axis.x(span.start_s), max(2.0, axis.x(span.end_s) - axis.x(span.start_s))
    words = {"phase": span.name, "group": ""}.get(span.tone, span.tone)
    title = f"{span.name}: {span.start_s:.1f} to {span.end_s:.1f} s"
    if span.tone not in ("phase", "group"):
        title += f", {span.tone}{': ' + span.note if span.note else ''}"
    high = LANE if span.tone != "group" else 6
    shapes = [_rect(f"span {span.tone}", x, y + (LANE - high) / 2, width, high, ' rx="2"')]
    beside = EM * len(words) + 10
    if words and width > beside:
        shapes.append(_text(x + 6, y + LANE / 2 + 4, f"in {span.tone}", words))
    elif words and span.tone != "phase":
        right = x + width + beside < WIDTH - RIGHT
        shapes.append(
            _text(
                x + width + 5 if right else x - 5,
                y + LANE / 2 + 4,
                "soft",
                words,
                "start" if right else "end",
            )
        )
    return _titled(title, *shapes)


def _events(axis: Axis, events: tuple[ChartMark, ...], y: float) -> tuple[str, float]:
    """Marks with their words, in as many of three rows as they need, those that have no room
    for words below them; and where the next thing may stand.
    """
    if not events:
        return "", y
    rows: list[float] = []
    wordless = False
    parts = [_text(LEFT - 10, y + 11, "label", "events", "end")]
    for event in events:
        x, width = axis.x(event.at_s), EM * len(event.text) + 16
        right = x + width < WIDTH
        begin = x if right else x - width
        row = next((i for i, until in enumerate(rows) if until < begin), len(rows))
        wordless = wordless or row > 2
        top = y + 14 * min(row, 3)  # below the words: a mark on them would make them unreadable
        mark = (
            f'<path class="{"mark cuts" if event.cuts else "mark"}" d="M{x - 4:.1f} '
            f'{top + 2:.1f}h8l-4 8z"/>'
        )
        shapes = [mark]
        if row < 3:
            rows[row : row + 1] = [begin + width]
            shapes.append(
                _text(
                    x + 7 if right else x - 7,
                    top + 11,
                    "event",
                    event.text,
                    "start" if right else "end",
                )
            )
        parts.append(_titled(f"{event.text} at {event.at_s:.2f} s", *shapes))
    return "".join(parts), y + 14 * (len(rows) + wordless) + 4


def _lines(axis: Axis, events: tuple[ChartMark, ...], top: float, bottom: float) -> str:
    """Events drawn through everything: what cut the run short, and the rest where it is not
    too much.
    """
    shown = events if len(events) <= 12 else [event for event in events if event.cuts]
    return "".join(
        f'<line class="{"cutting" if event.cuts else "through"}" x1="{axis.x(event.at_s):.1f}" '
        f'y1="{18 if event.cuts else top:.1f}" x2="{axis.x(event.at_s):.1f}" y2="{bottom:.1f}"/>'
        for event in shown
    )


def _heading(series: ProbeSeries, y: float) -> str:
    said = [f"{series.bad:,} of {series.sent:,} requests bad"]
    if series.outages:
        said.append(_outages_in_words(series))
    if series.dropped:
        said.append(f"{series.dropped:,} not sent by the prober itself")
    if series.bin_s > 1:
        said.append(f"each bar {format_duration(series.bin_s)}")
    control = " (control)" if series.control else ""
    return (
        f'<text class="name" x="{LEFT}" y="{y + 8:.1f}">{escape(_short(series.sli, 60))}{control}'
        f'<tspan class="soft" dx="10">{escape(", ".join(said))}</tspan></text>'
    )


def _outages_in_words(series: ProbeSeries) -> str:
    """`3 outages`; `1,234 outages, the 200 longest drawn`."""
    count, drawn = max(series.outage_count, len(series.outages)), len(series.outages)
    words = f"{count:,} outage{'' if count == 1 else 's'}"
    return words if drawn == count else f"{words}, the {drawn} longest drawn"


def _scale(y: float, most: str, unit: str) -> str:
    """An axis of values: its upper end, zero, and what they are."""
    return (
        _text(LEFT - 8, y + 8, "scale", most, "end")
        + _text(LEFT - 8, y + PANEL / 2 + 4, "unit", unit, "end")
        + _text(LEFT - 8, y + PANEL, "scale", "0", "end")
        + f'<line class="base" x1="{LEFT}" y1="{y + PANEL:.1f}" x2="{WIDTH - RIGHT}" '
        f'y2="{y + PANEL:.1f}"/>'
    )


def _traffic(axis: Axis, series: ProbeSeries, begin: float, y: float) -> str:
    """Requests a second: good ones above, bad ones from the bottom; outages over them, unwatched
    times between.
    """
    most = _round_up(max((b.per_s for b in series.bins), default=1.0))
    parts = [_scale(y, f"{most:g}", "requests/s")]
    parts += [_gap(axis, start, end, y) for start, end in series.gaps]
    parts += [_bar(axis, b, most, y) for b in series.bins]
    parts += [_outage(axis, outage, begin, y) for outage in series.outages]
    if len(series.outages) <= LABELLED:
        free = 0.0  # where the next label may begin
        for outage in series.outages:
            x = axis.x(outage.last_bad - begin) + 5
            words = f"{bracket(outage)} out"
            if axis.x(outage.first_bad - begin) < free:
                continue  # too close to the last one: its title says it, and the table below
            free = x + EM * len(words)
            right = x + EM * len(words) < WIDTH - RIGHT
            at = x if right else axis.x(outage.first_bad - begin) - 5
            parts.append(_text(at, y - 1, "out", words, "start" if right else "end"))
    return "".join(parts)


def _outage(axis: Axis, outage: Outage, begin: float, y: float) -> str:
    """Shaded from its first to its last failure, under a bracket."""
    x = axis.x(outage.first_bad - begin)
    width = max(2.0, axis.x(outage.last_bad - begin) - x)
    shape = f"M{x:.1f} {y + 1:.1f}v-5h{width:.1f}v5"
    title = f"outage of {bracket(outage)}, {outage.bad:,} bad"
    title += "" if outage.ended else ", not over when the run ended"
    return _titled(
        title, _rect("outage", x, y, width, PANEL), f'<path class="bracket" d="{shape}"/>'
    )


def _gap(axis: Axis, start_s: float, end_s: float, y: float) -> str:
    x, width = axis.x(start_s), max(2.0, axis.x(end_s) - axis.x(start_s))
    words = "no samples"
    shapes = [_rect("gap", x, y, width, PANEL, ' fill="url(#hatch)"')]
    if width > EM * len(words) + 8:
        shapes.append(_text(x + width / 2, y + PANEL / 2 + 4, "soft", words, "middle"))
    return _titled(f"no samples from {start_s:.1f} to {end_s:.1f} s", *shapes)


def _bar(axis: Axis, b: Bin, most: float, y: float) -> str:
    x = axis.x(b.start_s)
    width = axis.x(b.end_s) - x
    width = max(1.0, width - 0.6 if width > 6 else width)  # narrow ones touch: seams would flicker
    whole, bad = PANEL * b.per_s / most, PANEL * b.per_s / most * b.bad / max(b.sent, 1)
    bad = max(bad, 2.0) if b.bad else 0.0  # a single one must be seen
    title = f"{b.start_s:.1f} to {b.end_s:.1f} s: {b.sent:,} sent, {b.bad:,} bad"
    shapes = [_rect("good", x, y + PANEL - whole, width, whole - bad)]
    if b.bad:
        shapes.append(_rect("bad", x, y + PANEL - bad, width, bad))
    if b.dropped:
        title += f", {b.dropped:,} not sent by the prober itself"
        shapes.append(_rect("gap", x, y, width, 6, ' fill="url(#hatch)"'))
    return _titled(title, *shapes)


def _latency(axis: Axis, series: ProbeSeries, y: float) -> str:
    """A percentile of answered requests, in milliseconds; broken where nobody looked or nothing
    was answered.
    """
    bound = series.bound_ms
    most = _round_up(
        max(
            [b.latency_ms for b in series.bins if b.latency_ms is not None]
            + ([bound] if bound else [])
            or [1.0]
        )
    )
    parts = [_scale(y, f"{most:g}", f"{series.percentile}, ms")]
    parts += [_gap(axis, start, end, y) for start, end in series.gaps]
    if bound:
        at = y + PANEL - PANEL * bound / most
        parts.append(
            f'<line class="bound" x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}"/>'
        )
        parts.append(_text(WIDTH - RIGHT - 2, at - 3, "soft", f"bound {bound:g} ms", "end"))
    for piece in _pieces(series):
        points = [
            f"{axis.x((b.start_s + b.end_s) / 2):.1f},"
            f"{y + PANEL - PANEL * (b.latency_ms or 0) / most:.1f}"
            for b in piece
        ]
        if len(piece) == 1:  # a line needs two ends
            b, height = piece[0], points[0].partition(",")[2]
            points = [f"{axis.x(b.start_s):.1f},{height}", f"{axis.x(b.end_s):.1f},{height}"]
        parts.append(f'<polyline class="p95" points="{" ".join(points)}"/>')
    return "".join(parts)


def _pieces(series: ProbeSeries) -> Iterable[list[Bin]]:
    """Stretches of bins that belong together."""
    piece: list[Bin] = []
    for b in series.bins:
        torn = piece and b.start_s - piece[-1].end_s > max(1.5, series.bin_s)
        if piece and (torn or b.latency_ms is None):
            yield piece
            piece = []
        if b.latency_ms is not None:
            piece.append(b)
    if piece:
        yield piece


def _round_up(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 0.001
    while power * 10 <= value:
        power *= 10
    return next(
        (round(power * step, 6) for step in (1, 2, 5, 10) if power * step >= value * (1 - 1e-9)),
        value,
    )

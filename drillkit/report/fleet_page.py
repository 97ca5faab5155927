"""A fleet on one page: Markdown, HTML, JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from drillkit.fleet.outcome import FleetMeasure, TargetOutcome
from drillkit.fleet.rows import FleetRow, FleetTable
from drillkit.model.codec import to_data
from drillkit.model.units import format_duration
from drillkit.report.index_page import environment
from drillkit.report.summary_page import plain

JSON, MARKDOWN, HTML = "fleet.json", "fleet.md", "fleet.html"
_MEANINGS: Mapping[str, str] = {
    "refused": "a guard, a lock or the hypothesis before said no; nothing was touched",
    "not run": "no run began: nothing is known of it",
    "dirty": "something is left there: run `drillkit recover`",
    "running": "its Job has come to nothing yet",
    "waiting": "its turn has not come",
}


def fleet_files(table: FleetTable, report_url: str | None = None) -> dict[str, bytes]:
    """All of them, by the names of their files. `report_url`: where the folder of runs is served;
    default: links are relative to the fleet's place in the bucket.
    """
    made = {
        HTML: fleet_html(table, report_url),
        MARKDOWN: fleet_markdown(table, report_url),
        JSON: fleet_json(table),
    }
    return {name: text.encode(errors="backslashreplace") for name, text in made.items()}


def fleet_json(table: FleetTable) -> str:
    """For programs: every row with all its numbers."""
    rows: list[dict[str, Any]] = []
    for row in table.rows:
        outcome = to_data(row.outcome) if row.outcome is not None else {}
        shown = {"target": row.target, "wave": row.wave, "result": row.standing, "why": row.why}
        rows.append({**outcome, **shown, "run": row.run})
    data = {
        "fleet": table.fleet,
        "drill": table.drill,
        "place": table.place,
        "operator": table.operator,
        "begun": table.begun,
        "halted": table.halted,
        "sums": dict(table.sums),
        "exit_code": table.exit_code,
        "targets": rows,
    }
    return json.dumps(data, indent=1) + "\n"


def fleet_markdown(table: FleetTable, report_url: str | None = None) -> str:
    """For people who read text."""
    lines = [f"# {plain(table.drill)}: fleet {table.fleet}", "", f"{table.headline}.", ""]
    if table.halted:
        lines += [f"**Nothing more begins:** {plain(table.halted)}.", ""]
    lines += [f"- {each}: {why}" for each, why in _MEANINGS.items() if each in table.sums]
    lines += ["", "| wave | target | verdict | RTO | RPO | damage | what |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for row in table.rows:
        link = link_of(table, row, report_url)
        verdict = f"[{row.standing}]({link})" if link else row.standing
        cells = (
            str(row.wave),
            plain(row.target),
            verdict,
            measured(row, "rto"),
            measured(row, "rpo"),
            damage(row.outcome),
            plain(row.why),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def fleet_html(table: FleetTable, report_url: str | None = None) -> str:
    """A page that needs nothing from elsewhere."""
    made = environment()
    made.filters |= {"measured": measured, "damage": lambda row: damage(row.outcome)}
    return made.get_template("fleet.html.j2").render(
        table=table,
        meanings=[(each, why) for each, why in _MEANINGS.items() if each in table.sums],
        link=lambda row: link_of(table, row, report_url),
    )


def link_of(table: FleetTable, row: FleetRow, report_url: str | None) -> str:
    """Where the report of a target's run is; '' where there is no run that has ended."""
    if row.outcome is None or not row.run:
        return ""
    # A fleet is in `.fleets/ID`, beside the drills.
    root = report_url.rstrip("/") if report_url else "../.."
    return f"{root}/{quote(table.drill, safe='')}/{quote(row.run, safe='')}/report.html"


def measured(row: FleetRow, name: str) -> str:
    """The worst number of that name, against its bound: the one that is the largest share of it."""
    found = [m for m in (row.outcome.measured if row.outcome else ()) if m.name == name]
    if not found:
        return "-"
    worst = max(found, key=_share)
    said = format_duration(round(worst.value_s, 2))
    return f"{said} of {format_duration(worst.bound_s)}" if worst.bound_s else said


def _share(measure: FleetMeasure) -> tuple[float, float]:
    return (measure.value_s / measure.bound_s if measure.bound_s else 0.0, measure.value_s)


def damage(outcome: TargetOutcome | None) -> str:
    """What users lost."""
    if outcome is None or outcome.result in ("refused", "not run"):
        return "-"
    said: Sequence[str] = [
        f"{outcome.lost:,} requests" if outcome.lost else "",
        f"longest gap {format_duration(round(outcome.longest_gap_s, 2))}"
        if outcome.longest_gap_s
        else "",
    ]
    return ", ".join(filter(None, said)) or "none seen"

"""`slo`: the objectives that are found from here, and how they stand."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from drillkit.clients.prometheus import Prometheus
    from drillkit.model.slo import Slo
    from drillkit.model.target import PrometheusTarget, Target
    from drillkit.slo.status import SloStatus
    from drillkit.spec.openslo import FoundSlo

_JSON = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
TARGET_OPTIONS = (
    click.option(
        "--target", "-t", metavar="NAME", help="Whose Prometheus is asked; see targets.yaml."
    ),
    click.option("--prometheus", metavar="URL", help="Ask this one instead."),
    click.option(
        "--scrape", metavar="DURATION", help="Its scrape interval, with --prometheus. Default: 15s."
    ),
)


def with_target(command: Any) -> Any:
    """Options that choose a metrics server."""
    for option in reversed(TARGET_OPTIONS):
        command = option(command)
    return command


@click.group()
def slo() -> None:
    """Service level objectives (OpenSLO documents): list, show, check, explain.

    NAME is a file, or the name of an SLO in drills/slos of this project or among those that come
    with drillkit.
    """


@slo.command(name="list")
@_JSON
def list_(as_json: bool) -> int:
    """Objectives that are found from this folder, and the documents that are refused."""
    from drillkit.spec.openslo import list_slos
    from drillkit.spec.roots import find_roots

    found, wrong = list_slos(find_roots())
    if as_json:
        rows = [
            {
                "name": f.slo.name,
                "target": f.slo.target,
                "window_s": f.slo.window.total_seconds(),
                "source": _source(f.slo),
                "path": str(f.path),
            }
            for f in found
        ]
        click.echo(json.dumps({"slos": rows, "refused": [str(error) for error in wrong]}, indent=2))
    else:
        width = max((len(each.slo.name) for each in found), default=0)
        for each in found:
            promise = f"{each.slo.target * 100:.6g} % over {_length(each.slo.window)}"
            click.echo(
                f"{each.slo.name:{width}}  {promise:20} {_source(each.slo):10}  {each.where}"
            )
        for error in wrong:
            click.secho(f"refused  {error}", fg="red", err=True)
    return 2 if wrong else 0


@slo.command()
@click.argument("name")
def show(name: str) -> None:
    """What an SLO says once its references are followed, as YAML."""
    import yaml

    from drillkit.model.codec import to_data

    found = _find(name)
    click.echo(f"# {found.where}")
    data = {
        "name": found.slo.name,
        "kind": type(found.slo.sli).__name__.lower(),
        **to_data(found.slo),
    }
    click.echo(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=160), nl=False)


@slo.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@with_target
@click.option(
    "--at", metavar="TIME", help="As it stood then, such as 2026-11-01T03:00:00Z. Default: now."
)
@click.option(
    "--over",
    metavar="DURATION",
    help="Judge so long a window instead of the SLO's own, such as 5m.",
)
@_JSON
def check(
    names: tuple[str, ...],
    target: str | None,
    prometheus: str | None,
    scrape: str | None,
    at: str | None,
    over: str | None,
    as_json: bool,
) -> int:
    """Ask how SLOs stand: counts, interval, budget left, burn rates and when each page would come.

    Ends with 0 when they hold, 1 when one is violated, 3 when that is unknown.
    """
    from drillkit.model.verdict import Holds
    from drillkit.slo.status import stand

    found = [
        _find(name) for name in names
    ]  # a refused document ends here, before anything is asked
    when, window = _moment(at), _duration(over, "--over")
    standings: list[SloStatus] = []
    with opened(target, prometheus, scrape) as server:
        moment = when if when is not None else server.stored_until()
        for each in found:
            standings.append(stand(server, each.slo, moment, window))
        where = server.where
    if as_json:
        click.echo(json.dumps([_data(standing) for standing in standings], indent=2))
    else:
        for each, standing in zip(found, standings, strict=True):
            _print(each, standing, where)
    worst = Holds.worst([standing.answer.holds for standing in standings])
    return {Holds.MET: 0, Holds.VIOLATED: 1, Holds.UNKNOWN: 3}[worst]


@slo.command()
@click.argument("name")
def explain(name: str) -> None:
    """What an SLO means, what would be asked for it, and when its alerts would come.
    Asks nobody.
    """
    from drillkit.cli.slo_text import explained

    for line in explained(_find(name)):
        click.echo(line)


def _find(name: str) -> FoundSlo:
    from drillkit.spec.openslo import find_slo
    from drillkit.spec.roots import find_roots

    return find_slo(name, find_roots())


def _source(slo: Slo) -> str:
    from drillkit.model.slo import Probed

    return "probe" if isinstance(slo.sli, Probed) else "prometheus"


def _length(window: timedelta) -> str:
    from drillkit.model.units import format_duration

    return format_duration(window)


def _moment(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise click.BadParameter(
            f"expected a time with its zone, such as 2026-11-01T03:00:00Z, found {text!r}",
            param_hint="--at",
        )
    return at.timestamp()


def _duration(text: str | None, option: str) -> timedelta | None:
    from drillkit.model.units import parse_duration

    try:
        return parse_duration(text) if text is not None else None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


@contextlib.contextmanager
def opened(target: str | None, url: str | None, scrape: str | None) -> Iterator[Prometheus]:
    """The metrics server that the options choose. Raises UsageError."""
    from drillkit.clients.prometheus import open_prometheus
    from drillkit.clock import SystemClock

    chosen, server = server_target(target, url, scrape)
    yield open_prometheus(server, SystemClock(), aws=chosen.aws)


def server_target(
    target: str | None, url: str | None, scrape: str | None
) -> tuple[Target, PrometheusTarget]:
    """The target, and how its metrics server is reached. Raises UsageError, SpecError."""
    from drillkit.cli.targets import typed
    from drillkit.spec import find_roots
    from drillkit.spec.running_target import metrics_target

    every = _duration(scrape, "--scrape")
    found = metrics_target(typed(), find_roots(), target, url, every)
    assert found.prometheus is not None
    return found, found.prometheus


def _data(found: SloStatus) -> dict[str, Any]:
    return {
        "slo": found.slo.name,
        "holds": str(found.answer.holds),
        "expected": found.answer.expected,
        "found": found.answer.why,
        "at": found.at,
        "window_s": round(found.at - found.start, 3),
        "covered_s": round(found.covered_s, 3),
        "good": found.count.good,
        "total": found.count.total,
        "bad": found.count.bad,
        "why": found.count.why,
        "notes": list(found.count.notes),
        "queries": list(found.count.queries),
        "interval": list(found.interval) if found.interval else None,
        "budget_left": found.remaining,
        "burn": [
            {
                "alarm": b.alarm.name,
                "factor": b.alarm.factor,
                "short_s": b.alarm.short_s,
                "long_s": b.alarm.long_s,
                "short": b.short,
                "long": b.long,
                "fires_in_s": b.fires_in_s,
                "outage_s": b.outage_s,
                "why": b.why,
            }
            for b in found.burning
        ],
    }


def _print(found: FoundSlo, standing: SloStatus, where: str) -> None:
    from drillkit.cli.slo_text import standing_lines

    color = {"met": "green", "unknown": "yellow", "violated": "red"}[standing.answer.holds]
    click.secho(
        f"{standing.slo.name}: {standing.answer.holds}, {standing.answer.why}", fg=color, bold=True
    )
    for line in standing_lines(found, standing, where):
        click.echo(line)

"""`gameday`: a drill with people in it; `say`: take part from another terminal."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drillkit.cli.options import OUT, RECOVER, YES, Out, with_shared
from drillkit.cli.serving import Serving, entering, served, told, with_serve
from drillkit.cli.starting import (
    announce,
    enter,
    prepare_report,
    see_to_leftovers,
    telling_who_must_act,
)

if TYPE_CHECKING:
    from drillkit.live.launch import PageProcess
    from drillkit.model.drill import Drill
    from drillkit.runner.request import Finished, Request


@click.command()
@with_shared
@OUT
@YES
@click.option(
    "--role",
    "roles",
    multiple=True,
    metavar="ROLE=NAME",
    help="Who takes part: facilitator, operator, scribe, safety, observer.",
)
@click.option("--as", "me", metavar="NAME", help="Who types here. Default: the facilitator.")
@RECOVER
@with_serve
def gameday(
    name: str,
    target: str | None,
    sets: tuple[str, ...],
    var_files: tuple[Path, ...],
    out: Out,
    yes: bool,
    roles: tuple[str, ...],
    me: str | None,
    recover_first: bool,
    serve: str | None,
    serve_cert: Path | None,
    serve_key: Path | None,
) -> int:
    """Run a drill with people: each step is announced and held until somebody says go; they do by
    hand what is to be done by hand, note, mark, and debrief.

    From other terminals: `drillkit say`, and `drillkit abort` to stop it.
    """
    from drillkit.cli import resolve
    from drillkit.cli.summary import tell
    from drillkit.prestart import prestarted

    asked = resolve.ask(name, sets, var_files, target, need=True)
    given = _given(roles)
    announce(asked)
    serving = Serving(serve, serve_cert, serve_key)
    with (
        prestarted() as process,
        resolve.standing_target(asked) as (standing, pid),
        served(serving) as page,
    ):
        if process is not None and "chaostoolkit" not in resolve.kinds_of(asked.parsed):
            process.close()
            process = None
        names = resolve.new_run(asked.parsed.name)
        drill = asked.parsed.resolve(asked.sets, standing, names)
        present = _participants(drill, given, me, may_ask=sys.stdin.isatty() and not yes)
        resolve.confirm(drill, standing, yes=yes)
        request = resolve.request_of(asked, drill, standing, names, out)
        with telling_who_must_act(asked, drill, names):
            see_to_leftovers(standing, recover_first, request.reports)
        request = replace(
            request,
            trigger="game day",
            launched_pid=pid,
            prestarted=process,
            attended=True,
            participants=present,
        )
        if standing.approvals:
            from drillkit.cli.approve import admitted

            request = admitted(None, asked, request)
        if problems := _prerequisites(request):
            from drillkit.model.errors import Refused

            raise Refused("; ".join(problems))
        finished = _play(request, me or present[0][0], page)
        told(page, finished)
    return tell(finished, as_json=False)


def _given(roles: tuple[str, ...]) -> list[tuple[str, str]]:
    from drillkit.model.drill import ROLES
    from drillkit.model.errors import UsageError

    found = []
    for text in roles:
        role, _, name = text.partition("=")
        if role not in ROLES or not name.strip():
            raise UsageError(
                f"expected --role ROLE=NAME with one of {', '.join(ROLES)}, found `{text}`"
            )
        found.append((_a_name(name), role))
    return found


def _participants(
    drill: Drill, given: list[tuple[str, str]], me: str | None, *, may_ask: bool
) -> tuple[tuple[str, str], ...]:
    """(name, role) of everybody, the facilitator first: from the drill and `--role`; where neither
    says who is there, those are asked who can be.
    """
    from drillkit.runner.run_start import operator

    roles = drill.gameday.roles if drill.gameday is not None else {}
    found = [(name, role) for role, names in roles.items() for name in names] + given
    lead = me or operator()
    if not found and may_ask:
        found = _asked(lead)
    elif not any(role == "facilitator" for _, role in found) and may_ask and me is None:
        lead = click.prompt("Who is the facilitator?", default=lead, err=True, value_proc=_a_name)
    if not any(role == "facilitator" for _, role in found):
        found.insert(0, (lead, "facilitator"))
    found.sort(key=lambda pair: pair[1] != "facilitator")
    return tuple(dict.fromkeys(found))


_DOES = {
    "facilitator": "says go, leads the debrief",
    "operator": "does what is done by hand",
    "scribe": "writes down what is said and done",
    "safety": "watches the real users, may stop it",
    "observer": "watches",
}


def _asked(lead: str) -> list[tuple[str, str]]:
    """(name, role) of everybody who is there, as somebody types it."""
    click.echo("Who is there? Names with commas between them; an empty line: nobody.", err=True)
    found = []
    for role, does in _DOES.items():
        first = role == "facilitator"
        names = click.prompt(
            f"  {role:12} ({does})",
            default=lead if first else "",
            show_default=first,
            err=True,
            value_proc=_names,
        )
        found += [(name, role) for name in names]
    return found


def _names(text: str) -> list[str]:
    return [_a_name(each) for each in text.split(",") if each.strip()]


def _a_name(text: str) -> str:
    """Raises click.UsageError, upon which it is asked again."""
    from drillkit.model.errors import Refused
    from drillkit.runner.session import must_be_name

    try:
        must_be_name(text.strip())
    except Refused as why:
        raise click.UsageError(str(why)) from why
    return text.strip()


def _prerequisites(request: Request) -> tuple[str, ...]:
    """Look at what must be there, and tell; what is missing."""
    from drillkit.clock import SystemClock
    from drillkit.model.units import format_duration
    from drillkit.plan.target_check import expected_pages
    from drillkit.runner.dry_run import dry_run

    found = dry_run(request)
    drill, day = request.drill, request.drill.gameday
    _tell("drill", drill.description)
    for name, role in request.participants:
        _tell(role, name)
    for text in day.expectations if day is not None else ():
        _tell("expected", text)
    _tell("plan", f"{len(found.plan.steps)} steps looked at")
    for decision in found.decisions:
        _tell("guard", f"{decision.guard}: {decision.holds}")
    for look in expected_pages(drill, request.target, SystemClock()):
        _tell("pager", look.said + (f": {look.mend}" if look.mend else ""))
    for note in dict.fromkeys(note for item in found.plan.steps for note in item.prospect.notes):
        _tell("note", note)
    for why in found.plan.fails:
        _tell("would fail", why)
    _tell("course", "nothing begins before somebody types `go`; each step is shown and held")
    if day is not None:
        _tell("ends", f"after {format_duration(day.limit)} at most")
    _tell("to stop", f"`stop` here, Ctrl-C, or `drillkit abort {request.names.id}` anywhere")
    _tell("to join", "`drillkit say` in another terminal")
    return found.problems


def _tell(title: str, text: str) -> None:
    """A line, as wide as the terminal is; nothing where there is nothing to say."""
    from drillkit.cli.output import columns, wrapped

    if text:
        width = columns() if sys.stderr.isatty() else None
        for line in wrapped(f"  {title:12} {text}", width, hang=15):
            click.echo(line, err=True)


def _play(request: Request, me: str, page: PageProcess | None) -> Finished:
    from drillkit.cli.console import Console, screen
    from drillkit.runner.execute import execute

    console = Console(request.drill, me, screen())
    try:
        return execute(
            replace(
                request,
                watch=console,
                people=console.join,
                ahead=prepare_report,
                enter=entering(page, enter),
            )
        )
    finally:
        console.close()


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="WORDS...")
@click.option("--run", "run", metavar="RUN", help="Which run. Default: the one that is running.")
@click.option("--as", "me", metavar="NAME", help="Who says it. Default: you.")
@OUT
def say(words: tuple[str, ...], run: str | None, me: str | None, out: Out) -> int:
    """Take part in a running drill: decide, note, mark.

    \b
    go · skip WHY · repeat · abort      at a hold
    done [WHAT] · fail WHY              what is done by hand
    note TEXT · mark detected           any time; acknowledged, mitigated, resolved
    expect TEXT · yes N · no N · action TEXT [@OWNER] [DATE] · join NAME ROLE · stop
    debrief QUESTION? ANSWER · ready    afterwards
    """
    from drillkit.cli.abort import running
    from drillkit.cli.phrases import request_of
    from drillkit.journal.request_socket import ask
    from drillkit.runner.run_start import operator

    folder = running(run, out)
    n = ask(folder, request_of(" ".join(words), me or operator()))
    click.echo(f"{folder.name}: {words[0]}" + (f" (record {n})" if n else ""))
    return 0

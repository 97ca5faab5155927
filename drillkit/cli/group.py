"""The commands by name, each in a module that is imported when the command is called."""

from __future__ import annotations

import importlib
from typing import Any

import click

_EVERYDAY = "Every day"
_LOOK = "Look and write"
_STEADY = "Service levels"
_RESTORES = "Restores"
_PLACES = "Places"
_PROOF = "Proof"

COMMANDS: dict[str, tuple[str, str, str]] = {
    "run": ("drillkit.cli.run:run", _EVERYDAY, "Run a drill or an experiment."),
    "gameday": (
        "drillkit.cli.gameday:gameday",
        _EVERYDAY,
        "Run a drill with people: held before each step, with a debrief.",
    ),
    "say": ("drillkit.cli.gameday:say", _EVERYDAY, "Take part in a running game day."),
    "plan": ("drillkit.cli.plan:plan", _EVERYDAY, "Show what a drill would do; touch nothing."),
    "approve": (
        "drillkit.cli.approve:approve",
        _EVERYDAY,
        "Sign a saved plan, so that exactly that may run.",
    ),
    "permissions": (
        "drillkit.cli.permissions:permissions",
        _LOOK,
        "The least that a drill must be allowed, as roles or a policy.",
    ),
    "report": (
        "drillkit.cli.report:report",
        _EVERYDAY,
        "Judge and render a run again from its journal.",
    ),
    "abort": (
        "drillkit.cli.abort:abort",
        _EVERYDAY,
        "Stop a running drill; it cleans up and reports.",
    ),
    "block": (
        "drillkit.cli.block:block",
        _PLACES,
        "Nobody starts anything on a target; a drill that runs there stops.",
    ),
    "unblock": ("drillkit.cli.block:unblock", _PLACES, "Drills may start there again."),
    "recover": ("drillkit.cli.recover:recover", _EVERYDAY, "Clean up after runs that could not."),
    "settle": (
        "drillkit.cli.settle:settle",
        _RESTORES,
        "Say that something was undone by hand, where its undo cannot.",
    ),
    "canary": (
        "drillkit.cli.canary:canary",
        _RESTORES,
        "A heartbeat beside your data, from which RPO is measured.",
    ),
    "keep": (
        "drillkit.cli.keep:keep",
        _RESTORES,
        "Hand a restored copy over, so that nothing removes it.",
    ),
    "sweep": (
        "drillkit.cli.sweep:sweep",
        _RESTORES,
        "List and remove what runs of any machine left behind.",
    ),
    "history": (
        "drillkit.cli.history:history",
        _PROOF,
        "What the runs came to over time, and what is proven.",
    ),
    "serve": (
        "drillkit.cli.serve:serve",
        _PROOF,
        "Show history and running drills on a page, read-only.",
    ),
    "actions": (
        "drillkit.cli.actions:actions",
        _PROOF,
        "What people noted to be done in game days, and what is still open.",
    ),
    "compare": ("drillkit.cli.history:compare", _PROOF, "Put two runs side by side."),
    "controls": (
        "drillkit.cli.controls:controls",
        _PROOF,
        "Which runs support which control of a framework.",
    ),
    "verify": (
        "drillkit.cli.evidence:verify",
        _PROOF,
        "Is everything that was sealed still there, as it was?",
    ),
    "sign": ("drillkit.cli.evidence:sign", _PROOF, "Seal a run and sign it."),
    "review": ("drillkit.cli.evidence:review", _PROOF, "A reviewer's signed word on a run."),
    "export": (
        "drillkit.cli.evidence:export",
        _PROOF,
        "A redacted copy of a run for outsiders, still proven.",
    ),
    "keygen": ("drillkit.cli.evidence:keygen", _PROOF, "Make a key pair for signing."),
    "advise": (
        "drillkit.cli.advise:advise",
        _LOOK,
        "What is fragile before anything is broken, and how to mend it.",
    ),
    "due": ("drillkit.cli.due:due", _LOOK, "When each drill is to be rehearsed again."),
    "metrics": (
        "drillkit.cli.metrics:metrics",
        _PROOF,
        "What the runs came to, as Prometheus reads it.",
    ),
    "dashboards": (
        "drillkit.cli.metrics:dashboards",
        _PROOF,
        "Print alerting rules or a dashboard over those.",
    ),
    "schedule": (
        "drillkit.cli.schedule:schedule",
        _EVERYDAY,
        "Print what to install so that a drill starts by itself.",
    ),
    "fleet": (
        "drillkit.cli.fleet:fleet",
        _EVERYDAY,
        "Run one drill on many targets: a canary, then 10 %, then the rest.",
    ),
    "notify": (
        "drillkit.cli.notify:notify",
        _EVERYDAY,
        "Who is told what happens to drills; send them a sample.",
    ),
    "list": ("drillkit.cli.list:list_", _LOOK, "Drills and experiments that are found from here."),
    "show": ("drillkit.cli.show:show", _LOOK, "A drill as it resolves, with everything filled in."),
    "validate": (
        "drillkit.cli.validate:validate",
        _LOOK,
        "Check drills, experiments and targets; touch nothing.",
    ),
    "kinds": ("drillkit.cli.kinds:kinds", _LOOK, "Reference of the step kinds."),
    "schema": ("drillkit.cli.schema:schema", _LOOK, "JSON Schema of a drill, for editors."),
    "init": ("drillkit.cli.init:init", _LOOK, "Write a commented first drill."),
    "docs": ("drillkit.cli.docs:docs", _LOOK, "The manual, page by page."),
    "slo": (
        "drillkit.cli.slo:slo",
        _STEADY,
        "Service level objectives: list, show, check, explain.",
    ),
    "watch": ("drillkit.cli.watch:watch", _STEADY, "Watch SLOs after a change; ends like a drill."),
    "sandbox": ("drillkit.cli.sandbox:sandbox", _PLACES, "A local cluster to practise on."),
    "target": (
        "drillkit.cli.target:target",
        _PLACES,
        "Check a target before the first run, or add one.",
    ),
    "version": (
        "drillkit.cli.version:version",
        _PLACES,
        "Versions of drillkit and what it drives.",
    ),
}


class Lazy(click.Group):
    """A group that imports a command when it is called, so that `--help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name][0].partition(":")
        found: click.Command = getattr(importlib.import_module(module), attribute)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from drillkit.model.spelling import near

            meant = near(args[0], COMMANDS)
            hint = f"; did you mean `{meant}`?" if meant else f"; known: {', '.join(COMMANDS)}"
            raise click.UsageError(f"no command `{args[0]}`{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, (_, section, text) in COMMANDS.items():
            sections.setdefault(section, []).append((name, text))
        for section, rows in sections.items():
            with formatter.section(section):
                formatter.write_dl(rows)


@click.group(
    cls=Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
)
def cli() -> None:
    """Rehearse disasters and prove what came of them.

    \b
    drillkit run pod-delete --target sandbox     a real drill on a local cluster, in seconds
    drillkit plan monthly-dr --target prod       what it would touch, and how each thing is undone

    Exit codes: 0 met, 1 violated, 2 invalid usage or drill, 3 unknown, 4 refused (nothing was
    touched), 5 dirty (something is left: run `drillkit recover`).
    """


def _version(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value and not ctx.resilient_parsing:
        from drillkit import __version__

        click.echo(f"drillkit {__version__}")
        ctx.exit()


cli.params.append(
    click.Option(
        ["--version"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_version,
        help="Show it.",
    )
)

"""`plan --save`, `approve` and `run --plan`: a plan as somebody saw and signed it, nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drillkit.clock import SYSTEM_CLOCK
from drillkit.lazy_dataclass import dataclass
from drillkit.model.json_text import load_json

if TYPE_CHECKING:
    from drillkit.attest.approval import Approval
    from drillkit.cli.resolve import Asked
    from drillkit.clients import Clients
    from drillkit.model.target import Target
    from drillkit.plan import Plan
    from drillkit.runner.request import Request

FORMAT = 1
"""Of the file of a plan."""


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A saved plan with its approvals."""

    contents: Mapping[str, Any]
    sha256: str
    approvals: tuple[str, ...]
    """Signed lines, whoever signed them."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--by", required=True, metavar="NAME", help="Your name, as `approvers` has it.")
@click.option(
    "--key",
    envvar="DRILLKIT_SIGNING_KEY",
    required=True,
    metavar="REFERENCE",
    help="file:PATH, env:NAME or awskms:KEY; default: DRILLKIT_SIGNING_KEY.",
)
@click.option("--expires", default="7d", metavar="DURATION", help="Until when it holds. [7d]")
def approve(file: Path, by: str, key: str, expires: str) -> None:
    """Approve the plan in FILE (of `drillkit plan --save`): sign it, for one run, until a date.

    It is bound to the drill with its limits and bounds, the target, the workloads it touches, all
    files and versions. When one of them changes, `run --plan FILE` refuses and shows what did.
    """
    from drillkit.attest.approval import approve as sign_plan
    from drillkit.cli.evidence import signer
    from drillkit.model.units import parse_duration

    try:
        lasts_s = parse_duration(expires).total_seconds()
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--expires") from error
    found = read_plan(file)
    now = SYSTEM_CLOCK.now()
    line = sign_plan(found.sha256, by, now, now + lasts_s, signer(key))
    write_plan(file, replace(found, approvals=(*found.approvals, line)))
    for text in _summary(found.contents):
        click.echo(text)
    click.echo(f"approved by {by} for one run within {expires}: sha256 {found.sha256}")


def _summary(contents: Mapping[str, Any]) -> list[str]:
    drill, target = contents.get("drill", {}), contents.get("target", {})
    lines = [f"{drill.get('drill')} against {target.get('name')}"]
    for step in contents.get("steps", ()):
        lines.append(f"  {step['step']} ({step['uses']})")
        lines += [f"    touches  {each}" for each in step["touches"]]
        lines += [f"    may      {each}" for each in step["may"]]
    return lines


def write_plan(file: Path, plan: PlanFile) -> None:
    """Write a plan with its approvals. Raises OSError."""
    from drillkit.journal.files import write_file

    data = {
        "drillkit_plan": FORMAT,
        "sha256": plan.sha256,
        "plan": plan.contents,
        "approvals": plan.approvals,
    }
    write_file(file, (json.dumps(data, indent=2) + "\n").encode(), durable=True)


def read_plan(file: Path) -> PlanFile:
    """A saved plan. Raises UsageError for a file that is none, Refused for one that was changed."""
    from drillkit.model.errors import Refused, UsageError
    from drillkit.plan.contents import digest_of

    try:
        data = load_json(file.read_bytes())
        if data["drillkit_plan"] != FORMAT:
            raise ValueError(f"format {data['drillkit_plan']!r}")
        contents, sha256 = dict(data["plan"]), str(data["sha256"])
        approvals = tuple(map(str, data["approvals"]))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(
            f"{file}: expected a plan as `drillkit plan NAME --save FILE` writes it ({error})"
        ) from error
    if digest_of(contents) != sha256:
        raise Refused(f"{file} was changed after it was saved: its hash is not that of its plan")
    return PlanFile(contents, sha256, approvals)


def contents_now(
    asked: Asked, plan: Plan, digests: Mapping[str, str], run_id: str, clients: Clients
) -> Mapping[str, Any]:
    """What a plan that was made just now would have approved. Raises CallError."""
    from datetime import UTC, datetime

    from drillkit.plan.contents import RUN_ID, contents_of
    from drillkit.steps.base import RunNames
    from drillkit.versions import versions

    standing = plan.target
    names = RunNames(RUN_ID, asked.parsed.name, datetime(2000, 1, 1, tzinfo=UTC))
    return contents_of(
        plan,
        asked.parsed.resolve(asked.sets, standing, names),
        run_id,
        digests=digests,
        versions=versions(),
        kube=clients.kube if standing.kubernetes is not None else None,
    )


def save(file: Path, asked: Asked, request: Request, plan: Plan) -> None:
    """Write a plan that was just made, without approvals."""
    from drillkit.cli.targets import connected
    from drillkit.plan.contents import digest_of

    clients = connected(request.target)
    clients.fence.close("a plan is only saved")
    try:
        contents = contents_now(asked, plan, request.digests, request.names.id, clients)
    finally:
        clients.close()
    write_plan(file, PlanFile(contents, digest_of(contents), ()))


def admitted(file: Path | None, asked: Asked, request: Request) -> Request:
    """The request, which goes no further than its plan was approved; as it is where the target asks
    for no approvals and no plan is given. Raises Refused, UsageError.
    """
    from drillkit.model.errors import Refused
    from drillkit.model.records import APPROVAL_BY

    target = request.target
    if file is None:
        if target.approvals:
            name, on = asked.parsed.name, f"--target {target.name}"
            steps = (
                f"drillkit plan {name} {on} --save plan.json",
                "drillkit approve plan.json --by NAME --key REFERENCE",
                f"drillkit run {name} {on} --plan plan.json",
            )
            raise Refused(
                f"target `{target.name}` asks for {target.approvals} approvals; nothing was "
                "touched. Type:\n  " + "\n  ".join(steps)
            )
        return request
    found = read_plan(file)
    approvals = _approvals(found, asked, target)
    digests = {f"{APPROVAL_BY}{each.by}": each.line_sha256 for each in approvals}
    return replace(
        request,
        digests={**request.digests, "plan": found.sha256, **digests},
        admit=_gate(found, approvals, asked, request),
    )


def _approvals(found: PlanFile, asked: Asked, target: Target) -> Sequence[Approval]:
    if not target.approvals:
        return ()
    from drillkit.attest.approval import enough
    from drillkit.attest.keys import public_key

    assert asked.chosen is not None
    beside = asked.chosen.file.parent
    keys = {name: public_key(beside / path) for name, path in target.approvers.items()}
    return enough(found.approvals, found.sha256, keys, target.approvals, SYSTEM_CLOCK.now())


def _gate(
    found: PlanFile, approvals: Sequence[Approval], asked: Asked, request: Request
) -> Callable[[Plan, Clients], None]:
    """Compares the plan that the run itself has made with the approved one."""

    def admit(plan: Plan, clients: Clients) -> None:
        from drillkit.attest.approval import use_up
        from drillkit.journal.runs import home
        from drillkit.model.errors import Refused
        from drillkit.plan.contents import difference

        now = contents_now(asked, plan, request.digests, request.names.id, clients)
        if changed := difference(found.contents, now):
            raise Refused(
                "what would be done is not what the plan says; nothing was touched. Have it "
                f"planned and approved anew. What changed:\n{changed}"
            )
        try:
            use_up(approvals, home() / "approvals", request.names.id)
        except OSError as error:
            raise Refused(f"the use of an approval cannot be noted: {error}") from error

    return admit

"""`permissions`: the least that an identity must be allowed for one drill, and whether it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from drillkit.cli.options import with_shared

if TYPE_CHECKING:
    from drillkit.plan.excess import PermissionComparison
    from drillkit.plan.least_privilege import LeastPrivilege
    from drillkit.plan.rbac import Subject


@click.command()
@with_shared
@click.option("--rbac", "form", flag_value="rbac", help="Roles for `kubectl apply`; the default.")
@click.option("--iam", "form", flag_value="iam", help="An IAM policy, as JSON.")
@click.option("--terraform", "form", flag_value="terraform", help="Both, for Terraform.")
@click.option(
    "--to",
    metavar="SUBJECT",
    help="Who gets the roles: user:NAME, group:NAME or serviceaccount:NAMESPACE/NAME.  "
    "[default: a ServiceAccount of its own]",
)
@click.option(
    "--verify", is_flag=True, help="Tell what the present identity lacks, and has too much."
)
def permissions(
    name: str,
    target: str | None,
    sets: tuple[str, ...],
    var_files: tuple[Path, ...],
    form: str | None,
    to: str | None,
    verify: bool,
) -> int:
    """Print the least that a drill needs on its target: its steps, their undos, and `recover`.

    Reads only, with an identity that may look at what the drill would touch. Exit codes: 0 all is
    said, 4 a step could not be looked at. With --verify: 0 the present identity has exactly that,
    1 it has more, 3 it could not be asked in full, 4 it lacks something.
    """
    from drillkit.cli import resolve
    from drillkit.plan.least_privilege import least_privilege
    from drillkit.plan.rbac import subject_of
    from drillkit.runner.dry_run import looking, plan_of

    if verify and (form or to):
        from drillkit.model.errors import UsageError

        raise UsageError("--verify compares and prints no roles: leave the other options out")
    subject = subject_of(to) if to else None
    asked = resolve.ask(name, sets, var_files, target, need=True)
    with resolve.standing_target(asked) as (standing, _):
        names = resolve.new_run(asked.parsed.name)
        drill = asked.parsed.resolve(asked.sets, standing, names)
        found = least_privilege(plan_of(resolve.request_of(asked, drill, standing, names, None)))
        for each in (*found.problems, *found.gaps):
            click.echo(f"drillkit: {each}", err=True)
        if verify:
            from drillkit.plan.excess import compared

            return _tell(compared(found, looking(standing)), found)
    click.echo(_written(found, form, subject), nl=False)
    return 4 if found.problems else 0


def _written(found: LeastPrivilege, form: str | None, subject: Subject | None) -> str:
    """Raises UsageError where the target has nothing of the kind."""
    from drillkit.model.errors import UsageError

    target = found.target
    if form is None:
        form = "rbac" if target.kubernetes is not None else "iam"
    if form == "terraform":
        from drillkit.plan.terraform import terraform

        return terraform(found, subject)
    if form == "iam":
        from drillkit.plan.iam import iam_policy

        if target.aws is None:
            raise UsageError(f"target `{target.name}` has no `aws:`: there is no policy to write")
        return iam_policy(found.actions, target.aws)
    from drillkit.plan.rbac import rbac_yaml

    if target.kubernetes is None:
        raise UsageError(
            f"target `{target.name}` has no `kubernetes:`: there are no roles to write"
        )
    return rbac_yaml(found, subject)


def _tell(told: PermissionComparison, found: LeastPrivilege) -> int:
    for who in told.who:
        click.echo(who)
    for title, lines, color in (
        ("lacks", told.lacks, "red"),
        ("exceeds", told.exceeds, "yellow"),
        ("not told", told.unread, "yellow"),
    ):
        for line in lines:
            click.echo(f"  {click.style(f'{title:9}', fg=color)} {line}")
    if told.lacks or found.problems:
        return 4
    if told.unread:
        return 3
    if not told.exceeds:
        click.echo("it has exactly what the drill needs")
    return 1 if told.exceeds else 0

"""`canary`: the permanent heartbeat from which restores learn up to when their data reaches."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from drillkit.cli.targets import OPTION, YES

if TYPE_CHECKING:
    from drillkit.cli.stoppable import Interruption
    from drillkit.clients.sql import Database
    from drillkit.model.target import Target

LATE = timedelta(minutes=3)
"""A heartbeat of every minute that is older than this has stopped."""
_NAMESPACE = click.option("--namespace", "-n", metavar="NAME", help="Namespace that is backed up.")
_NAME = click.option(
    "--name", default="heartbeat", show_default=True, metavar="NAME", help="Name of the heartbeat."
)
_SQL = click.option(
    "--sql", "instance", metavar="INSTANCE", help="A database instance instead of a namespace."
)


@click.group()
def canary() -> None:
    """A heartbeat beside your data: a signed beat every minute, for good.

    A restore that finds the newest beat in its copy (`checks: [{canary: heartbeat}]`) knows its
    recovery point to the minute, and that it read real data. In Kubernetes it is a CronJob that
    signs a ConfigMap; its key is in a Secret that nobody prints. In a database it is a table that a
    job of yours fills; `--sql` prints both.
    """


@canary.command()
@OPTION
@_NAMESPACE
@_SQL
@_NAME
@click.option(
    "--image",
    metavar="IMAGE",
    help="Image with Python 3 for the CronJob. Default: python:3.13-alpine.",
)
@click.option(
    "--apply", is_flag=True, help="With --sql: create the table. The job that fills it is yours."
)
@YES
def install(
    target: str | None,
    namespace: str | None,
    instance: str | None,
    name: str,
    image: str | None,
    apply: bool,
    yes: bool,
) -> None:
    """Make the heartbeat, or bring it up to date. It stays until `drillkit canary remove`."""
    from drillkit.cli.stoppable import stoppable
    from drillkit.cli.targets import chosen_target, confirm

    if instance is not None:
        _install_sql(target, instance, name, apply=apply, yes=yes)
        return
    chosen = chosen_target(target)
    where = _needed(namespace)
    confirm(
        chosen, f"install the heartbeat `{name}` in namespace {where} of {chosen.name}", yes=yes
    )
    meaning = "what was sent is waited for, the rest is not begun"
    again = f"drillkit canary install -n {where} --name {name} --target {chosen.name}"
    afterwards = f"no more than what stands above was made. To go on: {again}"
    with stoppable(meaning, afterwards) as stop:
        _install(chosen, where, name, image, stop)
    click.echo(f"it beats every minute; use it: checks: [{{canary: {name}}}]")


def _install(chosen: Target, where: str, name: str, image: str | None, stop: Interruption) -> None:
    from drillkit import secrets
    from drillkit.cli.targets import connected
    from drillkit.clients.canary import install as heartbeat

    clients = connected(chosen, stop.clock)
    key = None
    if chosen.canary_key:
        key = secrets.resolve(chosen.canary_key, "canary_key", lambda: clients.aws).strip().encode()
    heartbeat.install(
        clients.kube,
        where,
        name,
        image=image or heartbeat.IMAGE,
        key=key,
        tell=click.echo,
        go_on=stop.check,
    )


@canary.command()
@OPTION
@_NAMESPACE
@_NAME
def status(target: str | None, namespace: str | None, name: str) -> int:
    """Whether it beats. Ends with 0 when its newest beat is signed and less than three minutes old,
    else with 1.
    """
    from drillkit.cli.targets import chosen_target, connected
    from drillkit.clients.canary import install as heartbeat
    from drillkit.model.units import format_duration

    clients = connected(chosen_target(target))
    found = heartbeat.standing(clients.kube, _needed(namespace), name)
    if found.beat is None or found.age_s is None:
        click.echo(f"{name}: {found.state}")
        return 1
    signed = "signed" if found.signed else "NOT SIGNED with its key"
    click.echo(
        f"{name}: {found.state}; last beat {format_duration(max(0.0, found.age_s))} ago, {signed}"
    )
    return (
        0
        if found.signed and found.state == "beating" and found.age_s <= LATE.total_seconds()
        else 1
    )


@canary.command()
@OPTION
@_NAMESPACE
@_NAME
@YES
def remove(target: str | None, namespace: str | None, name: str, yes: bool) -> None:
    """Remove the heartbeat: CronJob, ConfigMap, key and permissions."""
    from drillkit.cli.stoppable import stoppable
    from drillkit.cli.targets import chosen_target, confirm, connected
    from drillkit.clients.canary import install as heartbeat

    chosen = chosen_target(target)
    where = _needed(namespace)
    confirm(
        chosen, f"remove the heartbeat `{name}` from namespace {where} of {chosen.name}", yes=yes
    )
    meaning = "what was sent is waited for, the rest is not begun"
    again = f"drillkit canary remove -n {where} --name {name} --target {chosen.name}"
    afterwards = f"no more than what stands above was removed. To go on: {again}"
    with stoppable(meaning, afterwards) as stop:
        kube = connected(chosen, stop.clock).kube
        removed = heartbeat.remove(kube, where, name, tell=click.echo, go_on=stop.check)
    if not removed:
        click.echo(f"there is no heartbeat `{name}` in namespace {where}")


def _needed(namespace: str | None) -> str:
    if not namespace:
        raise click.UsageError(
            "expected --namespace (or --sql INSTANCE with install): drillkit never assumes one"
        )
    return namespace


def _install_sql(target: str | None, instance: str, name: str, *, apply: bool, yes: bool) -> None:
    from drillkit.cli.targets import chosen_target, confirm
    from drillkit.clients.canary import install as heartbeat

    if not apply:
        click.echo(heartbeat.sql(name), nl=False)
        return
    chosen = chosen_target(target)
    confirm(
        chosen, f"create the table of heartbeat `{name}` in {instance} of {chosen.name}", yes=yes
    )
    database = _create_table(chosen, instance, name)
    click.echo(f"{database.said}: the table is there; now have it filled every minute:\n")
    click.echo(heartbeat.sql(name), nl=False)


def _create_table(target: Target, instance: str, name: str) -> Database:
    from drillkit import secrets
    from drillkit.cli.targets import connected
    from drillkit.clients import sql
    from drillkit.clients.canary.install import create_table
    from drillkit.clients.rds.plans import database_of
    from drillkit.model.errors import UsageError

    clients = connected(target)
    described = clients.rds.instance(instance)
    database = database_of(described) if described is not None else None
    if database is None or not database.is_postgres:
        raise UsageError(f"expected a PostgreSQL instance {instance} that listens, found none")
    reference = target.databases.get(instance, "")
    if not reference:
        raise UsageError(
            f"the target names no credentials for {instance}; add it to `databases` of the target"
        )
    who = secrets.login(reference, f"databases of target {target.name}", lambda: clients.aws)
    with sql.session(database, who, 30.0) as session:
        session.rows("set default_transaction_read_only = off")
        session.rows(create_table(name))
    return database

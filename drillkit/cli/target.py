"""`target`: looks at a target, and writes a new one. What a new user runs first."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drillkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from drillkit.plan.discovery import Surroundings
    from drillkit.plan.target_check import TargetLook
    from drillkit.spec.target_text import NewTarget

_COLORS = {"ok": "green", "note": "yellow", "wrong": "red"}


@click.group()
def target() -> None:
    """Where drills run: check a target, or add one to targets.yaml."""


@target.command()
@click.argument("name")
@click.argument("drills", nargs=-1, metavar="[DRILL]...")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def check(name: str, drills: tuple[str, ...], as_json: bool) -> int:
    """Look whether target NAME can be reached, is what it pins, and allows what runs need.

    With DRILLs, also whether each would start now: what it needs must be allowed. Changes nothing.
    Ends with 4 when something keeps runs from starting.
    """
    from drillkit.cli.targets import chosen_target, connected
    from drillkit.clock import SystemClock
    from drillkit.plan.target_check import check_target

    chosen = chosen_target(name)
    clients = connected(chosen)
    looks: list[TargetLook] = []
    try:
        for look in check_target(chosen, clients, SystemClock()):
            looks.append(look)
            if not as_json:
                _tell(look)
    finally:
        clients.close()
    for drill in drills:
        for look in _would_start(drill, name):
            looks.append(look)
            if not as_json:
                _tell(look)
    if as_json:
        click.echo(json.dumps([asdict(look) for look in looks], indent=2, ensure_ascii=False))
    wrong = sum(look.state == "wrong" for look in looks)
    if not as_json:
        click.echo(f"{wrong} wrong" if wrong else f"`{name}` is fit for drills")
    return 4 if wrong else 0


def _tell(look: TargetLook) -> None:
    click.echo(
        f"{click.style(f'{look.state:5}', fg=_COLORS[look.state])}  {look.about}: {look.said}"
    )
    if look.mend:
        click.echo(f"       {look.mend}")


def _would_start(drill: str, name: str) -> Iterator[TargetLook]:
    from drillkit.cli import resolve
    from drillkit.clock import SystemClock
    from drillkit.model.errors import DrillError
    from drillkit.plan.target_check import TargetLook, expected_pages
    from drillkit.runner.dry_run import dry_run

    about = f"drill {drill}"
    try:
        asked = resolve.ask(drill, (), (), name, need=True)
        with resolve.standing_target(asked) as (standing, _):
            names = resolve.new_run(asked.parsed.name)
            resolved = asked.parsed.resolve(asked.sets, standing, names)
            request = resolve.request_of(asked, resolved, standing, names, None)
            found = dry_run(request)
    except DrillError as error:
        yield TargetLook(about, "wrong", str(error))
        return
    yield from (TargetLook(about, "wrong", problem) for problem in found.problems)
    yield from (TargetLook(about, "note", why) for why in found.plan.fails)
    yield from expected_pages(found.plan.drill, request.target, SystemClock())
    if told := ", ".join(each.label for each in request.receivers):
        yield TargetLook(about, "ok", f"what happens to it is told by {told}")
    if not found.problems:
        yield TargetLook(about, "ok", "it would start now; `drillkit plan` shows what it would do")


@dataclass(frozen=True, slots=True)
class _Given:
    """What was typed."""

    name: str
    kubeconfig: str
    context: str
    namespace: str
    region: str
    profile: str
    endpoint_url: str
    prometheus: str
    urls: tuple[str, ...]
    protected: bool


@target.command()
@click.argument("name")
@click.option(
    "--kubeconfig", default="", metavar="FILE", help="Default: KUBECONFIG, ~/.kube/config."
)
@click.option("--context", default="", metavar="NAME", help="Context of the kubeconfig.")
@click.option(
    "--namespace",
    default="drillkit",
    show_default=True,
    metavar="NAME",
    help="Where the lock of a run lives.",
)
@click.option("--region", default="", metavar="NAME", help="AWS region; without it, no AWS.")
@click.option("--profile", default="", metavar="NAME", help="AWS profile.")
@click.option("--endpoint-url", default="", metavar="URL", help="Another endpoint than AWS' own.")
@click.option("--prometheus", default="", metavar="URL", help="Where SLIs are read.")
@click.option("--url", "urls", multiple=True, metavar="NAME=URL", help="What drills may ask.")
@click.option("--protected", is_flag=True, help="Runs here need somebody who types its name.")
@click.option("--print", "only_print", is_flag=True, help="Print it; write nothing.")
def add(
    name: str,
    kubeconfig: str,
    context: str,
    namespace: str,
    region: str,
    profile: str,
    endpoint_url: str,
    prometheus: str,
    urls: tuple[str, ...],
    protected: bool,
    only_print: bool,
) -> int:
    """Write target NAME into the project's targets.yaml: pinned to the cluster and account found.

    Looks for Prometheus, Velero and ingresses, and says in comments what it saw. On a terminal it
    asks for what no option gives; elsewhere `--context` or `--region` must say where. Changes
    nothing but the file.
    """
    from drillkit.spec.target_text import added, put, written_target

    given = _Given(
        name,
        kubeconfig,
        context,
        namespace,
        region,
        profile,
        endpoint_url,
        prometheus,
        urls,
        protected,
    )
    file = None if only_print else _file()
    new = _found(_asked(given))
    if file is None:
        click.echo(written_target(new), nl=False)
        return 0
    from drillkit.spec.project import shown

    put(file, added(file, new))
    click.echo(f"wrote target `{name}` into {shown(file)}")
    click.echo(f"next: drillkit target check {name}")
    return 0


def _file() -> Path:
    from drillkit.model.errors import UsageError
    from drillkit.spec import find_roots

    project = find_roots().project
    if project is None:
        raise UsageError(
            "there is no drillkit.yaml here or above: `drillkit init` makes a project, or use "
            "--print"
        )
    return project.targets


def _asked(given: _Given) -> _Given:
    """With what a terminal was asked for. Raises UsageError where nobody can be asked."""

    from drillkit.clients.kube.kubeconfig_files import contexts
    from drillkit.model.errors import DrillError, UsageError
    from drillkit.model.target import KubernetesTarget

    if given.context or (given.region and not given.kubeconfig):
        return given
    try:
        known, current = contexts(KubernetesTarget(kubeconfig=given.kubeconfig or None))
    except DrillError as error:
        raise UsageError(f"{error}\nfor AWS alone, give --region") from error
    if not sys.stdin.isatty():
        line = f"drillkit target add {given.name} --context {shlex.quote(current or 'NAME')}"
        if given.kubeconfig:
            line += f" --kubeconfig {shlex.quote(given.kubeconfig)}"
        raise UsageError(
            f"nobody can be asked here: give --context ({', '.join(known) or 'there is none'}) or "
            f"--region\ntype: {line}"
        )
    context = click.prompt(
        "Context of the cluster", type=click.Choice(known), default=current or None, err=True
    )
    region = given.region or click.prompt(
        "AWS region (empty: no AWS)", default="", show_default=False, err=True
    )
    profile = given.profile
    if region and not profile:
        profile = click.prompt(
            "AWS profile (empty: default)", default="", show_default=False, err=True
        )
    protected = given.protected or click.confirm(
        "Is it production, where somebody must type its name?", default=False, err=True
    )
    return replace(given, context=context, region=region, profile=profile, protected=protected)


def _found(given: _Given) -> NewTarget:
    """Look at the cluster and the account. Raises CallError, TargetError, UsageError."""
    from drillkit.spec.target_text import NewTarget

    seen = _cluster(given) if given.context or given.kubeconfig else None
    account = _account(given) if given.region else ""
    found = NewTarget(
        name=given.name,
        protected=given.protected,
        account=account,
        region=given.region,
        profile=given.profile,
        endpoint_url=given.endpoint_url,
        prometheus=given.prometheus,
        urls=dict(_pairs(given.urls)),
    )
    if seen is None:
        return found
    return replace(
        found,
        kubeconfig=given.kubeconfig,
        context=given.context,
        cluster_uid=seen.cluster_uid,
        namespace=given.namespace if given.namespace != "drillkit" else "",
        urls={**seen.urls, **found.urls},
        remarks=tuple(_remarks(given, seen)),
    )


def _cluster(given: _Given) -> Surroundings:
    from drillkit.cli.targets import connected
    from drillkit.model.target import KubernetesTarget, Target
    from drillkit.plan.discovery import look_around

    kubernetes = KubernetesTarget(
        kubeconfig=given.kubeconfig or None,
        context=given.context or None,
        namespace=given.namespace,
    )
    clients = connected(Target(name=given.name, kubernetes=kubernetes))
    try:
        return look_around(clients, given.namespace)
    finally:
        clients.close()


def _account(given: _Given) -> str:
    from drillkit.clients.aws import Aws
    from drillkit.clients.identity import Identity
    from drillkit.clock import Fence, SystemClock
    from drillkit.model.target import AwsTarget

    aws = AwsTarget(
        account="",
        region=given.region,
        profile=given.profile or None,
        endpoint_url=given.endpoint_url or None,
    )
    return Aws(aws, SystemClock(), Fence(), Identity()).check_account()


def _pairs(urls: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    from drillkit.model.errors import UsageError

    for each in urls:
        name, equals, url = each.partition("=")
        if not name or not equals or not url:
            raise UsageError(f"--url: expected NAME=URL, found {each!r}")
        yield name, url


def _remarks(given: _Given, seen: Surroundings) -> Iterator[str]:
    yield f"Kubernetes {seen.version}, seen as {seen.who}."
    if seen.emulated:
        yield "It is a practice cluster: runs on it prove nothing real."
    if not seen.has_namespace:
        yield f"Before the first run: kubectl create namespace {given.namespace}"
    for service in seen.prometheus:
        yield f"Prometheus: {service.inside} inside the cluster; from outside for a while:"
        yield f"  {service.forward}"
        yield "  prometheus: {url: ...} says where drills reach it."
    if not seen.prometheus and not given.prometheus:
        yield "No Prometheus was found; SLOs need `prometheus: {url: ...}`."
    for place in seen.velero:
        yield f"Velero is in namespace {place}: `uses: velero.restore` works here."
    if not seen.velero:
        yield "Velero is not installed, or its storage locations may not be listed."
    for why in seen.unread:
        yield f"Not looked at: {' '.join(why.split())}"

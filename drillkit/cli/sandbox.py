"""`sandbox`: a local cluster that stays up, to practise on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drillkit.model.target import Target

STOP_S = 10.0


@click.group()
def sandbox() -> None:
    """A local cluster with real pods under a real proxy; nothing of it leaves this machine.

    `drillkit run ... --target sandbox` uses the one that is up, else starts one for the run and
    stops it afterwards.
    """


def _target() -> Target:
    from drillkit.spec import all_targets, find_roots

    return all_targets(find_roots())["sandbox"][0]


def _folder() -> Path:
    from drillkit.journal.runs import home

    return home() / "sandbox"


@sandbox.command()
@click.option("--aws", is_flag=True, help="With RDS, S3 and their kin.")
@click.option("--velero", is_flag=True, help="With Velero (and what it needs of AWS).")
@click.option(
    "--prometheus",
    is_flag=True,
    help="With a Prometheus that scrapes it; the program must be installed.",
)
def up(aws: bool, velero: bool, prometheus: bool) -> None:
    """Start it in the background and wait until the demo shop answers."""
    from drillkit.journal.files import make_folder
    from drillkit.model.errors import UsageError
    from drillkit.runner.target_process import cannot_be_written, start
    from drillkit.spec.running_target import standing

    target = _target()
    if (found := standing(target)) is not None:
        raise UsageError(
            f"a sandbox is up already (process {found['pid']}); `drillkit sandbox down` stops it"
        )
    folder = _folder()
    try:
        make_folder(folder)
    except OSError as error:
        raise cannot_be_written(folder, error) from error
    more = (
        *(["--aws"] if aws or velero else []),
        *(["--velero"] if velero else []),
        *(["--prometheus"] if prometheus else []),
    )
    process, endpoints = start(target, folder, more, with_us=False)
    assert process.stdout is not None
    process.stdout.close()
    _say(endpoints)


@sandbox.command()
@click.option("--json", "as_json", is_flag=True, help="Print the endpoints as JSON.")
def status(as_json: bool) -> int:
    """Whether one is up, and where."""
    from drillkit.spec.running_target import standing

    found = standing(_target())
    if found is None:
        click.echo("no sandbox is up; start one: drillkit sandbox up")
        return 1
    if as_json:
        click.echo(json.dumps(dict(found), indent=2))
    else:
        _say(found)
    return 0


@sandbox.command()
def down() -> None:
    """Stop it; its pods, databases and backups go with it."""
    from drillkit.clock import SYSTEM_CLOCK, Deadline
    from drillkit.model.errors import TargetError
    from drillkit.spec.running_target import standing

    found = standing(_target())
    if found is None:
        click.echo("no sandbox is up")
        return
    pid = int(found["pid"])
    os.kill(pid, signal.SIGTERM)
    deadline = Deadline.after(STOP_S, SYSTEM_CLOCK)
    while _alive(pid):
        if deadline.over:
            raise TargetError(
                f"process {pid} did not end within {STOP_S:.0f} s; look at it: ps -fp {pid}"
            )
        SYSTEM_CLOCK.sleep(0.02)
    click.echo("the sandbox is down")


def _alive(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # ours, when the same process started it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@sandbox.command()
def kubeconfig() -> int:
    """Print the path of its kubeconfig: export KUBECONFIG=$(drillkit sandbox kubeconfig)."""
    from drillkit.spec.running_target import standing

    found = standing(_target())
    if found is None:
        click.echo("no sandbox is up; start one: drillkit sandbox up", err=True)
        return 1
    click.echo(found["kubeconfig"])
    return 0


def _say(endpoints: Mapping[str, Any]) -> None:
    click.echo(f"up: process {endpoints['pid']}, cluster {endpoints['server']}")
    for name, url in endpoints.get("urls", {}).items():
        click.echo(f"  {name:12} {url}")
    if endpoints.get("prometheus"):
        click.echo(f"  {'prometheus':12} {endpoints['prometheus']}")
    click.echo(f"  kubectl      KUBECONFIG={endpoints['kubeconfig']} kubectl get pods -A")

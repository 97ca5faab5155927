"""What somebody types to finish a clean-up that drillkit could not: the target was down for too
long, or takes nobody's word any more.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from drillkit.cleanup import OpenUndo
from drillkit.clients.identity import recorded
from drillkit.model.records import History
from drillkit.model.target import Target
from drillkit.runner.recorded_target import opening, target_of


def lines_by_hand(opens: Iterable[OpenUndo], history: History) -> tuple[str, ...]:
    """Lines for a shell, faults first: each of the run's own target, which the first lines prove.
    None of an undo that nobody can do by hand, or when nobody knows the target.
    """
    target = target_of(history)
    if target is None:
        return ()
    ordered = sorted(opens, key=lambda undo: (undo.phase != "relieve", undo.rank))
    lines = [line for undo in ordered for line in undo.by_hand]
    if not lines:
        return ()
    return tuple(_at(target, line) for line in (*_proof(history, target, lines), *lines))


def _proof(history: History, target: Target, lines: list[str]) -> Iterator[str]:
    """What shows that the lines behind it lead where the run was."""
    opened = opening(history)
    assert opened is not None, "a history with a target has opened"
    identity = recorded(opened.identities, target)
    if identity.cluster_uid and any(line.startswith(("kubectl ", "velero ")) for line in lines):
        yield (
            "kubectl get namespace kube-system --output jsonpath='{.metadata.uid}'"
            f"  # must be {identity.cluster_uid}"
        )
    if identity.aws_account and any(line.startswith("aws ") for line in lines):
        yield (
            "aws sts get-caller-identity --query Account --output text"
            f"  # must be {identity.aws_account}"
        )


def _at(target: Target, line: str) -> str:
    """The same line with the options that lead to the target."""
    program, _, rest = line.partition(" ")
    given = {name: value for name, value in _options(target, program) if value}
    options = "".join(f"--{name} {shlex.quote(value)} " for name, value in given.items())
    led = f"{program} {options}{rest}" if options else line
    if program == "aws" and target.aws is not None and target.aws.credentials_file:
        return f"AWS_SHARED_CREDENTIALS_FILE={shlex.quote(target.aws.credentials_file)} {led}"
    return led


def _options(target: Target, program: str) -> Iterator[tuple[str, str | None]]:
    if program in ("kubectl", "velero") and target.kubernetes is not None:
        yield "kubeconfig", target.kubernetes.kubeconfig
        yield "context" if program == "kubectl" else "kubecontext", target.kubernetes.context
    if program == "aws" and target.aws is not None:
        yield "profile", target.aws.read_profile
        yield "endpoint-url", target.aws.endpoint_url

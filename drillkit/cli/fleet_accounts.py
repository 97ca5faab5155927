"""Whom the Jobs of a fleet run as, and what each of them may."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drillkit.cli.resolve import Asked
    from drillkit.model.drill import Drill
    from drillkit.model.target import Target
    from drillkit.plan.least_privilege import LeastPrivilege


def account_yaml(asked: Asked, drill: Drill, target: Target) -> tuple[str, LeastPrivilege | None]:
    """The account of a target's Job with its roles, as YAML; what was found that it needs, where it
    needs anything in the cluster. Raises CallError, TargetError, UsageError.
    """

    from drillkit.fleet.plan import account_of
    from drillkit.model.yaml_text import dump_yaml
    from drillkit.plan.rbac import KINDS, Subject, rbac_yaml

    name, namespace = account_of(drill.drill, target), target.fleet.namespace
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": namespace},
        "automountServiceAccountToken": False,
    }
    made = f"---\n{dump_yaml(account)}"
    if target.fleet.kubeconfig_secret is not None:
        secret = f"{namespace}/{target.fleet.kubeconfig_secret}"
        return (
            f"{made}# On {target.name} it is whoever Secret {secret} says. What it must be allowed "
            f"there:\n#   drillkit permissions {drill.drill} --target {target.name} --to ...\n"
        ), None
    if target.kubernetes is None:
        return made, None
    found = _least(asked, target)
    roles = rbac_yaml(found, Subject(KINDS["serviceaccount"], name, namespace), name)
    return f"{made}---\n{roles}", found


def _least(asked: Asked, target: Target) -> LeastPrivilege:
    from drillkit.cli import resolve
    from drillkit.plan.least_privilege import least_privilege
    from drillkit.runner.dry_run import plan_of
    from drillkit.spec.targets import ChosenTarget

    chosen = replace(asked, chosen=ChosenTarget(target, "--targets", Path("targets.yaml")))
    names = resolve.new_run(asked.parsed.name)
    drill = asked.parsed.resolve(asked.sets, target, names)
    return least_privilege(plan_of(resolve.request_of(chosen, drill, target, names, None)))

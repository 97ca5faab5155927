"""The parameter group of a copy."""

from __future__ import annotations

from drillkit.clients.rds import DeleteParameterGroup, Rds
from drillkit.clients.rds.groups import user_values
from drillkit.steps.aws import resource_name
from drillkit.steps.base import Act
from drillkit.steps.expiry import expires
from drillkit.steps.rds.original import Original


def copied_group(
    act: Act,
    rds: Rds,
    original: Original,
    source_group: str,
    *,
    home: Rds | None = None,
    cluster: bool = False,
) -> str:
    """Name of a parameter group for the copy: the original's, with what works on its own
    switched off.

    `home`: where the original's group is, when that is another region.
    """
    family, values = "", {}
    custom = bool(source_group) and not source_group.startswith("default.")
    if not custom or home is not None:
        family = rds.parameter_family(
            original.engine, str(original.described.get("EngineVersion", ""))
        )
    if custom and home is not None:
        values = user_values(home.parameters(source_group, cluster=cluster))
    name = resource_name(act, "cpg" if cluster else "pg")
    plan = act.book.plan(DeleteParameterGroup(name, act.run.id, rds.region, expires(act), cluster))
    rds.copy_parameter_group(
        plan, source="" if home is not None else source_group, family=family, values=values
    )
    return name

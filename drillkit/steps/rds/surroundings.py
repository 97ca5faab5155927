"""What a restore needs around it: network, quotas, room below the cap, checks of the copy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from drillkit.checks import permissions_of, problems_of
from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.rds import Rds, plans
from drillkit.model.prospect import Copied
from drillkit.steps.aws import aws_of
from drillkit.steps.outlook import Outlook
from drillkit.steps.rds.arguments import RestoreArguments
from drillkit.steps.rds.members import described_writer
from drillkit.steps.rds.original import storage_of

Needs = Mapping[str, int]
"""How many of each quota of RDS a restore takes, by the quota's name."""


def foresee_surroundings(
    outlook: Outlook, rds: Rds, arguments: RestoreArguments, needs: Needs, home: Rds | None = None
) -> None:
    """Say what the copies would be like, and what of their surroundings is not as it should be.

    `home`: where the original is, when that is another region than the copy's.
    """
    with outlook.looking():
        outlook.copies += _copies(home or rds, arguments, needs)
    with outlook.looking():
        there = plans.network(aws_of(outlook.act), rds.region)
        if rds.subnet_group(there.subnet_group) is None:
            outlook.problems.append(
                f"there is no subnet group {there.subnet_group} in {rds.region}"
            )
    with outlook.looking():
        outlook.problems += _over_quota(rds, needs)
    most = outlook.act.target.caps.instances
    if needs.get("DBInstances", 0) > most:
        outlook.problems.append(f"the target allows {most} restored instances at once")
    _foresee_checks(outlook, arguments.source)


def _over_quota(rds: Rds, needs: Needs) -> Iterator[str]:
    quotas = rds.quotas()
    for name, count in needs.items():
        used, most = quotas.get(name, (0, count))
        if used + count > most:
            yield (
                f"the quota {name} of {rds.region} is {most} and {used} are used; {count} "
                "more are needed"
            )


def _foresee_checks(outlook: Outlook, source: str) -> None:
    act = outlook.act
    login = act.target.databases.get(source, "")
    kubernetes = act.target.kubernetes
    outlook.problems += problems_of(act.checks, login, kubernetes is not None)
    outlook.cluster += permissions_of(act.checks, kubernetes.namespace if kubernetes else "")
    if not act.checks:
        outlook.notes.append(
            "no `checks:` are declared: nobody will read the data, so the verdict will be unknown"
        )


def _copies(home: Rds, arguments: RestoreArguments, needs: Needs) -> Iterator[Copied]:
    """What its copies are like: as the original is now, or as the drill wants them."""
    described: Described = {}
    if "DBClusters" not in needs:
        described = home.instance(arguments.source) or {}
    elif (cluster := home.cluster(arguments.source)) is not None:
        described = {"DBInstanceClass": described_writer(home, cluster).get("DBInstanceClass")}
    yield Copied(
        f"a copy of {arguments.source}",
        arguments.instance_class or str(described.get("DBInstanceClass") or ""),
        storage_of(described),
        needs.get("DBInstances", 0),
    )

"""`rds.failover`: a Multi-AZ instance is rebooted onto its standby."""

from __future__ import annotations

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.rds import FailOverInstance, Rds, plans
from drillkit.clients.rds.states import is_usable
from drillkit.model.errors import StepFailed
from drillkit.model.permissions import AwsAction
from drillkit.model.prospect import Prospect
from drillkit.model.rehearsal import Rehearsal
from drillkit.steps.base import DATABASE_CHECKS, FROM_HERE, Act, Kind
from drillkit.steps.failover import fail_over, is_in_effect, settled
from drillkit.steps.outlook import Outlook
from drillkit.steps.rds.arguments import FailoverArguments


class RdsFailover(Kind[FailoverArguments]):
    """Reboot a Multi-AZ RDS instance with failover, and wait until its standby serves.

    Connections break, and new ones are refused for half a minute or two. Nothing undoes it and
    nothing needs to: the instance then runs in its other zone.
    """

    name = "rds.failover"
    disturbs = "users"
    rehearses = Rehearsal(way="switchover", system="database", named_by=("source",))
    Arguments = FailoverArguments
    needs = frozenset({"aws"})
    objectives = frozenset({"recovery", "detect"})
    checks = DATABASE_CHECKS - {"checksum"} | FROM_HERE

    def prospect(self, arguments: FailoverArguments, act: Act) -> Prospect:
        outlook = Outlook(act)
        outlook.permissions += [
            "rds:DescribeDBInstances",
            AwsAction("rds:RebootDBInstance", resource=f"db:{arguments.source}"),
            "sts:GetCallerIdentity",
        ]
        with outlook.looking():
            rds = act.clients.rds
            found = multi_az(rds, arguments.source)
            outlook.targets.append(f"rds instance/{rds.region}/{arguments.source}")
            zones = f"{found.get('AvailabilityZone')} to {found.get('SecondaryAvailabilityZone')}"
            outlook.effects.append(
                f"moves {arguments.source} from {zones}; not undone, connections break"
            )
        return outlook.prospect()

    def run(self, arguments: FailoverArguments, act: Act) -> None:
        rds = act.clients.rds
        before = multi_az(rds, arguments.source)
        standby = str(before.get("SecondaryAvailabilityZone"))
        what = f"rds instance/{rds.region}/{arguments.source}"
        plan = act.book.plan(
            FailOverInstance(arguments.source, rds.region, str(before["DbiResourceId"]))
        )

        def moved(fresh_s: float) -> Described | None:
            found = rds.instance(arguments.source, fresh_s)
            there = found is not None and is_usable(str(found.get("DBInstanceStatus")))
            return found if there and found and found.get("AvailabilityZone") == standby else None

        after = fail_over(act, "failover", what, lambda: rds.fail_over_instance(plan), moved)
        is_in_effect(act, "runs in its standby's zone", standby, str(after.get("AvailabilityZone")))
        settled(act, what, plans.database_of(after), act.target.databases.get(arguments.source, ""))


def multi_az(rds: Rds, name: str) -> Described:
    """An instance with a standby, available. Raises StepFailed when it is none."""
    found = rds.instance(name)
    if found is None:
        raise StepFailed(f"there is no rds instance {name} in {rds.region}")
    if not found.get("MultiAZ") or not found.get("SecondaryAvailabilityZone"):
        raise StepFailed(f"{name} is not Multi-AZ: it has no standby to fail over to")
    if not is_usable(str(found.get("DBInstanceStatus"))):
        raise StepFailed(f"expected {name} to be available, it is {found.get('DBInstanceStatus')}")
    return found


KIND = RdsFailover()

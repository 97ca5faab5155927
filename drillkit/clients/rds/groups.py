"""Parameter groups for copies: the source's, with everything switched off that works on its own.

A restored copy has the jobs and subscriptions of its original. Left on, pg_cron mails customers
again and a subscription takes the original's replication slot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from drillkit.clients.aws.creation import created
from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.aws.effect import AwsAttempts
from drillkit.clients.aws.leftovers import OWN_PREFIX, marked, run_of
from drillkit.clients.aws.removal import FoundResource
from drillkit.clients.rds.reader import RdsReader
from drillkit.clients.rds.removal import DeleteInRds
from drillkit.clients.undo import Leftover
from drillkit.journal.book import Planned
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Absent

if TYPE_CHECKING:
    from drillkit.clients import Clients

DESCRIPTION = "made by a drillkit run; schedulers and subscriptions are off"
_OFF: Mapping[str, str] = {
    "cron.max_running_jobs": "0",
    "cron.launch_active_jobs": "off",
    "max_logical_replication_workers": "0",
    "rds.logical_replication": "0",
    "event_scheduler": "OFF",
}
"""Parameters and the values that stop what works on its own (PostgreSQL, MySQL, MariaDB)."""
_UNLOADED = frozenset({"pg_cron", "pglogical", "pgactive"})
"""Libraries that bring background workers of that sort."""
MODIFY_MOST = 20


@dataclass(frozen=True)
class DeleteParameterGroup(DeleteInRds):
    """Deletes a parameter group that the run made, once no instance uses it."""

    kind: ClassVar[str] = "rds.delete-parameter-group"
    rank: ClassVar[int] = 2

    cluster: bool = False
    """Of an Aurora cluster."""

    @property
    def resource(self) -> str:
        return f"rds {'cluster-' if self.cluster else ''}parameter-group/{self.region}/{self.name}"

    @property
    def by_hand(self) -> tuple[str, ...]:
        of = "db-cluster" if self.cluster else "db"
        which = f"--{of}-parameter-group-name {self.name} --region {self.region}"
        return (f"aws rds delete-{of}-parameter-group {which}",)

    def find(self, clients: Clients) -> FoundResource | None:
        return find_group(clients.rds.at(self.region), self)

    def delete(self, clients: Clients, found: FoundResource) -> None:
        of = "Cluster" if self.cluster else ""
        self.service(clients)._send(
            f"DeleteDB{of}ParameterGroup",
            f"delete {self.resource}",
            **{f"DB{of}ParameterGroupName": self.name},
        )

    @classmethod
    def left(cls, rds: RdsReader) -> Iterator[Leftover]:
        for cluster in (False, True):
            group = f"DB{'Cluster' if cluster else ''}ParameterGroup"
            asked = f"Describe{group}s", "list parameter groups", f"{group}s"
            for each in rds.service.pages(*asked, MaxRecords=100):
                name = str(each[f"{group}Name"])
                if not name.startswith(OWN_PREFIX):
                    continue
                try:
                    tags = rds.tags(str(each[f"{group}Arn"]))
                except Absent:  # it went between the two questions
                    continue
                undo = cls(name, run_of(tags), rds.region, cluster=cluster)
                yield from marked(undo, tags)


def find_group(rds: RdsReader, undo: DeleteParameterGroup) -> FoundResource | None:
    """What decides whose a parameter group is."""
    described = rds.parameter_group(undo.name, cluster=undo.cluster)
    if described is None:
        return None
    arn = described["DBClusterParameterGroupArn" if undo.cluster else "DBParameterGroupArn"]
    try:
        return FoundResource(rds.tags(arn), arn=str(arn))
    except Absent:  # it went between the two questions
        return None


def copy_parameter_group(
    rds: RdsReader,
    plan: Planned[DeleteParameterGroup],
    source: str,
    family: str,
    values: Mapping[str, str],
) -> Described:
    """See `Rds.copy_parameter_group`."""
    undo = plan.undo
    of = "Cluster" if undo.cluster else ""
    answer_key = f"DB{of}ParameterGroup"
    if source and not source.startswith("default."):
        operation = f"CopyDB{of}ParameterGroup"
        params = {
            f"Source{answer_key}Identifier": source,
            f"Target{answer_key}Identifier": undo.name,
            f"Target{answer_key}Description": DESCRIPTION,
        }
    else:  # a default group cannot be copied, but it is all defaults of its family
        operation = f"CreateDB{of}ParameterGroup"
        params = {
            f"{answer_key}Name": undo.name,
            "DBParameterGroupFamily": family,
            "Description": DESCRIPTION,
        }

    def ours(_: Described) -> bool:
        found = find_group(rds, undo)
        return found is not None and found.is_of(undo, "")

    def ask(attempts: AwsAttempts, marks: list[dict[str, str]]) -> Described:
        asked = f"make {undo.resource}"
        answer: Described = attempts._send(operation, asked, **params, Tags=marks)[answer_key]
        return answer

    made = created(
        rds.service,
        plan,
        ask,
        find=lambda: rds.parameter_group(undo.name, cluster=undo.cluster),
        ours=ours,
        uid=f"{answer_key}Arn",
    )
    _switch_off(rds, plan, values)
    return made


def _switch_off(
    rds: RdsReader, plan: Planned[DeleteParameterGroup], values: Mapping[str, str]
) -> None:
    undo = plan.undo
    changes = switched_off(rds.parameters(undo.name, cluster=undo.cluster), values)
    of = "Cluster" if undo.cluster else ""
    for start in range(0, len(changes), MODIFY_MOST):
        rds.service._change(
            f"ModifyDB{of}ParameterGroup",
            f"switch off schedulers in {undo.resource}",
            **{f"DB{of}ParameterGroupName": undo.name},
            Parameters=changes[start : start + MODIFY_MOST],
        )


def user_values(parameters: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Parameters that somebody set, of a group's."""
    return {
        name: str(p["ParameterValue"])
        for name, p in parameters.items()
        if p.get("Source") == "user" and p.get("ParameterValue") is not None
    }


def switched_off(
    parameters: Mapping[str, Mapping[str, Any]], values: Mapping[str, str] = MappingProxyType({})
) -> list[dict[str, str]]:
    """Changes that stop schedulers and subscriptions, of those parameters that the group has.

    `values` are set besides, as far as they don't contradict.
    """
    wanted = {name: value for name, value in {**values, **_OFF}.items() if name in parameters}
    inherited = (parameters.get("shared_preload_libraries") or {}).get("ParameterValue") or ""
    loaded = str(values.get("shared_preload_libraries", inherited))
    kept = [
        name
        for name in (part.strip() for part in loaded.split(","))
        if name and name not in _UNLOADED
    ]
    if loaded and ",".join(kept) != ",".join(part.strip() for part in loaded.split(",")):
        wanted["shared_preload_libraries"] = ",".join(kept)
    return [
        {"ParameterName": name, "ParameterValue": value, "ApplyMethod": _method(parameters[name])}
        for name, value in sorted(wanted.items())
        if parameters[name].get("IsModifiable", True)
        and str(parameters[name].get("ParameterValue")) != value
    ]


def _method(parameter: Mapping[str, Any]) -> str:
    return "immediate" if parameter.get("ApplyType") == "dynamic" else "pending-reboot"

"""What a status of RDS means for somebody who waits: it is there, it will never be, or not yet."""

from __future__ import annotations

from drillkit.model.errors import StepFailed

USABLE = frozenset({"available", "storage-optimization", "storage-config-upgrade"})
_FATAL: tuple[tuple[str, str], ...] = (
    (
        "restore-error",
        "the backup cannot be restored; look at the events of the instance and try an older backup",
    ),
    ("failed", "RDS gave up; look at the events of the instance"),
    ("create-failed", "RDS gave up; look at the events"),
    (
        "incompatible-network",
        "the subnet group or security groups of the target do not fit; correct the target",
    ),
    ("incompatible-option-group", "the option group cannot be used there; give the copy another"),
    (
        "incompatible-parameters",
        "the parameters do not fit the instance class; correct the parameter group",
    ),
    ("incompatible-restore", "the backup does not fit; restore from another one"),
    ("incompatible-credentials", "the managed secret cannot be used; look at its KMS key"),
    ("incompatible-create", "the settings do not fit each other; look at the events"),
    (
        "inaccessible-encryption-credentials",
        "the KMS key cannot be used; look at its policy and whether it is enabled",
    ),
    ("insufficient-capacity", "no capacity of this class in this zone; try another class or zone"),
    ("storage-full", "the storage is full; give the copy more"),
    ("stopped", "somebody stopped it"),
    ("deleting", "somebody deletes it"),
)


def is_usable(status: str) -> bool:
    """Whether it serves."""
    return status in USABLE


def check_alive(status: str, what: str, *, deletes: bool = True) -> None:
    """Raises StepFailed, with what to do next, for a status from which nothing comes any more.

    `what` for people: `rds instance/dr-x`; `deletes`: whether being deleted counts.
    """
    for prefix, advice in _FATAL:
        if status.startswith(prefix) and (deletes or prefix != "deleting"):
            raise StepFailed(f"{what} is {status}: {advice}")

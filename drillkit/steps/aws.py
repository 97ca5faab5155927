"""A step on AWS: whose account, names of its things, which refusals fail it. No kind itself."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator

from drillkit.clients.aws import NoCapacity, NoKey, NotRestorable, Quota
from drillkit.model.errors import StepFailed, UsageError
from drillkit.model.target import AwsTarget
from drillkit.steps.base import Act
from drillkit.steps.disruption import DISRUPTED

NAME_LIMIT = 63
ENDPOINT = {
    **DISRUPTED,
    "host": "where the copy listens",
    "port": "its port",
    "endpoint": "both, as `HOST:PORT`",
}
"""Outputs of a restore beside the original."""


def aws_of(act: Act) -> AwsTarget:
    """The target's account. Raises UsageError."""
    if act.target.aws is None:
        raise UsageError(
            f"target `{act.target.name}` has no `aws:`; add account and region to targets.yaml"
        )
    return act.target.aws


def resource_name(act: Act, suffix: str = "", limit: int = NAME_LIMIT) -> str:
    """A name for what the step makes: letters, digits and single dashes, the same whenever it is
    asked for.
    """
    step = re.sub(r"[^a-z0-9]+", "-", act.name.lower()).strip("-")
    name = "-".join(part for part in ("dr", act.run.id, step, suffix) if part)
    if step == act.name and len(name) <= limit:
        return name
    digest = hashlib.sha256(act.name.encode()).hexdigest()[:6]
    kept = f"dr-{act.run.id}-{step}"[: limit - len(digest) - len(suffix) - 2].rstrip("-")
    return "-".join(part for part in (kept, digest, suffix) if part)


@contextlib.contextmanager
def refusals_fail() -> Iterator[None]:
    """What AWS refuses because nothing can be restored is a failed restore, not a call that
    went wrong.
    """
    try:
        yield
    except (NotRestorable, Quota, NoCapacity, NoKey) as why:
        raise StepFailed(str(why)) from why


def place_of(arn: str) -> str:
    """Whose account a thing of AWS is in."""
    parts = arn.split(":")
    return f"account {parts[4]}" if len(parts) > 5 and parts[4] else ""

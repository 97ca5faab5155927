"""Making what an undo deletes: it bears the run's marks, and what an unanswered attempt has made is
adopted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.aws.effect import AwsAttempts, adopted
from drillkit.clients.aws.ownership import tags
from drillkit.clients.aws.removal import DeleteResource
from drillkit.clients.aws.service_client import ServiceClient
from drillkit.clients.effect import make
from drillkit.journal.book import Planned

D = TypeVar("D", bound=DeleteResource)


def created(
    service: ServiceClient,
    plan: Planned[D],
    ask: Callable[[AwsAttempts, list[dict[str, str]]], Described],
    *,
    find: Callable[[], Described | None],
    ours: Callable[[Described], bool],
    uid: str,
) -> Described:
    """What is made, as AWS describes it. Raises NotOurs, CallError.

    Args:
        ask: sends one request, with these tags, and gives what the answer describes.
        find: what has the name now, or None.
        ours: whether that is this run's.
        uid: name of the field by which AWS knows it for ever.
    """
    undo = plan.undo
    marks = tags(undo.run, undo.name, undo.expires)

    def once(attempts: AwsAttempts) -> Described:
        return adopted(lambda: ask(attempts, marks), find, ours, undo.resource)

    return make(AwsAttempts(service, plan), once, lambda made: {"uid": str(made.get(uid, ""))})

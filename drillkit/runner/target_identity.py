"""Who a target really is when a run opens: what record 1 says of it, and every later process that
touches it is held to.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from drillkit.clients import Clients
from drillkit.model.errors import DrillError
from drillkit.model.records import Identities
from drillkit.model.target import Target
from drillkit.runner.request import Request
from drillkit.steps.base import kind_named


def identify(request: Request, clients: Clients) -> tuple[Identities, dict[str, float]]:
    """(who the target really is, how far its clocks are ahead in seconds); what could not be asked
    says why.
    """
    found = Identities(launched_pid=request.launched_pid)
    offsets: dict[str, float] = {}
    if request.target.kubernetes is not None:
        try:
            found = replace(found, cluster_uid=clients.verify_cluster())
            offsets["cluster"] = clients.kube.clock_offset_s()
        except DrillError as error:
            found = replace(found, cluster_error=str(error))
    if request.target.aws is not None and any(
        "aws" in kind_named(step.uses).needs for step in request.drill.every_step
    ):
        try:
            found = replace(found, aws_account=clients.verify_account())
            if (offset_s := clients.aws.clock_offset_s) is not None:
                offsets["aws"] = offset_s
        except DrillError as error:
            found = replace(found, aws_error=str(error))
    return found, offsets


def owning_up(target: Target | None, identities: Identities, clients: Clients) -> Target | None:
    """The target with what is not real about it, which the cluster itself tells where the target's
    file does not.
    """
    if target is None or target.emulated:
        return target
    found: list[str] = []
    if identities.cluster_uid:
        found += clients.kube.emulated()
    url = urlsplit((target.aws.endpoint_url if target.aws is not None else None) or "")
    if url.hostname and not url.hostname.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        found.append(f"AWS: {url.netloc.rpartition('@')[2]} answers in its place.")
    return replace(target, emulated=tuple(dict.fromkeys(found)))

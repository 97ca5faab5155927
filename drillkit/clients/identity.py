"""Who a target must turn out to be. Connections compare it with what they find before they send
anything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import WrongTarget

if TYPE_CHECKING:
    from drillkit.model.records import Identities
    from drillkit.model.target import Target


@dataclass(frozen=True, slots=True)
class Identity:
    """A cluster and an account, and on whose word. What is None is not known, so anything will
    do.
    """

    cluster_uid: str | None = None
    """UID of the namespace kube-system."""
    aws_account: str | None = None
    origin: str = "the target is pinned to"
    """Who says so, for messages: `the run was on`."""
    mend: str = "choose the right context or profile, or correct the target"
    """What to do about another one."""

    def check_cluster(self, found: str, who: str) -> None:
        """Raises WrongTarget when `found` is another cluster's UID. `who`: how we are known
        there.
        """
        if self.cluster_uid and found != self.cluster_uid:
            raise WrongTarget(
                f"{self.origin} cluster {self.cluster_uid}, but this kubeconfig leads to cluster "
                f"{found} ({who}); nothing was sent there. {self._mend()}"
            )

    def check_account(self, found: str, who: str) -> None:
        """Raises WrongTarget when `found` is another account. `who`: its word for these
        credentials.
        """
        if self.aws_account and found != self.aws_account:
            raise WrongTarget(
                f"{self.origin} AWS account {self.aws_account}, but these credentials lead to "
                f"{found} ({who}); nothing was sent there. {self._mend()}"
            )

    def _mend(self) -> str:
        return self.mend[:1].upper() + self.mend[1:]


def pinned(target: Target) -> Identity:
    """What the target's file says."""
    return Identity(
        target.kubernetes.cluster_uid if target.kubernetes is not None else None,
        target.aws.account if target.aws is not None else None,
        f"target `{target.name}` is pinned to",
        "choose the right context or profile, or correct `cluster_uid` or `account` in "
        "targets.yaml",
    )


def recorded(identities: Identities, target: Target) -> Identity:
    """What record 1 of a run's journal says, completed by the pins of the target as it was then."""
    pins = pinned(target)
    return Identity(
        identities.cluster_uid or pins.cluster_uid,
        identities.aws_account or pins.aws_account,
        "the run was on",
        _back_there(target),
    )


def submitted_to(cluster_uid: str, target: Target) -> Identity:
    """The cluster that a Job was submitted to; '' for one that nobody wrote down: as the target
    pins it.
    """
    pins = pinned(target)
    if not cluster_uid:
        return pins
    return Identity(cluster_uid, pins.aws_account, "its Job is in", _back_there(target))


def _back_there(target: Target) -> str:
    cluster, aws = target.kubernetes, target.aws
    ways = {
        "kubeconfig": cluster.kubeconfig if cluster else None,
        "context": cluster.context if cluster else None,
        "AWS profile": aws.profile if aws else None,
    }
    named = [f"{way} {name}" for way, name in ways.items() if name]
    what = " and ".join(named) or "your kubeconfig or AWS credentials"
    return f"make {what} lead there again, then repeat this command"

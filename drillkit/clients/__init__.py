"""One module per outside system. Each mutating call stands beside its undo; foreign errors are
mapped once, here.

`Clients` opens a connection when it is first used, so a drill without AWS never imports boto3.
"""

from __future__ import annotations

import functools
import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from drillkit.model.errors import UsageError
from drillkit.secrets import KNOWN, learn
from drillkit.secrets.parts import secrets_in

# The sampler's process and the worker's starter import this package for one module, and must
# start at once.
if TYPE_CHECKING:
    from drillkit.clients.access import TargetAccess
    from drillkit.clients.alertmanager import Alertmanager
    from drillkit.clients.aws import Aws
    from drillkit.clients.chaostoolkit.process import Workers
    from drillkit.clients.elasticache import ElastiCache
    from drillkit.clients.grafana import Grafana
    from drillkit.clients.identity import Identity
    from drillkit.clients.kube import Kube
    from drillkit.clients.rds import Rds
    from drillkit.clock import Clock, Fence
    from drillkit.model.target import Target
    from drillkit.prestart import Prestarted


class Clients:
    """Connections to one target. Mutating calls of all of them pass `fence`."""

    def __init__(
        self,
        target: Target,
        clock: Clock,
        fence: Fence,
        expected: Identity | None = None,
        *,
        hold: tuple[int, ...] = (),
        prestarted: Prestarted | None = None,
        lender: Clients | None = None,
    ) -> None:
        """`expected`: the cluster and account that the target must turn out to be, verified by
        each connection before its first request. Default: as the target pins them.

        `hold`: descriptors that processes started for this target inherit: the run's lock, so that
        it outlasts them. `prestarted`: a process for Chaos Toolkit that waits already.
        `lender`: whose connection to the cluster is used.
        """
        from drillkit.clients.identity import pinned
        from drillkit.model.codec import to_data

        learn(to_data(target))
        # A plug-in or a library may show what it found there.
        KNOWN.learn(secrets_in(os.environ.items()))
        self.target = target
        self._expected = expected or pinned(target)
        self.clock = clock
        self.fence = fence
        self.hold = hold
        self.prestarted = prestarted
        self._opening = threading.RLock()
        self._lender = lender

    def behind(self, fence: Fence) -> Clients:
        """The same connection to the cluster behind another fence: a plugin that logs in is
        asked once.
        """
        return Clients(self.target, self.clock, fence, self.expected, hold=self.hold, lender=self)

    @functools.cached_property
    def kube(self) -> Kube:
        """The cluster. Raises UsageError when the target has none, TargetError when it cannot
        be configured.
        """
        with self._opening:
            from drillkit.clients.kube import open_kube

            if self._lender is not None:
                return self._lender.kube.behind(self.fence)
            if self.target.kubernetes is None:
                raise UsageError(
                    f"target `{self.target.name}` has no `kubernetes:`; add kubeconfig and context "
                    "to targets.yaml"
                )
            return open_kube(self.target.kubernetes, self.clock, self.fence, self.expected)

    @functools.cached_property
    def aws(self) -> Aws:
        """The AWS account. Raises UsageError when the target has none; nothing is sent yet."""
        with self._opening:
            from drillkit.clients.aws import Aws

            if self.target.aws is None:
                raise UsageError(
                    f"target `{self.target.name}` has no `aws:`; add account and region "
                    "to targets.yaml"
                )
            return Aws(self.target.aws, self.clock, self.fence, self.expected)

    @functools.cached_property
    def rds(self) -> Rds:
        """RDS in the target's region; `rds.at(region)` in another.

        Raises UsageError when the target has no AWS account, TargetError when the credentials lead
        to another one.
        """
        with self._opening:
            from drillkit.clients.rds import Rds

            return Rds(self.aws)

    @functools.cached_property
    def elasticache(self) -> ElastiCache:
        """ElastiCache in the target's region. Raises UsageError, TargetError."""
        with self._opening:
            from drillkit.clients.elasticache import ElastiCache

            return ElastiCache(self.aws)

    @functools.cached_property
    def alertmanager(self) -> Alertmanager:
        """The Alertmanager of the target's `prometheus`. Raises UsageError when it has none."""
        from drillkit.clients.alertmanager import open_alertmanager

        return open_alertmanager(self.target, self.clock, self.fence)

    @functools.cached_property
    def grafana(self) -> Grafana:
        """The target's Grafana. Raises UsageError when it has none."""
        from drillkit.clients.grafana import open_grafana

        return open_grafana(self.target, self.clock, self.fence)

    @functools.cached_property
    def access(self) -> TargetAccess:
        """What programs that work at the target are given. Close it when nobody needs it."""
        with self._opening:
            from drillkit.clients.access import TargetAccess

            return self._lender.access if self._lender is not None else TargetAccess(self)

    @functools.cached_property
    def chaostoolkit(self) -> Workers:
        """Processes that run Chaos Toolkit's experiments. Close them when the run is over."""
        with self._opening:
            from drillkit.clients.chaostoolkit.process import Workers

            return Workers(self.access, self.hold, self.prestarted)

    def verify_cluster(self) -> str:
        """UID of the cluster; from now on nothing but that one is expected here.

        Raises WrongTarget when it is not the expected one, CallError, TargetError, UsageError.
        """
        found = self.kube.cluster_uid()
        self._learn(cluster_uid=found)
        return found

    def verify_account(self) -> str:
        """Id of the AWS account; from now on nothing but that one is expected here.

        Raises WrongTarget when it is not the expected one, CallError, TargetError, UsageError.
        """
        found = self.aws.check_account()
        self._learn(aws_account=found)
        return found

    @property
    def expected(self) -> Identity:
        """Who the target must be, for processes that open connections of their own."""
        return self._lender.expected if self._lender is not None else self._expected

    def _learn(self, **found: str) -> None:
        if self._lender is not None:
            self._lender._learn(**found)
            return
        with self._opening:
            self._expected = replace(self._expected, **found)

    def close(self) -> None:
        """End the processes that were started for this target, with all that they left running,
        and remove what they were given.
        """
        workers: Workers | None = self.__dict__.get("chaostoolkit")
        if workers is not None:
            workers.close()
        access: TargetAccess | None = self.__dict__.get("access")
        if access is not None and self._lender is None:
            access.close()

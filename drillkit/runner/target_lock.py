"""The run's lock in the target cluster, kept for as long as the run lasts, its clean-up
included.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from drillkit.clients import Clients
from drillkit.clients.kube import ReleaseLease
from drillkit.clients.kube.lease import LOCK
from drillkit.clock import Clock, Deadline, Fence
from drillkit.journal.book import Book, Planned
from drillkit.model.errors import CallError, NotOurs, Refused
from drillkit.model.units import format_duration
from drillkit.runner.abort import Stopper

TTL_S = 60
"""A lock that is not renewed for so long may be taken by another run."""
FLAG_EVERY_S = 1.0
"""How often the stop flag is read: an abort by `kubectl annotate` is promised within
two seconds.
"""
RETRY_S = 2.0
SURE_S = TTL_S / 2
"""So long after a renewal nobody else can have taken the lock, and the clocks may differ."""


class TargetLock:
    """One drill at a time on a cluster."""

    def __init__(self, clients: Clients, clock: Clock, stopper: Stopper) -> None:
        # A fence of its own: the lock is renewed while the clean-up works behind the run's
        # closed fence.
        self._clients = clients.behind(Fence())
        self._clock, self._stopper = clock, stopper
        self._plan: Planned[ReleaseLease] | None = None
        self._over = threading.Event()
        self._renewing = threading.Lock()
        self._renewed = (0.0, 0.0)
        """Date and monotonic time when the last renewal began that was answered."""
        self._thread = threading.Thread(target=self._keep, name="target-lock", daemon=True)

    def take(
        self,
        book: Book,
        run: str,
        holder: str,
        wait_s: float,
        fence: Fence,
        waits: Callable[[str], None] = lambda why: None,
    ) -> None:
        """Take the lock and keep it. `waits` is told once that it is waited for, and why. Raises
        Refused naming the holder when it is not free within `wait_s`.
        """
        kubernetes = self._clients.target.kubernetes
        assert kubernetes is not None
        deadline = Deadline.after(wait_s, self._clock)
        plan = book.plan(ReleaseLease(LOCK, kubernetes.namespace, run))
        told = False
        while True:
            began = self._clock.now(), self._clock.mono()
            try:
                self._clients.kube.acquire_lease(plan, holder=holder, ttl_s=TTL_S)
                break
            except Refused as why:
                if deadline.over:
                    raise
                if not told:
                    told = True
                    waits(str(why))
                if self._clock.sleep(min(RETRY_S, deadline.left()), fence.closed):
                    raise Refused(f"stopped while waiting for the lock: {fence.why}") from why
        self._plan, self._renewed = plan, began
        fence.ask(self._vouch)
        self._thread.start()

    def stop(self) -> None:
        """No more renewals: the clean-up is about to release it."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def _vouch(self) -> None:
        """Before each effect: a machine that was paused, or that the cluster has not answered for
        long, does not know whether another run has taken the lock meanwhile. Raises Refused.
        """
        if self._unsure_s() < SURE_S:
            return
        with self._renewing:
            if (unsure_s := self._unsure_s()) < SURE_S:
                return
            try:
                self._renew()
            except NotOurs as why:
                self._lost(why)
                raise Refused(f"no new effect: the lock on the target was lost: {why}") from why
            except CallError as why:
                if unsure_s >= TTL_S:
                    raise Refused(
                        f"no new effect: the lock on the target was not renewed for "
                        f"{format_duration(round(unsure_s))}, so that another run may have taken "
                        f"it: {why}"
                    ) from why

    def _unsure_s(self) -> float:
        """Since the last renewal, by whichever clock says more: one of them stands still while a
        machine sleeps.
        """
        now, mono = self._renewed
        return max(self._clock.now() - now, self._clock.mono() - mono)

    def _renew(self) -> str:
        """The stop flag, if there is one. Raises NotOurs, CallError."""
        assert self._plan is not None
        began = self._clock.now(), self._clock.mono()
        flag = self._clients.kube.renew_lease(self._plan)
        self._renewed = began
        return flag

    def _lost(self, why: NotOurs) -> None:
        self._stopper.abort("guard", f"the lock on the target was lost: {why}")

    def _keep(self) -> None:
        while not self._clock.sleep(FLAG_EVERY_S, self._over):
            try:
                flag = self._renew()
            except NotOurs as why:
                self._lost(why)
                return
            except (
                CallError
            ):  # a cluster in trouble is a drill's normal weather; the lock outlives 60 s of it
                continue
            if flag:
                self._stopper.abort("operator", f"stop flag on the Lease: {flag}")
                return

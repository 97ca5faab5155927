"""A session for plain `chaos run`: its journal is a local folder, opened when something is
planned first.
"""

from __future__ import annotations

import atexit
import getpass
import os
import secrets
from collections.abc import Mapping

from drillkit import __version__
from drillkit.cleanup import Cleaned, clean, open_undos
from drillkit.cleanup.run import AT_ONCE
from drillkit.clients import Clients
from drillkit.clients.chaostoolkit.session import WorkerSession, open_session
from drillkit.clock import Deadline, Fence, SystemClock, utc
from drillkit.journal.book import E, Planned
from drillkit.journal.file import Journal, read
from drillkit.journal.files import make_folder
from drillkit.journal.runs import JOURNAL, RunLock, home, register, unregister
from drillkit.model.drill import Drill
from drillkit.model.errors import DrillError, JournalLost
from drillkit.model.records import Entry, Identities, RunClosed, RunOpened
from drillkit.model.target import Caps, KubernetesTarget, Target

LIMIT_S = 24 * 3600.0
"""A plain run has no limit of its own; its waits all have theirs."""
UNDO_LIMIT_S = 300.0
PODS_VARIABLE, NODES_VARIABLE = "DRILLKIT_CAP_PODS", "DRILLKIT_CAP_NODES"
"""Caps belong to a drill's target; without one these hold, and without these none."""


class LocalBook:
    """A journal that comes into being with the first line: a run of probes leaves
    nothing behind.
    """

    def __init__(self, run: str, clients: Clients) -> None:
        self._run, self._target, self._fence = run, clients.target, clients.fence
        self._clients = clients
        self._journal: Journal | None = None
        self._lock: RunLock | None = None

    def append(self, entry: Entry, *, durable: bool = True, step: str | None = None) -> int:
        """See `Book.append`."""
        return self._open().append(entry, durable=durable, step=step)

    def plan(self, effect: E) -> Planned[E]:
        """See `Book.plan`. Raises CallError where the cluster cannot say which one it is: `recover`
        must know.
        """
        self._clients.verify_cluster()
        return self._open().plan(effect)

    def _open(self) -> Journal:
        if self._journal is None:
            folder = home() / "plain" / self._run
            try:
                make_folder(folder, exist_ok=False)
                self._lock = RunLock.take(folder)
                owner = getpass.getuser() if os.environ.get("USER") else f"uid {os.getuid()}"
                register(self._run, folder, self._target.name, owner)
                self._journal = Journal(folder / JOURNAL, fence=self._fence)
            except OSError as error:
                raise JournalLost(
                    f"{folder}: {error.strerror}: no effect may begin whose undo cannot be kept. "
                    "Set DRILLKIT_HOME to a folder that can be written"
                ) from error
            atexit.register(self._settle_at_exit)
            opened = RunOpened(
                run=self._run,
                drill=Drill(drill="chaos-run", steps=()),
                target=self._target,
                versions={"drillkit": __version__},
                identities=self._identities(),
                trigger="chaos run",
            )
            self._journal.append(opened)
        return self._journal

    def _identities(self) -> Identities:
        try:
            return Identities(cluster_uid=self._clients.verify_cluster())
        except DrillError as error:  # whoever only looks at metrics needs no cluster
            return Identities(cluster_error=str(error))

    def _settle_at_exit(self) -> None:
        """An interpreter that ends starts no threads any more (Python 3.12 and later)."""
        self.settle(at_once=1)

    def settle(self, at_once: int = AT_ONCE) -> Cleaned | None:
        """Undo what is open, so many at the same time. None when nothing was ever planned, or all
        is settled already.
        """
        if self._journal is None:
            return None
        opens = open_undos(read(home() / "plain" / self._run / JOURNAL))
        if not opens:
            self._close()
            return None
        clock = SystemClock()
        undoing = self._clients.behind(Fence())
        cleaned = clean(opens, undoing, self._journal, clock, UNDO_LIMIT_S, at_once=at_once)
        if not cleaned.open:
            self._close()
        return cleaned

    def _close(self) -> None:
        """Nothing is open; the next line, if there is one, begins the journal's next part."""
        unregister(self._run)
        atexit.unregister(self._settle_at_exit)
        assert self._journal is not None
        assert self._lock is not None
        self._journal.append(RunClosed())
        self._journal.close()
        self._lock.release()
        self._journal = None
        self._run = _new_run()


def open_local() -> WorkerSession:
    """Opens the session of this process and gives it back."""
    env, clock, fence = os.environ, SystemClock(), Fence()
    caps = Caps(pods=env.get(PODS_VARIABLE, "100%"), nodes=env.get(NODES_VARIABLE, "100%"))
    target = Target(name="chaos-run", kubernetes=_cluster(env), caps=caps)
    run = _new_run()
    clients = Clients(target, clock, fence)
    book = LocalBook(run, clients)
    session = WorkerSession(
        book,
        clients,
        target,
        clock,
        fence,
        Deadline.after(LIMIT_S, clock),
        run,
    )
    open_session(session)
    return session


def _cluster(env: Mapping[str, str]) -> KubernetesTarget:
    """The cluster that this process speaks to, named so that `drillkit recover` finds the same one
    another day.
    """
    named = [part for part in env.get("KUBECONFIG", "").split(os.pathsep) if part]
    default = os.path.expanduser("~/.kube/config")
    files = os.pathsep.join(os.path.abspath(part) for part in named) or (
        default if os.path.exists(default) else ""
    )
    if not files:
        return KubernetesTarget()
    from drillkit.clients.kube.kubeconfig_files import current_context

    return KubernetesTarget(
        kubeconfig=files, context=env.get("KUBERNETES_CONTEXT") or current_context(files)
    )


def _new_run() -> str:
    return f"{utc(SystemClock().now()):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"

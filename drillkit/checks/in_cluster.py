"""Reading a database from inside the target's cluster: a Job asks, its log answers. For copies the
runner can't reach.

The Job runs `psql` (or `mysql`) of the image in the target's value `check_image`; the password
comes from a Secret that is made for it. Both are removed with the run's other objects.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from drillkit import secrets
from drillkit.checks.context import Context
from drillkit.clients.kube import DeleteObject, Object
from drillkit.clients.kube.resources import JOBS, PODS, SECRETS
from drillkit.clients.polling import poll
from drillkit.clients.sql import Database, SqlSession
from drillkit.clock import utc
from drillkit.model.errors import Absent, Invalid, Unanswered, UsageError
from drillkit.secrets import Login, excerpt

IMAGE = "postgres:16-alpine"
JOB_S = 120
"""A Job may take so long, its image's download included."""
LIVES = timedelta(hours=2)


class InCluster:
    """Sessions whose queries run in Jobs of the target's cluster."""

    def __init__(self, host: Context) -> None:
        self._host = host

    @contextlib.contextmanager
    def open(self, database: Database, login: str) -> Iterator[SqlSession]:
        """See `Runner.open`. Nothing is opened before the first query."""
        who = secrets.login(
            login, f"databases of target {self._host.target.name}", lambda: self._host.clients.aws
        )
        if not database.is_postgres:
            raise UsageError(
                f"`from: cluster` reads PostgreSQL; read {database.engine} with `command:`"
            )
        yield _JobSession(self._host, database, who)


class _JobSession:
    def __init__(self, host: Context, database: Database, who: Login) -> None:
        self._host, self._database, self._who = host, database, who
        self._settings = ["set default_transaction_read_only = on"]

    def rows(self, query: str) -> list[list[Any]]:
        """See `SqlSession.rows`; values come as text. Settings are kept for the queries
        after them.
        """
        if query.startswith("set "):
            self._settings.append(query)
            return []
        host = self._host
        kubernetes = host.target.kubernetes
        if kubernetes is None:
            raise UsageError(f"`from: cluster` needs `kubernetes:` in target `{host.target.name}`")
        digest = hashlib.sha256(f"{host.name}:{host.clock.mono()}:{query}".encode()).hexdigest()[:8]
        name = f"drillkit-check-{host.run.id}-{digest}"
        expires = (utc(host.clock.now()) + LIVES).isoformat(timespec="seconds")

        def undo(of: Any) -> DeleteObject:
            return DeleteObject(of, name, host.run.id, kubernetes.namespace, expires)

        kube = host.clients.kube
        secret = {
            "type": "Opaque",
            "stringData": {"user": self._who.user, "password": self._who.password},
        }
        kube.create(host.book.plan(undo(SECRETS)), secret)
        image = str(host.target.values.get("check_image", IMAGE))
        kube.create(
            host.book.plan(undo(JOBS)), job(image, name, self._database, [*self._settings, query])
        )
        return self._answer(name, kubernetes.namespace)

    def _answer(self, name: str, namespace: str) -> list[list[Any]]:
        host, kube = self._host, self._host.clients.kube

        def look(_: float) -> tuple[str, bool] | None:
            pods = kube.list(PODS, namespace, selector=f"job-name={name}")
            for pod in pods:
                phase = (pod.get("status") or {}).get("phase")
                if phase in ("Succeeded", "Failed"):
                    return kube.log(
                        pod["metadata"]["name"], namespace, tail=5000
                    ), phase == "Succeeded"
            if not pods and (why := _given_up(kube.get(JOBS, name, namespace))):
                raise Unanswered(f"{self._database.said} could not be read from the cluster: {why}")
            return None

        deadline = host.deadline.sooner(JOB_S)
        text, well = poll(
            host,
            look,
            deadline=deadline,
            what=f"job/{namespace}/{name} to end",
            cap_s=2.0,
        )
        if well:
            return [list(row) for row in csv.reader(io.StringIO(text)) if row]
        said = excerpt(" ".join(text.split()), 300, end=True) or "nothing"
        if "does not exist" in text and ("relation" in text or "database" in text):
            raise Absent(f"{self._database.said}: there is no such database or table ({said})")
        if "could not connect" in text or "connection to server" in text:
            raise Unanswered(f"{self._database.said} could not be read from the cluster: {said}")
        raise Invalid(f"{self._database.said}: the query failed in the cluster: {said}")


def _given_up(of: Object) -> str:
    """Why a Job will make no pod any more, since its last one was taken away; '' while it may."""
    conditions = (of.get("status") or {}).get("conditions") or ()
    for each in conditions:
        if each.get("type") in ("Failed", "FailureTarget") and each.get("status") == "True":
            said = each.get("message") or each.get("reason") or "nobody says why"
            return f"its Job's pod is gone and comes back no more ({said})"
    return ""


def job(image: str, secret: str, database: Database, statements: list[str]) -> Object:
    """The Job that asks. The password is in its Secret, never in an argument."""
    ask = [word for statement in statements for word in ("-c", statement)]
    command = [
        "psql",
        "--no-psqlrc",
        "--csv",
        "--tuples-only",
        "--quiet",
        "--set",
        "ON_ERROR_STOP=1",
        *ask,
    ]
    env = [
        {"name": "PGHOST", "value": database.host},
        {"name": "PGPORT", "value": str(database.port)},
        {"name": "PGDATABASE", "value": database.name},
        {"name": "PGCONNECT_TIMEOUT", "value": "10"},
        _from_secret("PGUSER", secret, "user"),
        _from_secret("PGPASSWORD", secret, "password"),
    ]
    container = {
        "name": "check",
        "image": image,
        "command": command,
        "env": env,
        "securityContext": {"allowPrivilegeEscalation": False},
    }
    template = {
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "containers": [container],
        }
    }
    return {"spec": {"backoffLimit": 0, "activeDeadlineSeconds": JOB_S, "template": template}}


def _from_secret(name: str, secret: str, key: str) -> Mapping[str, Any]:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}

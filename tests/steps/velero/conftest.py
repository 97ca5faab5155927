"""One sandbox with Velero for all tests of this folder that run in one process; each test breaks it
in its own way.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import CommandLine, Ran

VELERO = "/apis/velero.io/v1/namespaces/velero"
KNOBS = "/api/v1/namespaces/velero/configmaps"
DRILL: dict[str, Any] = {
    "drill": "dr",
    "owner": "me@example.com",
    "limit": "2m",
    "steps": [
        {
            "name": "shop",
            "uses": "velero.restore",
            "with": {"schedule": "shop-daily", "namespaces": {"shop": "dr-${run.id}"}},
            "objectives": {"rto": "1m", "rpo": "24h"},
            "checks": [{"http": {"service": "web", "path": "/health"}}, {"canary": "heartbeat"}],
        }
    ],
}


class Api:
    """The sandbox's API, without drillkit's client."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        config = yaml.safe_load(kubeconfig.read_text())
        self._base = config["clusters"][0]["cluster"]["server"]
        self._token = config["users"][0]["user"]["token"]
        self._tls = ssl._create_unverified_context()

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": kind}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, context=self._tls, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise AssertionError(error.read().decode()) from error

    def items(self, path: str) -> list[Any]:
        found = self("GET", path)
        return list(found["items"]) if found else []


@dataclass
class Town:
    """The sandbox, and a command line to run drills against it."""

    api: Api
    drillkit: CommandLine

    def knobs(self, **values: Any) -> None:
        """Break Velero; without values it is whole again."""
        self.api("DELETE", f"{KNOBS}/sandbox-velero-knobs")
        if values:
            body = {
                "metadata": {"name": "sandbox-velero-knobs"},
                "data": {"knobs.json": json.dumps(values)},
            }
            self.api("POST", KNOBS, body)

    def backup(self, name: str, schedule: str = "", **spec: Any) -> str:
        """A backup of the shop, done."""
        labels = {"velero.io/schedule-name": schedule} if schedule else {}
        body = {
            "apiVersion": "velero.io/v1",
            "kind": "Backup",
            "metadata": {"name": name, "labels": labels},
            "spec": {"includedNamespaces": ["shop"], **spec},
        }
        self.api("POST", f"{VELERO}/backups", body)
        self.until(
            lambda: self.phase("backups", name) in ("Completed", "PartiallyFailed", "Failed")
        )
        return name

    def phase(self, plural: str, name: str) -> str:
        return str(
            ((self.api("GET", f"{VELERO}/{plural}/{name}") or {}).get("status") or {}).get(
                "phase", ""
            )
        )

    def until(self, true: Callable[[], Any], limit_s: float = 15.0) -> Any:
        end = time.monotonic() + limit_s
        while not (found := true()):
            assert time.monotonic() < end, "it did not come to be"
            time.sleep(0.05)
        return found

    def run(self, drill: Mapping[str, Any], *arguments: str) -> Ran:
        path = self.drillkit.folder / f"{drill['drill']}.yaml"
        path.write_text(yaml.safe_dump(dict(drill)))
        return self.drillkit("run", str(path), "-t", "sandbox", "--yes", *arguments)

    @property
    def records(self) -> list[Any]:
        """The journal of the last run."""
        text = (self.folder / "journal.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def evidence(self, type_: str) -> list[Any]:
        """What the last run saw of that type."""
        return [r["data"] for r in self.records if r["data"].get("type") == type_]

    def left(self) -> dict[str, list[str]]:
        """What carries a run's mark, or came of a restore, anywhere."""
        found = {}
        paths = [
            "/api/v1/namespaces",
            "/api/v1/pods",
            "/api/v1/configmaps",
            "/api/v1/persistentvolumes",
        ]
        paths += [
            f"{VELERO}/{p}"
            for p in ("backups", "restores", "downloadrequests", "deletebackuprequests")
        ]
        for path in paths:
            names = [
                o["metadata"]["name"]
                for o in self.api.items(path)
                if _marked(o["metadata"].get("labels") or {})
            ]
            if names:
                found[path] = names
        return found

    @property
    def folder(self) -> Path:
        return self.drillkit.run_folder("dr").resolve()

    @property
    def verdict(self) -> dict[str, Any]:
        return self.drillkit.verdict("dr")

    def judged(self, about: str) -> dict[str, Any]:
        """The judgement of the first step that is about that."""
        found = [j for step in self.verdict["steps"] for j in step["judged"] if about in j["about"]]
        assert found, [j["about"] for step in self.verdict["steps"] for j in step["judged"]]
        return dict(found[0])


def _marked(labels: Mapping[str, str]) -> bool:
    return "drillkit.dev/run" in labels or "velero.io/restore-name" in labels


@pytest.fixture(scope="session")
def velero_sandbox(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    home = tmp_path_factory.mktemp("velero") / "home"
    state = home / "sandbox"
    state.mkdir(parents=True)
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "drillkit.sandbox",
            "--state",
            str(state),
            "--velero",
            "--die-with-parent",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    try:
        yield state, json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(20)
        process.stdin.close()
        process.stdout.close()


@pytest.fixture
def town(velero_sandbox: tuple[Path, Mapping[str, Any]], tmp_path: Path) -> Iterator[Town]:
    """The sandbox, whole at the start and at the end of a test."""
    state, endpoints = velero_sandbox
    drillkit = CommandLine(tmp_path)
    drillkit.home.mkdir()
    (drillkit.home / "sandbox").symlink_to(state)
    found = Town(Api(Path(endpoints["kubeconfig"])), drillkit)
    found.knobs()
    yield found
    found.knobs()
    found.api("DELETE", "/api/v1/namespaces/kube-system/configmaps/sandbox-cluster-knobs")
    for backup in found.api.items(f"{VELERO}/backups"):
        if not backup["metadata"]["name"].startswith("shop-daily-2"):
            found.api("DELETE", f"{VELERO}/backups/{backup['metadata']['name']}")

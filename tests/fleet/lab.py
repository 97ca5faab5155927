"""Several targets in one sandbox, each with a lock, an account and a Secret of its own; their Jobs
are processes of this machine.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.bucket import BucketServer
from tests.conftest import CommandLine, Ran, Sandbox

DRILL = """
drill: rehearsal
owner: sre
limit: 5m
cleanup_limit: 1m
steps:
  - name: work
    uses: command
    with:
      run: [sh, -c, "touch ${target.values.begun}; until test -e ${target.values.gate}; do sleep 0.05; done"]
      undo: [sh, -c, "touch ${target.values.undone}"]
    checks: [{command: [test, -e, "${target.values.begun}"]}]
    objectives: {rto: "${target.values.rto}"}
"""  # noqa: E501
WAIT_S = 90.0


@dataclass
class FleetLab:
    """A project with targets `t-...`."""

    drillkit: CommandLine
    sandbox: Sandbox
    bucket: BucketServer

    def make(self, targets: Sequence[str], on_hub: Sequence[str] = ()) -> None:
        """`on_hub`: Jobs of these run in the cluster of target `ops`."""
        folder = self.drillkit.folder
        (folder / "drills").mkdir()
        (folder / "drillkit.yaml").write_text("")
        (folder / "drills" / "rehearsal.yaml").write_text(DRILL)
        whole = {name: self._target(name) for name in targets}
        for name in on_hub:
            whole[name]["fleet"] |= {"hub": "ops", "kubeconfig_secret": f"way-to-{name}"}
        self.write({**whole, "ops": {"kubernetes": {"kubeconfig": str(self.sandbox.kubeconfig)}}})
        self.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(self._furniture(targets)))
        printed = self.drillkit.inside("fleet", "accounts", "rehearsal", "--targets", "t-*")
        assert printed.code == 0, printed.said
        self.kubectl("apply", "-f", "-", given=printed.out)
        for name in on_hub:
            file = f"--from-file=kubeconfig={self.sandbox.kubeconfig}"
            self.kubectl("create", "secret", "generic", f"way-to-{name}", "-n", name, file)
        for name in targets:
            self.open(name)

    def write(self, targets: Mapping[str, Any]) -> None:
        text = yaml.safe_dump(dict(targets))
        (self.drillkit.folder / "drills" / "targets.yaml").write_text(text)

    def targets(self) -> dict[str, Any]:
        text = (self.drillkit.folder / "drills" / "targets.yaml").read_text()
        found: dict[str, Any] = yaml.safe_load(text)
        return found

    def change(self, name: str, **values: str) -> None:
        """Of one target, before its fleet begins."""
        whole = self.targets()
        whole[name]["values"] |= values
        self.write(whole)

    def _target(self, name: str) -> dict[str, Any]:
        place = self.drillkit.folder
        return {
            "kubernetes": {
                "kubeconfig": str(self.sandbox.kubeconfig),
                "cluster_uid": self.sandbox.endpoints["cluster_uid"],
                "namespace": name,
            },
            "fleet": {"namespace": name, "secret": f"of-{name}"},
            "values": {
                "gate": str(place / f"{name}.gate"),
                "begun": str(place / f"{name}.begun"),
                "undone": str(place / f"{name}.undone"),
                "rto": "5m",
            },
        }

    def _furniture(self, targets: Sequence[str]) -> Iterator[dict[str, Any]]:
        for name in targets:
            yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            yield {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": f"of-{name}", "namespace": name},
                "stringData": dict(self.bucket.environment),
            }

    def kubectl(self, *words: str, given: str | None = None) -> str:
        command = ["kubectl", "--kubeconfig", str(self.sandbox.kubeconfig), *words]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def jobs(self) -> dict[str, str]:
        """Target -> name of its Job."""
        found = json.loads(self.kubectl("get", "jobs", "-A", "-o", "json"))["items"]
        return {
            each["metadata"]["annotations"]["drillkit.dev/target"]: each["metadata"]["name"]
            for each in found
            if "drillkit.dev/target" in (each["metadata"].get("annotations") or {})
        }

    def shut(self, name: str) -> None:
        """Its drill goes on until it is opened."""
        (self.drillkit.folder / f"{name}.gate").unlink()

    def open(self, name: str) -> None:
        (self.drillkit.folder / f"{name}.gate").touch()

    def begun(self, name: str) -> bool:
        return (self.drillkit.folder / f"{name}.begun").exists()

    def undone(self, name: str) -> bool:
        return (self.drillkit.folder / f"{name}.undone").exists()

    def words(self, *more: str, image: str = "registry.example.com/drillkit:1") -> list[str]:
        """`fleet run`, of everything."""
        first = ["fleet", "run", "rehearsal", "--targets", "t-*", "--image", image]
        return [*first, "--out", self.bucket.url, "--yes", *more]

    def __call__(self, *words: str, home: str = "home") -> Ran:
        """A command, on a machine with this state."""
        env = {**self.bucket.environment, "DRILLKIT_HOME": str(self.drillkit.folder / home)}
        return self.drillkit.process(*words, env=env, limit_s=240)

    def start(self, *words: str) -> subprocess.Popen[str]:
        return self.drillkit.start(*words, env=self.bucket.environment)

    def fleet(self) -> str:
        """Id of the only fleet there is."""
        (found,) = {
            key.split("/")[2]
            for key in self.bucket.everything()
            if key.startswith("drills/.fleets/")
        }
        return found

    def table(self) -> dict[str, Any]:
        """The report as it stands in the bucket."""
        found: dict[str, Any] = json.loads(
            self.bucket.read(f"drills/.fleets/{self.fleet()}/fleet.json")
        )
        return found

    def results(self) -> dict[str, str]:
        return {each["target"]: each["result"] for each in self.table()["targets"]}


def until(true: Callable[[], object], what: str) -> None:
    """Wait for an event, however long this machine takes for it."""
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@pytest.fixture
def lab(drillkit: CommandLine, sandbox: Sandbox, bucket: BucketServer) -> FleetLab:
    return FleetLab(drillkit, sandbox, bucket)

"""What a fleet costs its controller: time, memory, and requests against the number of targets.

python -m tests.bench.fleet             50 and 200 targets of a sandbox, 8 at once
python -m tests.bench.fleet 20 40       other numbers

Each target's Job is a whole `drillkit run` as a process of this machine: the time is mostly theirs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from tests.bucket import BucketServer, serving
from tests.conftest import CommandLine, sandboxed
from tests.fleet.lab import FleetLab

AT_ONCE = 8
MEMORY_MB = 150.0
UNEVEN = 1.25
"""How much more requests a target may cost in the larger fleet: lists have pages, looks are timed.
"""


@dataclass(frozen=True)
class Cost:
    """What one fleet cost."""

    targets: int
    took_s: float
    memory_mb: float
    """Most that the controller had at a time."""
    kube: int
    """Requests of the controller to the Kubernetes API."""
    bucket: int
    """Requests of controller and Jobs to the bucket."""

    def __str__(self) -> str:
        return (
            f"{self.targets} targets: {self.took_s:.0f} s, controller {self.memory_mb:.0f} MB (at "
            f"most {MEMORY_MB:.0f}), {self.kube / self.targets:.1f} requests a target to "
            f"Kubernetes and {self.bucket / self.targets:.1f} to the bucket"
        )


def cost_of(count: int, place: Path, server: BucketServer) -> Cost:
    state = place / "home" / "sandbox"
    with sandboxed(state, "--no-shop", "--audit") as sandbox:
        lab = FleetLab(CommandLine(place), sandbox, server)
        lab.make([f"t-{number:03}" for number in range(count)])
        before, asked = _asked(state), len(server.asked)
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "drillkit", *lab.words("--at-once", str(AT_ONCE))],
            cwd=place,
            env=lab.drillkit.environment(server.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        told = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        took_s = time.monotonic() - began
        if process.returncode != 0:
            sys.exit(f"the fleet ended with {process.returncode}: {told[-3000:]}")
        kube = _asked(state) - before
        bucket = len(server.asked) - asked
        return Cost(count, took_s, used.ru_maxrss / 1024, kube, bucket)


def _asked(state: Path) -> int:
    """Requests of whoever is no ServiceAccount: the controller."""
    lines = (state / "audit.jsonl").read_text().splitlines()
    users = Counter(json.loads(line)["user"] for line in lines)
    return sum(number for user, number in users.items() if ":serviceaccount:" not in user)


def main(words: list[str]) -> int:
    found = []
    for count in [int(word) for word in words] or [50, 200]:
        with tempfile.TemporaryDirectory() as folder, serving() as server, chdir(folder):
            server.bucket = f"fleet-{count}"
            os.environ.update(server.environment)
            server.client().create_bucket(Bucket=server.bucket)
            found.append(cost_of(count, Path(folder), server))
            print(found[-1], flush=True)
    least, most = found[0], found[-1]
    for name in ("kube", "bucket"):
        each = getattr(most, name) / most.targets / (getattr(least, name) / least.targets)
        print(f"{name}: {each:.2f} times as many requests a target (at most {UNEVEN})")
        if each > UNEVEN:
            return 1
    return int(max(cost.memory_mb for cost in found) > MEMORY_MB)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Starting the AWS sandbox in a process of its own, and talking to its private path."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class AwsFailed(RuntimeError):
    """The AWS sandbox did not start; the message holds what it said."""


@dataclass
class AwsHandle:
    """A running AWS sandbox.  `databases` maps identifiers to host, port, database, user,
    password_file, secret_arn.
    """

    process: subprocess.Popen[str]
    endpoint: str
    region: str
    dr_region: str
    account: str
    access_key: str
    secret_key: str
    token: str
    bucket: str
    postgres: str
    subnet_group: str
    security_group: str
    canary_key_file: str
    databases: dict[str, dict[str, Any]]

    @property
    def pid(self) -> int:
        return self.process.pid

    def environment(self) -> dict[str, str]:
        """What an AWS SDK or the CLI needs to reach this sandbox and nothing else."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def control(self, method: str, path: str, values: dict[str, Any] | None = None) -> Any:
        """One request to the private path (see `control`); raises ValueError with the reason it
        was refused.
        """
        body = json.dumps(values).encode() if values is not None else None
        request = urllib.request.Request(
            f"{self.endpoint}/_sandbox{path}",
            data=body,
            method=method,
            headers={"X-Sandbox-Token": self.token},
        )
        try:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ValueError(f"{method} {path}: {json.load(error)['error']}") from error

    def settings(self, **values: Any) -> None:
        """Changes knobs.Settings."""
        self.control("PATCH", "/settings", values)

    def rule(self, effect: str, **values: Any) -> None:
        """Adds a knobs.CallRule."""
        self.control("POST", "/rules", {"effect": effect, **values})

    def fail_next(self, status: str, **values: Any) -> None:
        """Adds a knobs.FailNext."""
        self.control("POST", "/failures", {"status": status, **values})

    def damage(self, backup: str, **values: Any) -> dict[str, int]:
        """Spoils a backup: knobs.Damage."""
        hit: dict[str, int] = self.control("POST", "/damage", {"backup": backup, **values})
        return hit

    def hide(self, match: str, seconds: float) -> None:
        """Hides resources from Describe calls for a while."""
        self.control("POST", "/hide", {"match": match, "seconds": seconds})

    def calls(self, after: int = 0) -> list[dict[str, Any]]:
        """The API calls with a number above `after`."""
        found: list[dict[str, Any]] = self.control("GET", f"/calls?after={after}")
        return found

    def reset(self) -> None:
        """Takes every knob back."""
        self.control("DELETE", "/knobs")

    def stop(self, timeout_s: float = 20.0) -> None:
        """Ends the sandbox and its databases; safe to call again."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5.0)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def start_aws(
    state_dir: Path,
    *,
    demo: bool = False,
    aurora: bool = False,
    region: str = "eu-central-1",
    dr_region: str = "eu-west-1",
    postgres: Path | None = None,
    cache: Path | None = None,
    ship_interval_s: float = 5.0,
    timeout_s: float = 60.0,
) -> AwsHandle:
    """Starts the AWS sandbox and returns when it is ready; it dies with this process, even
    by SIGKILL.

    `state_dir` gets databases, backups and logs.  `demo` boots the shop's database with a writer,
    `aurora` a cluster beside it.  `ship_interval_s` is the time between two shipments of WAL, which
    bounds the loss of a point-in-time restore.  Call it from a thread that outlives the sandbox:
    the kernel ties the child to the thread that started it.  Raises AwsFailed with what the process
    said, for instance how to install PostgreSQL.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "drillkit.sandbox.aws",
        "--state",
        str(state_dir),
        "--die-with-parent",
        "--region",
        region,
        "--dr-region",
        dr_region,
        "--ship-interval",
        str(ship_interval_s),
    ]
    command += ["--demo"] * demo + ["--aurora"] * aurora
    command += ["--postgres", str(postgres)] if postgres is not None else []
    command += ["--cache", str(cache)] if cache is not None else []
    errors = state_dir / "aws.stderr"
    with errors.open("w") as stderr:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    line = _first_line(process, timeout_s)
    if not line:
        process.kill()
        process.wait(5.0)
        said = errors.read_text(encoding="utf-8").strip()[-1500:]
        raise AwsFailed(
            said
            or f"the AWS sandbox was not ready within {timeout_s:.0f} s; see "
            f"{state_dir / 'aws.log'}"
        )
    return AwsHandle(process=process, **json.loads(line))


def _first_line(process: subprocess.Popen[str], timeout_s: float) -> str:
    if process.stdout is None:
        raise AwsFailed("the AWS sandbox has no standard output")
    deadline = time.monotonic() + timeout_s
    while (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([process.stdout], [], [], left)
        if ready:
            return process.stdout.readline()
    return ""

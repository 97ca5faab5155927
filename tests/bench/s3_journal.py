"""What a journal in a bucket costs, and how fast thousands of runs in one are read.

python -m tests.bench.s3_journal            both
python -m tests.bench.s3_journal overhead   monthly-dr with a bucket over a folder, 20 ms a PUT
python -m tests.bench.s3_journal read [N]   `due` and `history` over N runs (5,000) in a bucket
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from drillkit.journal.claim import RunNote
from tests.bench.archive import STORED
from tests.bucket import BucketServer, serving

ROUNDS = 3
PUT_S = 0.02
AT_MOST = 1.15
READ_AT_MOST_S = 3.0


def drillkit(place: Path, server: BucketServer, *arguments: str) -> float:
    """Seconds that a command takes."""
    # In a file: keys in the environment would be taken for those of the sandbox's account, too.
    keys = place / "credentials"
    keys.write_text("[default]\naws_access_key_id = testing\naws_secret_access_key = testing\n")
    env: Mapping[str, str] = {
        **os.environ,
        "AWS_ENDPOINT_URL_S3": server.endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_SHARED_CREDENTIALS_FILE": str(keys),
        "DRILLKIT_HOME": str(place / "home"),
    }
    began = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-m", "drillkit", *arguments],
        env=env,
        cwd=place,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    took = time.monotonic() - began
    if ran.returncode not in (0, 1):  # `due` ends with 1 where something is
        sys.exit(f"{arguments}: {ran.stderr[-2000:]}")
    return took


def overhead(place: Path, server: BucketServer) -> None:
    server.trouble = lambda method, key: "slow" if method == "PUT" else ""
    server.slow_s = PUT_S
    took: dict[str, list[float]] = {"folder": [], "bucket": []}
    for _ in range(ROUNDS):
        for name, out in (("folder", str(place / "reports")), ("bucket", server.url)):
            took[name].append(
                drillkit(place, server, "run", "monthly-dr", "-t", "sandbox", "--yes", "--out", out)
            )
    server.trouble = lambda method, key: ""
    folder, bucket = (statistics.median(took[name]) for name in ("folder", "bucket"))
    puts = sum(method == "PUT" for method, _ in server.asked) / ROUNDS
    print(
        f"monthly-dr: {folder:.1f} s with a folder, {bucket:.1f} s with a bucket ({puts:.0f} PUTs "
        f"of {PUT_S * 1000:.0f} ms): ratio {bucket / folder:.3f} (at most {AT_MOST})"
    )


def fill(server: BucketServer, count: int) -> None:
    """Runs that differ in their name only."""
    sources = [path.read_bytes() for path in sorted(STORED.glob("*/journal.jsonl"))]
    client = server.client()

    def put(number: int) -> None:
        note = RunNote(
            f"20270101-{number:06d}-x7k2", f"drill-{number % 20}", "prod", "me", open=False
        )
        for key, content in (
            (f"{note.folder}journal/0000000001.jsonl", sources[number % len(sources)]),
            (note.key, note.encoded()),
        ):
            client.put_object(Bucket=server.bucket, Key=f"drills/{key}", Body=content)

    with ThreadPoolExecutor(4) as several:
        for _ in several.map(put, range(count)):
            pass


def read(place: Path, server: BucketServer, count: int) -> None:
    fill(server, count)
    for command in ("history", "due"):
        first = drillkit(place, server, command, "--out", server.url)
        second = drillkit(place, server, command, "--out", server.url)
        print(
            f"{command} over {count} runs in a bucket: first call {first:.2f} s, second "
            f"{second:.2f} s (at most {READ_AT_MOST_S:.0f} s)"
        )


def main() -> None:
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 5000
    with tempfile.TemporaryDirectory() as folder, serving() as server:
        server.bucket = "bench"
        server.client().create_bucket(Bucket=server.bucket)
        if what in ("", "read"):
            read(Path(folder), server, count)
        if what in ("", "overhead"):
            server.bucket = "overhead"
            server.client().create_bucket(Bucket=server.bucket)
            server.asked.clear()
            overhead(Path(folder), server)


if __name__ == "__main__":
    main()

"""`drillkit history` over 5,000 runs: the first call judges each, the second remembers them.

python tests/bench/archive.py [RUNS]
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STORED = Path(__file__).resolve().parents[1] / "golden" / "stored"


def make(reports: Path, count: int) -> None:
    """Journals that differ in their folder only."""
    sources = sorted(STORED.glob("*/journal.jsonl"))
    for number in range(count):
        folder = reports / f"drill-{number % 20}" / f"20270101-{number:06d}-x7k2"
        folder.mkdir(parents=True)
        shutil.copyfile(sources[number % len(sources)], folder / "journal.jsonl")


def timed(*arguments: str, env: dict[str, str]) -> float:
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "drillkit", *arguments],
        env=env,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.monotonic() - began


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    with tempfile.TemporaryDirectory() as place:
        reports = Path(place) / "reports"
        reports.mkdir()
        make(reports, count)
        env = {**os.environ, "DRILLKIT_HOME": str(Path(place) / "home")}
        out = ("--out", str(reports))
        first = timed("history", *out, env=env)
        second = timed("history", *out, env=env)
        page = timed("history", *out, "--html", env=env)
        most_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        size_mb = (reports / "index.html").stat().st_size / 1e6
        help_s = timed("--help", env=env)
        print(
            f"{count} runs: first call {first:.2f} s, second {second:.2f} s ({second / first:.3f} "
            "of it)"
        )
        print(f"index.html: {page:.2f} s, {size_mb:.2f} MB; largest process {most_mb:.0f} MB")
        print(f"second call over `drillkit --help`: {second / help_s:.1f}")


if __name__ == "__main__":
    main()

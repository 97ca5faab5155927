"""The main job beside what it is measured against, in one run: python tests/bench/main_job.py
[pairs]

Prints whole-process times as ratios of medians, pair by pair in turn, so that a machine that slows
down slows both.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENT = ROOT / "experiments" / "pod-delete.yaml"
BIN = Path(sys.executable).parent


@contextlib.contextmanager
def sandbox(home: Path) -> Iterator[tuple[Mapping[str, object], float]]:
    """A sandbox with its shop, and the seconds until it was ready."""
    state = home / "sandbox"
    state.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "drillkit.sandbox", "--state", str(state), "--die-with-parent"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout
    try:
        line = process.stdout.readline()
        yield json.loads(line), time.perf_counter() - began
    finally:
        process.terminate()
        process.wait(20)


def wall_s(
    command: Sequence[str], folder: Path, env: Mapping[str, str], expected: int = 0
) -> float:
    """Seconds of one whole process; it must end as expected."""
    began = time.perf_counter()
    ended = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, stdin=subprocess.DEVNULL, timeout=120
    )
    took = time.perf_counter() - began
    if ended.returncode != expected:
        raise SystemExit(
            f"{command} ended with {ended.returncode}:\n"
            f"{ended.stdout.decode()}{ended.stderr.decode()}"
        )
    return took


def in_turn(
    a: Sequence[str], b: Sequence[str], folder: Path, env: Mapping[str, str], pairs: int
) -> tuple[float, float, float]:
    """Medians of a, of b, and of the ratios a/b pair by pair, after one warm-up of each."""
    times = [(wall_s(a, folder, env), wall_s(b, folder, env)) for _ in range(pairs + 1)][1:]
    return (
        statistics.median(t[0] for t in times),
        statistics.median(t[1] for t in times),
        statistics.median(t[0] / t[1] for t in times),
    )


def main() -> None:
    """Print the figures."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = folder / "home"
        # A project of its own, as users have: reports and their chain begin with this bench.
        experiment = folder / "experiments" / EXPERIMENT.name
        experiment.parent.mkdir()
        shutil.copyfile(EXPERIMENT, experiment)
        (folder / "drillkit.yaml").touch()
        # Both as they are when installed: compiled once, in their folders, by the warm-up.
        compiling = {"PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"}
        kept = {k: v for k, v in os.environ.items() if k not in compiling}
        env = {
            **kept,
            "DRILLKIT_HOME": str(home),
            "HOME": name,
            "PATH": f"{BIN}:{os.environ['PATH']}",
        }
        run, chaos = str(BIN / "drillkit"), str(BIN / "chaos")
        ours, theirs, ratio = in_turn([run, "--help"], [chaos, "--help"], folder, env, pairs)
        print(
            f"--help            drillkit {ours:.3f} s, chaos {theirs:.3f} s, ratio {ratio:.2f} "
            "(bound 0.5)",
            flush=True,
        )
        ready = []
        for _ in range(pairs):
            with sandbox(home) as (_, took):
                ready.append(took)
        print(
            f"sandbox and shop  ready in {statistics.median(ready):.2f} s (bound 3 s)", flush=True
        )
        with sandbox(home) as (endpoints, _):
            env["KUBECONFIG"] = str(endpoints["kubeconfig"])
            env["NO_PROXY"] = "127.0.0.1,localhost"
            ours, theirs, ratio = in_turn(
                [run, "run", str(experiment), "--target", "sandbox"],
                [chaos, "--no-version-check", "run", str(experiment)],
                folder,
                env,
                pairs,
            )
            print(
                f"pod-delete        drillkit run {ours:.3f} s, chaos run {theirs:.3f} s, ratio "
                f"{ratio:.3f} (bound 1.0)"
            )
            before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
            wall_s([run, "run", "pod-delete", "--target", "sandbox"], folder, env)
            after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
            print(f"memory            largest process of a run {max(before, after) / 1024:.0f} MB")


if __name__ == "__main__":
    main()

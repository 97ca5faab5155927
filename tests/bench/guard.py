"""From a guard's condition to the first undo, in one run: python tests/bench/guard.py [runs]

Deployment `web` is scaled to zero under a probe; the guard allows no bad request. Prints, from the
journals alone, how long after the first bad request the guard had fired, the fence was closed and
the first undo had ended.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from drillkit.journal.file import read
from drillkit.model.evidence import Sample
from drillkit.model.records import History

INTERVAL_S = 1.0
BOUND_S = INTERVAL_S + 0.25
DRILL = """\
drill: guarded
owner: bench@example.com
probes: {web: {http: "${target.urls.web}/health", rate: 50/s}}
hypothesis: {before: {web: {bad: 0 of 50}}}
guards: {abort: [{probe: web, bad: 0}]}
steps:
  - name: gone
    uses: chaostoolkit
    with: {experiment: scale-to-zero, configuration: {namespace: shop, name: web, duration: 30s}}
"""


def figures(history: History) -> tuple[float, float, float]:
    """Seconds from the first bad request to: the guard's decision, the abort, the first
    undo's end.
    """
    bad = next(
        at
        for record in history
        if isinstance(record.entry, Sample)
        for at, good in record.entry.flips
        if not good
    )
    fired = next(
        r.mono for r in history if r.kind == "guard.decided" and r.data["place"] == "abort"
    )
    aborted = next(r.mono for r in history if r.kind == "abort")
    undone = next(r.mono for r in history if r.kind == "undo.ended" and r.mono >= aborted)
    return fired - bad, aborted - bad, undone - bad


def main() -> None:
    """Print the figures."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    found = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "guarded.yaml").write_text(DRILL)
            env = {**os.environ, "DRILLKIT_HOME": str(folder / "home"), "HOME": name}
            command = [sys.executable, "-m", "drillkit", "run", "./guarded.yaml", "-t", "sandbox"]
            ended = subprocess.run(
                command, cwd=folder, env=env, capture_output=True, timeout=120, text=True
            )
            if ended.returncode != 1:
                raise SystemExit(
                    f"expected the guard to abort the run (1), found {ended.returncode}:\n"
                    f"{ended.stderr}"
                )
            found.append(figures(read(next(folder.glob("reports/guarded/2*/journal.jsonl")))))
    for what, values in zip(
        ("guard fired", "fence closed", "first undo ended"), zip(*found, strict=True), strict=True
    ):
        middle, worst = statistics.median(values), max(values)
        print(
            f"{what:18} {middle:.3f} s after the first bad request at the median, {worst:.3f} s "
            "at worst"
        )
    worst = max(undone for _, _, undone in found)
    print(
        f"bound: one sample interval and 250 ms, {BOUND_S:.2f} s; worst of {runs}: "
        f"{worst / BOUND_S:.2f} of it"
    )


if __name__ == "__main__":
    main()

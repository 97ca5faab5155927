"""What a page costs a run, and how fast it is: python tests/bench/live.py [runs]

A run of some seconds with a probe of 50 requests a second, in pairs: without a page, and with one
that 20 observers follow. Prints processor time of the runner and its prober (the page is a process
of its own), how late the prober sent, and the ratios. Then, in a real browser, how long it takes
from a record that is written to the pixel that shows it.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from drillkit.journal.file import Journal, read
from drillkit.live.launch import PageProcess
from drillkit.model.drill import Drill, Step
from drillkit.model.evidence import Note, Sample
from drillkit.model.records import RunOpened
from tests.browser import browser, program

OBSERVERS = 20
RATIO, PIXEL_S = 1.05, 0.3
SHOWN = 40
DRILL = """\
drill: watched
owner: bench@example.com
probes: {web: {http: "${target.urls.web}/health", rate: 50/s}}
hypothesis: {before: {web: {bad: 5 of 50}}}
steps: [{uses: wait, with: {for: 40s}}]
"""


def measured(observed: bool) -> tuple[float, float]:
    """(seconds of processor time, median of the prober's p99 lateness in seconds) of one run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "watched.yaml").write_text(DRILL)
        env = {**os.environ, "DRILLKIT_HOME": str(folder / "home"), "HOME": name}
        command = [sys.executable, "-m", "drillkit", "run", "./watched.yaml", "-t", "sandbox"]
        process = subprocess.Popen(
            [*command, "--quiet", *(["--serve"] if observed else [])],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        if observed:
            link = ""
            while "for observers" not in link:
                link = process.stderr.readline()
                assert link, "the page did not come up"
            where = link.partition("//")[2].strip()
            for _ in range(OBSERVERS):
                threading.Thread(target=follow, args=where.split("/#"), daemon=True).start()
        spent = 0.0
        while process.poll() is None:
            spent = max(spent, processor_s(process.pid))
            time.sleep(0.1)
        process.stderr.close()
        if process.returncode not in (0, 3):
            raise SystemExit(f"expected the run to end with 0 or 3, found {process.returncode}")
        history = read(next(folder.glob("reports/watched/2*/journal.jsonl")))
        samples = [r.entry for r in history if isinstance(r.entry, Sample)]
        late = [sample.lateness_p99_us for sample in samples if sample.sent]
    return spent, statistics.median(late) / 1e6


def processor_s(root: int) -> float:
    """User and system time of a run's runner and prober, without the page and the sandbox."""
    import psutil

    total = 0.0
    try:
        runner = psutil.Process(root)
        for each in (runner, *runner.children(recursive=True)):
            line = " ".join(each.cmdline())
            if each.pid != root and ("drillkit.live" in line or "sandbox" in line):
                continue
            times = each.cpu_times()
            total += times.user + times.system
    except psutil.Error:
        return 0.0
    return total


def follow(host: str, token: str) -> None:
    """An observer's browser, as far as the server sees one."""
    headers = {"Origin": f"http://{host}", "Content-Type": "application/json"}
    link = http.client.HTTPConnection(host, timeout=60)
    link.request("POST", "/enter", json.dumps({"token": token}), headers)
    answer = link.getresponse()
    cookie = str(answer.getheader("set-cookie")).partition(";")[0]
    answer.read()
    link.request("GET", "/events", headers={"Cookie": cookie})
    try:
        while link.getresponse().read(1 << 16):
            pass
    except (OSError, http.client.HTTPException):
        return  # the run is over


def pixels() -> list[float]:
    """Seconds from a record that is on disk to the frame that shows its line."""
    found = []
    with tempfile.TemporaryDirectory() as name, browser(Path(name) / "profile") as page:
        journal = Journal(Path(name) / "journal.jsonl")
        drill = Drill(drill="day", owner="bench", steps=(Step(name="one", uses="wait"),))
        journal.append(RunOpened(run="r1", drill=drill, operator="bench"))
        served = PageProcess("127.0.0.1:0")
        served.follow(Path(name))
        page.visit(served.link("observer"))
        page.until("document.querySelectorAll('#lines li').length > 0")
        page.ask(
            """window.seen = {}; new MutationObserver(() => {
            const text = document.querySelector('#lines li').textContent;
            requestAnimationFrame(() => requestAnimationFrame(() => {
            window.seen[text.split(': ').pop()] ??= Date.now() / 1000; })); })
            .observe(document.getElementById('lines'), {childList: true}); 0"""
        )
        for number in range(SHOWN):
            journal.append(Note("ann", f"note-{number}", "observation"))
            written = time.time()
            page.until(f"window.seen['note-{number}'] !== undefined")
            found.append(page.ask(f"window.seen['note-{number}']") - written)
        served.close()
        journal.close()
    return found


def main() -> None:
    """Print the figures."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    pairs = [(measured(False), measured(True)) for _ in range(runs)]
    for what, place in (("processor time", 0), ("lateness of the prober", 1)):
        without = [pair[0][place] for pair in pairs]
        watched = [pair[1][place] for pair in pairs]
        ratios = [b / a for a, b in zip(without, watched, strict=True)]
        print(
            f"{what}: {statistics.median(without):.4f} s without, "
            f"{statistics.median(watched):.4f} s with {OBSERVERS} observers, "
            f"ratio {statistics.median(ratios):.3f} (bound {RATIO})"
        )
    if program() is not None:
        took = sorted(pixels())
        print(
            f"record to pixel: median {statistics.median(took) * 1000:.0f} ms, "
            f"worst {took[-1] * 1000:.0f} ms of {SHOWN} (bound {PIXEL_S * 1000:.0f} ms)"
        )


if __name__ == "__main__":
    main()

"""The page in a real browser: a facilitator decides while an observer watches."""

from __future__ import annotations

import os
import signal
from importlib import resources
from pathlib import Path

import pytest

from drillkit.model.drill import Step
from drillkit.model.evidence import Note
from drillkit.model.records import PhaseStarted, QuestionAsked, StepStarted
from tests.browser import Browser, browser, program

from .conftest import SURPRISE, Show

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(program() is None, reason="needs a browser (Debian's chromium)"),
]
AXE = """axe.run(document, {resultTypes: ['violations']}).then(
    found => { window.violations = found.violations.map(v => v.id + ': ' + v.nodes[0].html) })"""


RUNBOOK = (
    """# Shop down
## Diagnosis
1. How far? `kubectl get pods`
   Look at <img src=x onerror='document.title=3'>
- **all** of them
```
kubectl <b>scale</b>
```
"""
    + "A long text.\n\n" * 60
)


def violations(page: Browser) -> list[str]:
    """What axe-core finds wrong with the page as it is now."""
    script = resources.files("axe_core_python") / "axe.min.js"
    page.ask("window.violations = null")
    page.ask(script.read_text())
    page.ask(AXE + "; 0")
    page.until("window.violations !== null")
    found: list[str] = page.ask("window.violations")
    return found


def press(page: Browser, *keys: str) -> None:
    """Keys of a keyboard."""
    codes = {"Tab": 9, "Enter": 13}
    for key in keys:
        text = "\r" if key == "Enter" else ""
        for kind in ("keyDown", "keyUp"):
            page.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                text=text if kind == "keyDown" else "",
                windowsVirtualKeyCode=codes[key],
            )


def out_of_reach(page: Browser) -> list[str]:
    """Controls that are shown and that nobody gets to with the Tab key alone."""
    controls = (
        "[...document.querySelectorAll('button, input, select, textarea, a[href], summary')]"
        ".filter(each => each.checkVisibility() && !each.disabled)"
    )
    count = page.ask(f"{controls}.map((each, i) => each.dataset.control = i).length")
    reached = set()
    for _ in range(2 * count):  # it may begin anywhere
        press(page, "Tab")
        reached.add(page.ask("document.activeElement.dataset.control ?? ''"))
    asked = f"{controls}.map(each => [each.dataset.control, each.outerHTML.slice(0, 80)])"
    return [html for control, html in page.ask(asked) if control not in reached]


def foreign(page: Browser, host: str) -> list[str]:
    """What the page complains of, or asks of anybody but its own server."""
    return [said for said in page.complaints() if not said.startswith(f"fetches http://{host}/")]


def test_a_facilitator_decides_with_the_keyboard_while_an_observer_watches(
    show: Show, tmp_path: Path
) -> None:
    with browser(tmp_path / "one") as lead, browser(tmp_path / "two") as watcher:
        lead.shape(1200, 900)
        watcher.shape(390, 800, dark=True)
        lead.visit(show.links["facilitator"])
        watcher.visit(show.links["observer"])
        show.journal.append(PhaseStarted("steps"))
        show.journal.append(QuestionAsked("manual", RUNBOOK), step="kill")
        markup = "<img src=x onerror='document.title=1'><script>document.title=2</script>"
        show.journal.append(Note("maria", markup, "observation"))
        held = show.hold(SURPRISE)
        lead.until("document.getElementById('hold-title').textContent === 'Next: black-friday'")
        watcher.until("document.getElementById('hold-title').textContent === 'Next: a surprise'")
        assert not watcher.ask("document.documentElement.outerHTML.includes('black-friday')")
        assert watcher.ask("[...document.querySelectorAll('.facilitator')].every(e => e.hidden)")
        for page in (lead, watcher):
            assert page.ask("location.hash + document.referrer") == ""
            assert page.ask("document.title") == "day on"
            assert page.ask("document.querySelectorAll('.lines img, .lines script').length") == 0
            assert violations(page) == []
        assert watcher.ask("document.documentElement.scrollWidth") <= 390
        told = watcher.ask("document.querySelector('.instructions').innerHTML")
        assert told.startswith(
            "<h4>Shop down</h4><h5>Diagnosis</h5><ol><li>How far? <code>kubectl get pods</code> "
            "Look at &lt;img src=x onerror='document.title=3'&gt;</li></ol>"
            "<ul><li><b>all</b> of them</li></ul><pre>kubectl &lt;b&gt;scale&lt;/b&gt;\n</pre>"
        )

        lead.ask("document.getElementById('me').value = 'maria'")
        lead.ask("document.getElementById('hold-reason').focus()")
        press(lead, "Tab", "Enter")
        held.join(20)
        assert not held.is_alive()
        assert '"decision":"go"' in show.text().replace(" ", "")
        show.journal.append(StepStarted("chaostoolkit"), step=SURPRISE.name)
        watcher.until("document.getElementById('phase').textContent === 'running black-friday'")
        assert foreign(lead, show.host) == []
        assert foreign(watcher, show.host) == []


def test_a_stop_is_confirmed_once_and_ends_a_hold_at_once(show: Show, tmp_path: Path) -> None:
    with browser(tmp_path / "one") as lead:
        lead.visit(show.links["facilitator"])
        held = show.hold(Step(name="kill", uses="chaostoolkit"))
        lead.until("!document.getElementById('hold').hidden")
        # The connection drops, because its server dies; the page comes back by itself.
        os.kill(show.page._process.pid, signal.SIGKILL)
        lead.until("document.getElementById('link').textContent.includes('connection is lost')")
        show.journal.append(Note("maria", "meanwhile", "observation"))
        lead.until("document.getElementById('link').hidden")
        lead.until("document.querySelector('.lines').textContent.includes('meanwhile')")
        numbers = "[...document.querySelectorAll('.lines li')].map(line => line.dataset.n)"
        assert lead.ask(f"new Set({numbers}).size === {numbers}.length"), "nothing twice"
        lead.ask("document.getElementById('stop').click()")
        assert lead.ask("document.getElementById('sure').open")
        assert violations(lead) == []
        lead.ask("document.getElementById('sure-why').value = 'customers call'")
        lead.ask("document.querySelector('#sure button[value=stop]').click()")
        held.join(20)
        assert not held.is_alive()
        assert "customers call" in show.text()
        lead.until("document.getElementById('phase').textContent.startsWith('stopping')")

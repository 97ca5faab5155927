"""A drill that is refused says why once, and what helps."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.conftest import CommandLine

pytestmark = pytest.mark.slow

FIRST = """
drill: first
owner: platform@example.com
probes: {web: {http: "${target.urls.web}/health", rate: 20/s}}
hypothesis:
  before: {web: {bad: 2 of 40}}
  during: {web: {bad: 20}}
vars: {namespace: shop}
steps:
  - name: kill
    uses: chaostoolkit
    with:
      experiment: pod-delete
      configuration: {namespace: "${namespace}", selector: app=web, count: 1}
"""


def refused(drillkit: CommandLine, drill: str, *more: str) -> tuple[str, dict[str, Any]]:
    """What the terminal said, and the verdict."""
    (drillkit.folder / "drillkit.yaml").touch()
    (drillkit.folder / "first.yaml").write_text(drill)
    ran = drillkit("run", "./first.yaml", "-t", "sandbox", "--yes", *more)
    assert ran.code == 4, ran.said
    folder = drillkit.folder / "reports" / "first" / "latest"
    suite = ElementTree.parse(folder / "junit.xml").getroot()
    assert int(suite.get("errors", "0")) == 1
    verdict: dict[str, Any] = json.loads((folder / "verdict.json").read_text())
    return ran.said, verdict


def test_a_typo_in_a_name_is_told_once_and_nobody_is_told_to_wait(drillkit: CommandLine) -> None:
    said, verdict = refused(drillkit, FIRST, "--set", "namespace=shopp")
    (finding,) = verdict["findings"]
    assert finding["about"] == "guard/start/plan"
    assert "shopp" in finding["observed"]
    assert "drillkit plan" in finding["advice"]
    assert "wait" not in finding["advice"]
    after = said[said.index("refused:") :]
    assert after.count("shopp") == 1, "the headline says it; the finding says what next"


def test_a_steady_state_that_is_not_there_is_one_finding(drillkit: CommandLine) -> None:
    gate = "before: {within: 3s, web: {bad: 2 of 40}}"
    drill = FIRST.replace("rate: 20/s", 'rate: 20/s, expect: "404"').replace(
        "before: {web: {bad: 2 of 40}}", gate
    )
    _, verdict = refused(drillkit, drill)
    (finding,) = verdict["findings"]
    assert finding["about"] == "before/web"

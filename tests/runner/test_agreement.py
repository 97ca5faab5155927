"""One drill on the sandbox, judged by a probe and by a real Prometheus side by side."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="the program `prometheus` is not installed"
    ),
]
RATE = 50
INTERVAL_S = 1.0
"""The sandbox's Prometheus scrapes once a second."""

DRILL = f"""
drill: agree
owner: test@example.com
limit: 3m
settle: 40s
probes:
  orders: {{http: "${{target.urls.orders}}/", rate: {RATE}/s}}
slos:
  - apiVersion: openslo/v1
    kind: SLO
    metadata: {{name: by-mesh}}
    spec:
      indicator:
        metadata: {{name: by-mesh}}
        spec:
          ratioMetric:
            counter: true
            bad:
              metricSource:
                type: Prometheus
                spec: {{query: 'istio_requests_total{{reporter="source",source_workload!="web",
                  destination_service_name="orders",response_code=~"5.."}}'}}
            total:
              metricSource:
                type: Prometheus
                spec: {{query: 'istio_requests_total{{reporter="source",source_workload!="web",
                  destination_service_name="orders"}}'}}
      timeWindow: [{{duration: 30d, isRolling: true}}]
      budgetingMethod: Occurrences
      objectives: [{{target: 0.99}}]
  - apiVersion: openslo/v1
    kind: SLO
    metadata: {{name: by-probe}}
    spec:
      indicator:
        metadata: {{name: by-probe}}
        spec:
          ratioMetric:
            good: {{metricSource: {{type: drillkit-prober, spec: {{probe: orders}}}}}}
            total: {{metricSource: {{type: drillkit-prober, spec: {{probe: orders}}}}}}
      timeWindow: [{{duration: 30d, isRolling: true}}]
      budgetingMethod: Occurrences
      objectives: [{{target: 0.99}}]
hypothesis:
  before: {{slo: [by-mesh, by-probe]}}
  during:
    by-mesh: {{bad: 100, budget: 0.01%}}
    by-probe: {{bad: 100, budget: 0.01%}}
  after: {{slo: [by-mesh, by-probe]}}
guards:
  start: [{{alerts: 'severity="critical"'}}]
  abort: [{{budget: by-mesh, spent: 90%}}, {{slo: by-probe, burn: 1000, window: 10s}}]
steps:
  - name: kill
    uses: chaostoolkit
    with:
      experiment: pod-delete
      configuration: {{namespace: shop, selector: app=orders, count: "1"}}
  - {{name: rest, uses: wait, with: {{for: 3s}}}}
"""


def test_a_probe_and_prometheus_count_the_same_within_two_scrapes(tmp_path: Path):
    (tmp_path / "drillkit.yaml").write_text("")
    (tmp_path / "agree.yaml").write_text(DRILL)
    env = {
        **os.environ,
        "DRILLKIT_HOME": str(tmp_path / "home"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    command = [
        sys.executable,
        "-m",
        "drillkit",
        "run",
        "./agree.yaml",
        "--target",
        "sandbox",
        "--yes",
        "--json",
    ]

    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=150
    )

    assert done.returncode == 0, done.stderr + done.stdout[-3000:]
    records = [json.loads(line) for line in done.stdout.splitlines()]
    phases = {r["data"]["phase"]: r for r in records if r["kind"] == "phase.started"}
    ends = {r["data"]["phase"]: r for r in records if r["kind"] == "phase.ended"}
    steps_from, steps_to = phases["steps"]["at"], ends["steps"]["at"]
    samples = [
        r["data"]
        for r in records
        if r["data"].get("type") == "Sample" and steps_from < r["at"] <= steps_to + 1
    ]
    readings = [
        r["data"]
        for r in records
        if r["data"].get("type") == "Reading" and r["data"]["sli"] == "by-mesh"
    ]
    during = [reading for reading in readings if reading.get("place", "during") == "during"][-1]

    probed_bad = sum(sample["sent"] - sample["good"] for sample in samples)
    probed = sum(sample["sent"] for sample in samples)
    mesh_bad = during["total"] - during["good"]
    assert abs(mesh_bad - probed_bad) <= 2 * INTERVAL_S * RATE, (mesh_bad, probed_bad)
    assert abs(during["total"] - probed) <= 3 * INTERVAL_S * RATE, (during["total"], probed)
    gates = [
        (r["data"]["place"], r["data"]["sli"], r["data"]["holds"])
        for r in records
        if r["kind"] == "gate.decided"
    ]
    assert {(place, sli) for place, sli, holds in gates if holds == "met"} >= {
        ("before", "by-mesh"),
        ("before", "by-probe"),
        ("after", "by-mesh"),
        ("after", "by-probe"),
    }
    opened = next(r["data"] for r in records if r["kind"] == "run.opened")
    assert opened["slos"]["by-mesh"]["kind"] == "prometheus"
    assert opened["slos"]["by-probe"]["probe"] == "orders"

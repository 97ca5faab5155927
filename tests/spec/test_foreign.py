"""Another tool's file is named as what it is, with what helps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import CommandLine

DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 1}\n"
FILES = {
    "deployment.yaml": (DEPLOYMENT, "a Kubernetes Deployment 'web' (apps/v1)", "kubectl apply -f"),
    "several.yaml": (DEPLOYMENT + "---\n" + DEPLOYMENT, "a Kubernetes Deployment", "kubectl apply"),
    "configmap.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {title: x}\n",
        "a Kubernetes ConfigMap 'c'",
        "kubectl apply",
    ),
    "sloth.yaml": (
        "version: prometheus/v1\nservice: shop\nslos: [{name: api, objective: 99.9}]\n",
        "a Sloth specification",
        "drillkit docs slos",
    ),
    "sloth-crd.yaml": (
        "apiVersion: sloth.slok.dev/v1\nkind: PrometheusServiceLevel\nmetadata: {name: s}\n",
        "a Sloth SLO (PrometheusServiceLevel 's')",
        "OpenSLO v1",
    ),
    "pyrra.yaml": (
        "apiVersion: pyrra.dev/v1alpha1\nkind: ServiceLevelObjective\nmetadata: {name: s}\n",
        "a Pyrra SLO",
        "OpenSLO v1",
    ),
    "openslo.yaml": (
        "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: s}\nspec: {}\n",
        "an OpenSLO document (SLO 's')",
        "drills/slos/",
    ),
    "litmus.yaml": (
        "apiVersion: litmuschaos.io/v1alpha1\nkind: ChaosEngine\nmetadata: {name: e}\n",
        "a LitmusChaos resource (ChaosEngine 'e')",
        "drillkit kinds litmus.engine",
    ),
    "mesh.yaml": (
        "apiVersion: chaos-mesh.org/v1alpha1\nkind: PodChaos\nmetadata: {name: e}\n",
        "a Chaos Mesh resource (PodChaos 'e')",
        "drillkit list",
    ),
    "velero.yaml": (
        "apiVersion: velero.io/v1\nkind: Restore\nmetadata: {name: r}\n",
        "a Velero resource (Restore 'r')",
        "drillkit kinds velero.restore",
    ),
    "workflow.yaml": (
        "name: ci\non: [push]\njobs: {a: {runs-on: x}}\n",
        "a GitHub workflow",
        "drillkit run NAME --yes",
    ),
    "compose.yaml": ("services: {web: {image: nginx}}\n", "a Compose file", "command"),
    "rules.yaml": ("groups: [{name: a, rules: []}]\n", "a file of Prometheus rules", "OpenSLO"),
    "kubeconfig": (
        "apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers: []\n",
        "a kubeconfig",
        "drills/targets.yaml",
    ),
    "play.yaml": ("- hosts: all\n  tasks: []\n", "an Ansible playbook", "ansible-playbook"),
    "journal.json": (
        json.dumps({"chaoslib-version": "1.44", "experiment": {"title": "x"}, "run": []}),
        "the journal of a run by Chaos Toolkit",
        "under `experiment`",
    ),
    "deployment.json": (
        json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}),
        "a Kubernetes Secret 's'",
        "kubectl apply",
    ),
    "fis.json": (
        json.dumps({"targets": {}, "actions": {}, "stopConditions": [], "roleArn": "x"}),
        "an experiment template of AWS FIS",
        "drillkit list",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_tool_is_named(name: str, drillkit: CommandLine) -> None:
    text, what, advice = FILES[name]
    (drillkit.folder / name).write_text(text)
    ran = drillkit("validate", f"./{name}")
    assert ran.code == 2
    assert f"found {what}" in ran.out
    assert advice in ran.out
    assert ran.out.count("\n") == 2, "once, and nothing about keys that it never had"


@pytest.mark.parametrize("name", ["sloth.yaml", "pyrra.yaml"])
def test_objectives_of_another_tool_are_not_passed_over_in_silence(
    name: str, drillkit: CommandLine
) -> None:
    folder = drillkit.folder / "drills" / "slos"
    folder.mkdir(parents=True)
    (drillkit.folder / "drillkit.yaml").touch()
    (folder / name).write_text(FILES[name][0])
    for arguments in (("slo", "list"), ("slo", "show", "api"), ("validate",)):
        ran = drillkit(*arguments)
        assert ran.code == 2, arguments
        assert FILES[name][1] in ran.said


def test_a_target_may_be_called_as_a_key_of_another_tool(drillkit: CommandLine) -> None:
    (drillkit.folder / "drillkit.yaml").touch()
    (drillkit.folder / "drills").mkdir()
    targets = Path(drillkit.folder / "drills" / "targets.yaml")
    targets.write_text("services: {kubernetes: {}}\ngroups: {kubernetes: {}}\n")
    assert drillkit("validate").code == 0
    targets.write_text(FILES["kubeconfig"][0])
    ran = drillkit("validate")
    assert ran.code == 2
    assert "a kubeconfig" in ran.said

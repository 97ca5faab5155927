"""A connection leads to the cluster it was opened for, or nowhere: whichever the kubeconfig names
by now.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drillkit.cleanup import open_undos
from drillkit.clients.kube import DeleteObject, Kube, open_kube
from drillkit.clients.kube.resources import NAMESPACES, NODES, Resource
from drillkit.clock import Fence, SystemClock
from drillkit.journal.file import Journal, read
from drillkit.model.records import Identities, RunOpened
from drillkit.model.target import KubernetesTarget, Target
from tests.conftest import CommandLine, Sandbox, sandboxed


@dataclass
class Two:
    """Two clusters, and a target's kubeconfig that leads to the first until it is turned."""

    first: Sandbox
    second: Sandbox
    kubeconfig: Path

    def turn(self, to: Sandbox) -> None:
        shutil.copy(to.kubeconfig, self.kubeconfig)

    @property
    def uid(self) -> str:
        return str(self.first.endpoints["cluster_uid"])


def kube(sandbox: Sandbox) -> Kube:
    return open_kube(KubernetesTarget(kubeconfig=str(sandbox.kubeconfig)), SystemClock(), Fence())


@pytest.fixture
def two(drillkit: CommandLine, sandbox: Sandbox) -> Iterator[Two]:
    with sandboxed(drillkit.folder / "another") as second:
        made = Two(sandbox, second, drillkit.folder / "kubeconfig.yaml")
        made.turn(sandbox)
        (drillkit.folder / "drillkit.yaml").touch()
        (drillkit.folder / "drills").mkdir()
        yield made


def target(drillkit: CommandLine, two: Two, uid: str | None = None, **more: Any) -> None:
    kubernetes: dict[str, Any] = {"kubeconfig": str(two.kubeconfig)}
    if uid:
        kubernetes["cluster_uid"] = uid
    found = {"dev": {"kubernetes": kubernetes, "urls": dict(two.first.endpoints["urls"]), **more}}
    (drillkit.folder / "drills" / "targets.yaml").write_text(json.dumps(found))


def until(look: Callable[[], Any], what: str, limit_s: float = 30.0) -> None:
    end = time.monotonic() + limit_s
    while not look():
        assert time.monotonic() < end, f"expected {what}"
        time.sleep(0.1)


def cordoned(sandbox: Sandbox) -> list[str]:
    found = kube(sandbox).list(NODES)
    return [node["metadata"]["name"] for node in found if node["spec"].get("unschedulable")]


def killed_drain(drillkit: CommandLine, two: Two) -> Path:
    """A drain whose runner was killed while a node was cordoned; its journal."""
    process = drillkit.start("run", "node-drain", "-t", "dev", "--yes")
    try:
        until(lambda: cordoned(two.first), "a node is cordoned")
    finally:
        process.kill()
        process.communicate()
    return drillkit.run_folder("node-drain") / "journal.jsonl"


@pytest.mark.slow
@pytest.mark.parametrize("pinned", [True, False])
def test_recover_with_a_kubeconfig_that_leads_elsewhere_is_refused_and_the_undo_stays_open(
    drillkit: CommandLine, two: Two, pinned: bool
) -> None:
    target(drillkit, two, two.uid if pinned else None)
    journal = killed_drain(drillkit, two)
    (node,) = cordoned(two.first)
    two.turn(two.second)
    ran = drillkit("recover")
    assert ran.code == 5, ran.said
    assert f"the run was on cluster {two.uid}" in ran.said
    assert f"leads to cluster {two.second.endpoints['cluster_uid']}" in ran.said
    assert f"kubeconfig {two.kubeconfig}" in ran.said
    assert f"node/{node}" in {undo.resource for undo in open_undos(read(journal))}
    assert cordoned(two.first) == [node]
    assert (drillkit.home / "open" / journal.parent.name).exists()
    again = drillkit("run", "node-drain", "-t", "dev", "--yes", "--recover")
    assert again.code == 4, again.said
    two.turn(two.first)
    ran = drillkit("recover")
    assert ran.code == 0, ran.said
    assert cordoned(two.first) == []


@pytest.mark.slow
def test_keep_with_a_kubeconfig_that_leads_elsewhere_takes_no_mark_off(
    drillkit: CommandLine, two: Two
) -> None:
    target(drillkit, two)
    folder = drillkit.folder / "reports" / "copy" / "20260101-000000-bbbb"
    folder.mkdir(parents=True)
    journal = Journal(folder / "journal.jsonl")
    dev = Target(name="dev", kubernetes=KubernetesTarget(kubeconfig=str(two.kubeconfig)))
    identities = Identities(cluster_uid=two.uid)
    journal.append(RunOpened(run=folder.name, target=dev, identities=identities))
    undo = DeleteObject(NAMESPACES, "dr-copy", folder.name)
    plan = journal.plan(undo)
    made = kube(two.first).create(plan, {"metadata": {}})
    journal.close()
    two.turn(two.second)
    ran = drillkit("keep", str(folder), "dr-copy")
    assert ran.code == 4, ran.said
    assert f"the run was on cluster {two.uid}" in ran.err
    assert [u.resource for u in open_undos(read(folder / "journal.jsonl"))] == [undo.resource]
    assert kube(two.first).get(NAMESPACES, "dr-copy")["metadata"] == made["metadata"]


@pytest.mark.slow
def test_every_command_is_refused_where_the_target_pins_another_cluster(
    drillkit: CommandLine, two: Two
) -> None:
    target(drillkit, two, two.uid)
    two.turn(two.second)
    for command in (
        ("sweep", "-t", "dev", "--yes"),
        ("canary", "install", "-t", "dev", "-n", "shop", "--yes"),
        ("canary", "remove", "-t", "dev", "-n", "shop", "--yes"),
        ("canary", "status", "-t", "dev", "-n", "shop"),
        ("advise", "-t", "dev"),
        ("target", "check", "dev"),
        ("permissions", "pod-delete", "-t", "dev", "--verify"),
        ("block", "dev", "an incident"),
        ("unblock", "dev"),
        ("plan", "pod-delete", "-t", "dev"),
        ("run", "pod-delete", "-t", "dev", "--yes"),
    ):
        ran = drillkit(*command)
        assert ran.code == 4, (command, ran.said)
        assert f"pinned to cluster {two.uid}" in ran.said, command
        assert f"leads to cluster {two.second.endpoints['cluster_uid']}" in ran.said, command


def two_contexts(two: Two, path: Path) -> None:
    """A kubeconfig of the operator: contexts `dev` and `prod`, the current one is prod."""
    import yaml

    merged: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "current-context": "prod"}
    for name, sandbox in (("dev", two.first), ("prod", two.second)):
        document = yaml.safe_load(sandbox.kubeconfig.read_text())
        for sort in ("cluster", "user"):
            merged.setdefault(f"{sort}s", []).append(
                {"name": name, sort: document[f"{sort}s"][0][sort]}
            )
        context = {"name": name, "context": {"cluster": name, "user": name}}
        merged.setdefault("contexts", []).append(context)
    path.write_text(yaml.safe_dump(merged))


WHERE = """
drill: where
owner: platform@example.com
limit: 2m
steps:
  - name: make
    uses: command
    with:
      run: [kubectl, create, configmap, made, -n, shop]
      undo: [kubectl, create, configmap, undone, -n, shop]
  - name: process
    uses: chaostoolkit
    with: {experiment: ./where.json}
  - name: surroundings
    uses: command
    with: {run: [env], undo: ["true"]}
"""


def maps(sandbox: Sandbox) -> set[str]:
    return {
        found["metadata"]["name"]
        for found in kube(sandbox).list(Resource("", "v1", "configmaps"), "shop")
    }


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")
def test_programs_work_at_the_target_whatever_context_is_the_operators_current_one(
    drillkit: CommandLine, two: Two
) -> None:
    config = drillkit.folder / "operator.yaml"
    two_contexts(two, config)
    targets = {"dev": {"kubernetes": {"context": "dev", "cluster_uid": two.uid}}}
    (drillkit.folder / "drills" / "targets.yaml").write_text(json.dumps(targets))
    (drillkit.folder / "where.yaml").write_text(WHERE)
    provider = {
        "type": "process",
        "path": "kubectl",
        "arguments": "create configmap provided -n shop",
    }
    experiment = {
        "title": "where",
        "description": "where",
        "method": [{"type": "action", "name": "make", "provider": provider}],
    }
    (drillkit.folder / "where.json").write_text(json.dumps(experiment))
    before = maps(two.first), maps(two.second)
    env = {
        "KUBECONFIG": str(config),
        "AWS_PROFILE": "prod",
        "AWS_REGION": "eu-west-1",
        "HELM_KUBECONTEXT": "prod",
        "KUBERNETES_MASTER": two.second.endpoints["server"],
    }
    ran = drillkit("run", "./where.yaml", "-t", "dev", "--yes", env=env)
    assert maps(two.second) == before[1], "nothing was made in prod"
    assert maps(two.first) - before[0] == {"made", "provided", "undone"}, ran.said
    text = (drillkit.run_folder("where") / "attachments" / "surroundings.txt").read_text()
    seen = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    assert not {"AWS_PROFILE", "AWS_REGION", "HELM_KUBECONTEXT", "KUBERNETES_MASTER"} & set(seen)
    assert seen["AWS_CONFIG_FILE"] == "/dev/null"
    assert not Path(seen["KUBECONFIG"]).exists(), "it is removed with the run"


LOGIN = """\
#!/bin/sh
[ "$AWS_PROFILE" = ops ] || exit 1
grep -q "profile ops" "${AWS_CONFIG_FILE:-$HOME/.aws/config}" || exit 1
echo '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
       "status": {"token": "%s"}}'
"""
TURNED = """
drill: turned
owner: platform@example.com
limit: 2m
steps:
  - name: turn
    uses: command
    with: {run: [cp, another/kubeconfig, kubeconfig.yaml], undo: ["true"]}
  - name: make
    uses: command
    with:
      run: [kubectl, create, configmap, made, -n, shop]
      undo: [kubectl, create, configmap, undone, -n, shop]
  - name: look
    uses: chaostoolkit
    with: {experiment: ./look.json}
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")
def test_a_run_stays_where_it_began_though_its_kubeconfig_is_turned_and_logs_in_by_a_plugin(
    drillkit: CommandLine, two: Two
) -> None:
    import yaml

    document = yaml.safe_load(two.first.kubeconfig.read_text())
    (user,) = document["users"]
    login = drillkit.folder / "login"
    login.write_text(LOGIN % user["user"]["token"])
    login.chmod(0o700)
    version = "client.authentication.k8s.io/v1"
    user["user"] = {
        "exec": {"apiVersion": version, "command": "./login", "interactiveMode": "Never"}
    }
    two.kubeconfig.write_text(json.dumps(document))
    (drillkit.folder / ".aws").mkdir()
    (drillkit.folder / ".aws" / "config").write_text("[profile ops]\nregion = eu-west-1\n")
    target(drillkit, two)
    (drillkit.folder / "turned.yaml").write_text(TURNED)
    chosen = {"namespace": "shop", "selector": "app=web"}
    ready = {"type": "python", "module": "drillkit.faults.probes", "func": "all_pods_ready"}
    kubectl = {
        "type": "process",
        "path": "kubectl",
        "arguments": "create configmap provided -n shop",
    }
    experiment = {
        "title": "look",
        "description": "look",
        "method": [
            {"type": "probe", "name": "ready", "provider": {**ready, "arguments": chosen}},
            {"type": "action", "name": "make", "provider": kubectl},
        ],
    }
    (drillkit.folder / "look.json").write_text(json.dumps(experiment))
    before = maps(two.first), maps(two.second)
    ran = drillkit("run", "./turned.yaml", "-t", "dev", "--yes", env={"AWS_PROFILE": "ops"})
    assert maps(two.second) == before[1], "nothing was made where it leads now"
    assert maps(two.first) - before[0] == {"made", "provided", "undone"}, ran.said
    assert "exec plugin" not in ran.said
    assert "ready succeeded" in ran.said


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")
def test_a_command_on_the_sandbox_finds_its_cluster(
    drillkit: CommandLine, sandbox: Sandbox
) -> None:
    check = "    checks: [{command: [kubectl, get, configmap, made, -n, shop]}]\n"
    (drillkit.folder / "d.yaml").write_text(WHERE.partition("  - name: process")[0] + check)
    ran = drillkit("run", "./d.yaml", "-t", "sandbox", "--yes")
    assert ran.code == 0, ran.said
    assert {"made", "undone"} <= maps(sandbox), ran.said


@pytest.mark.slow
def test_a_commands_undo_stays_open_where_the_kubeconfig_leads_elsewhere(
    drillkit: CommandLine, two: Two
) -> None:
    target(drillkit, two)
    began, undone = drillkit.folder / "began", drillkit.folder / "undone"
    (drillkit.folder / "d.yaml").write_text(
        """
        drill: d
        owner: me
        limit: 2m
        steps:
          - name: c
            uses: command
            with: {run: [sh, -c, touch began; sleep 60], undo: [touch, undone]}
        """
    )
    process = drillkit.start("run", "./d.yaml", "-t", "dev", "--yes")
    try:
        until(began.exists, "the command has begun")
    finally:
        process.kill()
        process.communicate()
    two.turn(two.second)
    ran = drillkit("recover")
    assert ran.code == 5, ran.said
    assert f"the run was on cluster {two.uid}" in ran.said
    assert not undone.exists()
    two.turn(two.first)
    ran = drillkit("recover", env={"PWD": "/"})
    assert ran.code == 0, ran.said
    assert undone.exists()


PLACES: tuple[dict[str, Any], ...] = (
    {"configuration": {"KUBERNETES_CONTEXT": "prod"}},
    {"secrets": {"kubernetes": {"KUBERNETES_CONTEXT": "prod"}}},
    {"secrets": {"k": {"KUBERNETES_CONTEXT": {"type": "env", "key": "CONTEXT_OF_PROD"}}}},
    {"secrets": {"k": {"KUBERNETES_HOST": "https://prod.example.com"}}},
    {"configuration": {"KUBECONFIG": "/home/me/.kube/prod"}},
    {"configuration": {"aws_profile_name": "prod"}},
    {"configuration": {"aws_region": "us-east-1"}},
)


@pytest.mark.slow
def test_an_experiment_that_names_another_place_than_the_targets_is_refused(
    drillkit: CommandLine, sandbox: Sandbox
) -> None:
    touch = {"type": "process", "path": "touch", "arguments": "touched"}
    method = [{"type": "action", "name": "touch", "provider": touch}]
    env = {"CONTEXT_OF_PROD": "prod"}
    for place in PLACES:
        experiment = {"title": "elsewhere", "description": "elsewhere", **place, "method": method}
        (drillkit.folder / "e.json").write_text(json.dumps(experiment))
        for command in (
            ("plan", "./e.json", "-t", "sandbox"),
            ("run", "./e.json", "-t", "sandbox", "--yes"),
        ):
            ran = drillkit(*command, env=env)
            assert ran.code == 4, (place, ran.said)
            said = "names a place of its own; expected that of target `sandbox`"
            assert said in ran.said, (place, ran.said)
        assert not (drillkit.folder / "touched").exists(), place

"""kubectl against a whole sandbox, as an operator uses it."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed"),
]


def minor_version():
    """The minor version of kubectl, 0 without one."""
    if shutil.which("kubectl") is None:
        return 0
    said = subprocess.run(
        ["kubectl", "version", "--client", "-o", "json"], capture_output=True, text=True, check=True
    )
    return int(json.loads(said.stdout)["clientVersion"]["minor"].rstrip("+"))


needs_websockets = pytest.mark.skipif(
    minor_version() < 30, reason="older kubectl runs commands over SPDY only"
)
needs_no_openapi = pytest.mark.skipif(
    minor_version() < 27, reason="older kubectl asks OpenAPI about dry runs"
)
needs_openapi_3 = pytest.mark.skipif(
    minor_version() < 27, reason="older kubectl explains version 2 only"
)

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: front, labels: {app: front}}
spec:
  replicas: 2
  selector: {matchLabels: {app: front}}
  template:
    metadata: {labels: {app: front}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: front, image: "sandbox/front:1", ports: [{containerPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: front}
spec: {selector: {app: front}, ports: [{port: 80, targetPort: 8080}]}
"""

BUDGET = """
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: stay}
spec: {minAvailable: 2, selector: {matchLabels: {app: front}}}
"""


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory):
    """Runs kubectl against one sandbox for all tests of this file; answers its output."""
    folder = tmp_path_factory.mktemp("sandbox")
    command = [
        sys.executable,
        "-m",
        "drillkit.sandbox",
        "--state",
        str(folder),
        "--no-shop",
        "--die-with-parent",
    ]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    endpoints = json.loads(process.stdout.readline())
    home = folder / "home"
    home.mkdir()
    environment = {
        **os.environ,
        "KUBECONFIG": endpoints["kubeconfig"],
        "HOME": str(home),
        "NO_PROXY": "127.0.0.1",
    }

    def run(*words, given=None, fails=False):
        done = subprocess.run(
            ["kubectl", *words],
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            env=environment,
            check=False,
        )
        assert (done.returncode != 0) is fails, (words, done.stdout, done.stderr)
        return done.stderr if fails else done.stdout

    yield run
    process.stdin.close()
    assert process.wait(5) == 0
    process.stdout.close()


@pytest.fixture
def space(kubectl, request):
    """A namespace of its own for each test; runs kubectl in it."""
    name = f"t-{abs(hash(request.node.name)) % 10**8}"
    kubectl("create", "namespace", name)

    yield functools.partial(kubectl, "-n", name)
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def front(space):
    """A Deployment of two pods, rolled out, with a Service."""
    space("apply", "-f", "-", given=WEB)
    space("rollout", "status", "deployment/front", "--timeout=20s")
    return space


def test_apply_creates_then_changes_then_finds_nothing_to_do(front):
    assert "deployment.apps/front unchanged" in front("apply", "-f", "-", given=WEB)
    three = WEB.replace("replicas: 2", "replicas: 3")
    assert "deployment.apps/front configured" in front("apply", "-f", "-", given=three)
    front("rollout", "status", "deployment/front", "--timeout=20s")
    assert front("get", "deploy", "front", "-o", "jsonpath={.status.readyReplicas}") == "3"
    assert "serverside-applied" in front(
        "apply", "--server-side", "--force-conflicts", "-f", "-", given=WEB
    )


@needs_openapi_3
def test_kinds_are_explained_and_a_field_that_one_has_not_is_refused(space):
    said = space("explain", "deployments.spec.strategy")
    assert "DeploymentStrategy describes how to replace existing pods" in said
    assert "FIELD: strategy" in said
    wrong = WEB.replace("replicas: 2", "replicsa: 2")
    assert 'unknown field "spec.replicsa"' in space("apply", "-f", "-", given=wrong, fails=True)


def test_a_rollout_is_followed_and_undone(front):
    front("set", "image", "deployment/front", "front=sandbox/front:2")
    assert "successfully rolled out" in front(
        "rollout", "status", "deployment/front", "--timeout=20s"
    )
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert front("get", "deploy", "front", "-o", image) == "sandbox/front:2"
    front("rollout", "undo", "deployment/front")
    front("rollout", "status", "deployment/front", "--timeout=20s")
    assert front("get", "deploy", "front", "-o", image) == "sandbox/front:1"
    assert "REVISION" in front("rollout", "history", "deployment/front")
    front("rollout", "restart", "deployment/front")
    assert "successfully rolled out" in front(
        "rollout", "status", "deployment/front", "--timeout=20s"
    )


def test_get_prints_tables_and_wide_ones_and_selects(front):
    header, *rows = front("get", "pods", "-l", "app=front").splitlines()
    assert header.split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert len(rows) == 2
    assert all(row.split()[1:3] == ["1/1", "Running"] for row in rows)
    assert "node-" in front("get", "pods", "-o", "wide")
    assert front("get", "pods", "--field-selector", "status.phase=Pending", "-o", "name") == ""
    assert "deployment.apps/front" in front("get", "all")


def test_logs_and_descriptions_are_shown(front):
    pod = front("get", "pods", "-l", "app=front", "-o", "jsonpath={.items[0].metadata.name}")
    front("logs", pod, "--tail=200")
    described = front("describe", "pod", pod)
    assert "Node:" in described
    assert "Events:" in described


@needs_websockets
def test_commands_run_with_input_output_and_exit_code(front):
    pod = front("get", "pods", "-l", "app=front", "-o", "jsonpath={.items[0].metadata.name}")
    assert front("exec", pod, "--", "echo", "from inside") == "from inside\n"
    assert "exit code 7" in front("exec", pod, "--", "sh", "-c", "exit 7", fails=True)
    assert front("exec", "-i", pod, "--", "cat", given="to and fro") == "to and fro"


def test_a_node_is_cordoned_drained_and_uncordoned(kubectl, front):
    node = front("get", "pods", "-l", "app=front", "-o", "jsonpath={.items[0].spec.nodeName}")
    drained = kubectl(
        "drain", node, "--ignore-daemonsets", "--timeout=20s", "--delete-emptydir-data"
    )
    assert drained.splitlines()[-1] in (f"node/{node} drained", f"node/{node} evicted")
    assert "SchedulingDisabled" in kubectl("get", "node", node)
    front("rollout", "status", "deployment/front", "--timeout=20s")
    assert node not in front(
        "get", "pods", "-l", "app=front", "-o", "jsonpath={.items[*].spec.nodeName}"
    )
    kubectl("uncordon", node)
    assert "SchedulingDisabled" not in kubectl("get", "node", node)


def test_a_drain_that_a_budget_forbids_names_it(kubectl, front):
    front("apply", "-f", "-", given=BUDGET)
    node = front("get", "pods", "-l", "app=front", "-o", "jsonpath={.items[0].spec.nodeName}")
    refusal = kubectl("drain", node, "--timeout=1s", "--ignore-daemonsets", fails=True)
    kubectl("uncordon", node)
    assert "Cannot evict pod as it would violate the pod's disruption budget" in refusal


def test_scaling_patching_labelling_waiting_and_deleting_work(front):
    front("scale", "deployment/front", "--replicas=1")
    front("rollout", "status", "deployment/front", "--timeout=20s")
    front("wait", "deployment/front", "--for=condition=Available", "--timeout=20s")
    front(
        "patch",
        "deployment",
        "front",
        "--type=json",
        "-p",
        '[{"op":"add","path":"/metadata/labels/x","value":"y"}]',
    )
    front("label", "deployment", "front", "tier=web")
    front("annotate", "deployment", "front", "note=drill")
    labels = json.loads(front("get", "deployment", "front", "-o", "json"))["metadata"]["labels"]
    assert labels == {"app": "front", "x": "y", "tier": "web"}
    front("delete", "deployment", "front", "--cascade=foreground", "--timeout=20s")
    assert "not found" in front("get", "deployment", "front", fails=True).lower()
    assert front("get", "replicasets,pods", "-o", "name") == ""


def test_top_shows_pods(front):
    assert front("top", "pods").splitlines()[0].split() == ["NAME", "CPU(cores)", "MEMORY(bytes)"]


def test_definitions_come_and_go(kubectl, space):
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "storms.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "storms", "kind": "Storm", "shortNames": ["st"]},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object"}},
                }
            ],
        },
    }
    kubectl("apply", "-f", "-", given=json.dumps(definition))
    kubectl("wait", "crd/storms.example.com", "--for=condition=Established", "--timeout=5s")
    storm = {"apiVersion": "example.com/v1", "kind": "Storm", "metadata": {"name": "one"}}
    space("apply", "-f", "-", given=json.dumps(storm))
    assert "one" in space("get", "st")
    kubectl("delete", "crd", "storms.example.com", "--timeout=10s")
    assert "storms" in space("get", "storms", fails=True)


def test_access_and_resources_are_told(kubectl):
    assert kubectl("auth", "can-i", "delete", "pods").strip() == "yes"
    assert "poddisruptionbudgets" in kubectl("api-resources")


@needs_no_openapi
def test_dry_runs_and_diffs_change_nothing(front):
    assert "server dry run" in front("delete", "deployment", "front", "--dry-run=server")
    assert front("get", "deployment", "front", "-o", "name") == "deployment.apps/front\n"
    front("diff", "-f", "-", given=WEB)


def test_a_namespace_is_deleted_with_all_that_is_in_it(kubectl):
    kubectl("create", "namespace", "short-lived")
    kubectl("-n", "short-lived", "apply", "-f", "-", given=WEB)
    kubectl("delete", "namespace", "short-lived", "--timeout=20s")
    assert (
        kubectl(
            "get", "pods", "-A", "--field-selector", "metadata.namespace=short-lived", "-o", "name"
        )
        == ""
    )

"""The sandbox as a process: how it starts, what it says, how it ends."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import stat
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest


class Sandbox:
    def __init__(self, folder, *options, stdin=subprocess.PIPE):
        command = [sys.executable, "-m", "drillkit.sandbox", "--state", str(folder), *options]
        self.process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.endpoints = None

    def ready(self):
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            assert selector.select(30), "said nothing for 30 s"
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        self.endpoints = json.loads(line)
        return self

    def family(self):
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(5)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def start(tmp_path):
    started = []

    def begin(*options, folder=tmp_path / "state", **more):
        started.append(Sandbox(folder, *options, **more))
        return started[-1]

    yield begin
    for each in started:
        each.end()


NO_PROXY = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def write(path, data):
    path.write_text(json.dumps(data))
    return str(path)


def gone(processes, within_s=5.0):
    _, alive = psutil.wait_procs(processes, timeout=within_s)
    return not [each for each in alive if each.status() != psutil.STATUS_ZOMBIE]


def test_it_says_in_one_line_where_everything_is(start, tmp_path):
    sandbox = start("--no-cluster").ready()
    said = sandbox.endpoints
    assert said.keys() >= {
        "kubeconfig",
        "server",
        "urls",
        "aws",
        "prometheus",
        "pid",
        "cluster_uid",
        "emulated",
    }
    assert said["pid"] == sandbox.process.pid
    file = tmp_path / "state" / "endpoints.json"
    assert json.loads(file.read_text()) == said
    for path in (file, said["kubeconfig"]):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    token = json.loads(Path(said["kubeconfig"]).read_text())["users"][0]["user"]["token"]
    assert token not in file.read_text()
    assert token not in " ".join(psutil.Process(said["pid"]).cmdline())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_within_two_seconds_and_leaves_no_file(start, tmp_path, number):
    sandbox = start("--no-cluster").ready()
    sandbox.process.send_signal(number)
    assert sandbox.process.wait(2) == 0
    assert list((tmp_path / "state").iterdir()) == []


def test_it_stops_while_it_is_still_starting(start):
    sandbox = start()
    time.sleep(0.6)
    sandbox.process.terminate()
    assert sandbox.process.wait(5) in (0, -signal.SIGTERM)


def test_a_second_one_in_the_same_folder_is_refused(start):
    start("--no-cluster").ready()
    second = start("--no-cluster")
    assert second.process.wait(10) == 1
    assert "another sandbox runs in" in second.process.stderr.read()


def test_a_folder_can_be_used_again(start):
    for _ in range(2):
        sandbox = start("--no-cluster").ready()
        sandbox.process.kill()
        sandbox.process.wait(5)


def test_it_ends_with_its_parents_pipe(start):
    sandbox = start("--no-cluster", "--die-with-parent").ready()
    sandbox.process.stdin.close()
    assert sandbox.process.wait(3) == 0


def test_without_a_pipe_the_end_of_input_means_nothing(start):
    sandbox = start("--no-cluster", "--die-with-parent", stdin=subprocess.DEVNULL).ready()
    with pytest.raises(subprocess.TimeoutExpired):
        sandbox.process.wait(0.3)


@pytest.mark.skipif(
    sys.platform != "linux",
    reason="the kernel tells children of their parent's death on Linux only",
)
def test_it_ends_with_a_parent_that_is_killed(tmp_path):
    script = (
        "import subprocess, sys, time\n"
        "p = subprocess.Popen([sys.executable, '-m', 'drillkit.sandbox', '--state', "
        "sys.argv[1], '--no-cluster',"
        " '--die-with-parent'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)\n"
        "p.stdout.readline(); print(p.pid, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "state")], stdout=subprocess.PIPE, text=True
    )
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait(5)
    parent.stdout.close()
    assert gone([child])


def test_bad_options_are_explained(start):
    sandbox = start("--no-such-option")
    assert sandbox.process.wait(10) == 2
    assert "--no-such-option" in sandbox.process.stderr.read()


def test_a_folder_that_cannot_be_made_is_explained(start, tmp_path):
    (tmp_path / "file").write_text("")
    sandbox = start("--no-cluster", folder=tmp_path / "file" / "state")
    assert sandbox.process.wait(10) == 1
    assert "the sandbox cannot start" in sandbox.process.stderr.read()


def test_velero_needs_no_aws(start):
    sandbox = start("--no-cluster", "--velero").ready()
    assert any("Velero" in line for line in sandbox.endpoints["emulated"])
    sandbox.process.terminate()
    assert sandbox.process.wait(2.5) == 0


@pytest.mark.slow
@pytest.mark.skipif(
    not (shutil.which("postgres") or list(Path("/usr/lib/postgresql").glob("*/bin/postgres"))),
    reason="PostgreSQL is not installed",
)
def test_aws_is_described_without_a_password_and_ends_with_the_rest(start):
    sandbox = start("--no-cluster", "--aws", "--ready-timeout", "60").ready()
    aws = sandbox.endpoints["aws"]
    assert aws.keys() >= {
        "endpoint_url",
        "account",
        "region",
        "subnet_group",
        "security_groups",
        "environment",
    }
    for reference in aws["databases"].values():
        login = Path(reference.removeprefix("file:"))
        assert stat.S_IMODE(login.stat().st_mode) == 0o600
        assert login.read_text().partition(":")[2] not in json.dumps(sandbox.endpoints)
    family = sandbox.family()
    sandbox.process.terminate()
    assert sandbox.process.wait(2.5) == 0
    assert gone(family)


SPEAKS = """
import json, os, ssl, urllib.request
place, env = "/var/run/secrets/kubernetes.io/serviceaccount", os.environ
token, namespace = (open(place + "/" + name).read() for name in ("token", "namespace"))
url = "https://%s:%s/api" % (env["KUBERNETES_SERVICE_HOST"], env["KUBERNETES_SERVICE_PORT"])
asked = urllib.request.Request(url, headers={"Authorization": "Bearer " + token})
trusting = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=place + "/ca.crt"))
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), trusting)
print(namespace, json.load(opener.open(asked))["kind"], sorted(os.listdir(place)))
"""


def test_a_pod_finds_who_it_is_and_whom_to_trust_where_a_real_one_does(start):
    config = start("--no-shop", "--die-with-parent").ready().endpoints["kubeconfig"]

    def kubectl(*words):
        command = ["kubectl", "--kubeconfig", config, *words]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=20, env={**os.environ, **NO_PROXY}
        )

    container = {"name": "main", "image": "python:3", "command": ["python3", "-c", SPEAKS]}
    spec = {"restartPolicy": "Never", "containers": [container]}
    shut = {**spec, "automountServiceAccountToken": False}
    for name, each in (("open", spec), ("shut", shut)):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": each}
        kubectl("create", "-f", write(Path(config).with_name(f"{name}.json"), pod))
    done = "--for=jsonpath={.status.phase}="
    assert kubectl("wait", f"{done}Succeeded", "pod/open", "--timeout=15s").returncode == 0
    assert kubectl("wait", f"{done}Failed", "pod/shut", "--timeout=15s").returncode == 0
    assert kubectl("logs", "open").stdout == (
        "default APIVersions ['ca.crt', 'namespace', 'token']\n"
    )
    assert "No such file" in kubectl("logs", "shut").stdout


@pytest.mark.slow
def test_the_shop_answers_and_a_stop_ends_every_process(start):
    sandbox = start("--die-with-parent").ready()
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
        sandbox.endpoints["urls"]["web"]
    ) as answer:
        assert answer.status == 200
    family = sandbox.family()
    assert len(family) > 3
    sandbox.process.terminate()
    assert sandbox.process.wait(2.5) == 0
    assert gone(family)


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux",
    reason="the kernel tells children of their parent's death on Linux only",
)
def test_even_when_it_is_killed_no_process_stays(start):
    sandbox = start().ready()
    family = sandbox.family()
    assert len(family) > 3
    sandbox.process.kill()
    assert gone(family)

"""What a new user runs first: is the target there, and is it what it should be."""

from __future__ import annotations

import http.server
import json
import os
import re
import shlex
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from drillkit.clients.prometheus import open_prometheus
from drillkit.clock import SystemClock
from drillkit.model.drill import Drill, Guards
from drillkit.model.target import KubernetesTarget, PrometheusTarget, Target
from drillkit.plan.target_check import expected_pages, paging
from drillkit.runner.dry_run import clock_notes
from drillkit.spec.target_text import NewTarget, added, written_target
from drillkit.spec.targets import read_targets
from tests.cli.terminal import Terminal
from tests.conftest import CommandLine, Sandbox

CONTEXT = "drillkit-sandbox"


def marked(drillkit: CommandLine) -> Path:
    (drillkit.folder / "drillkit.yaml").touch()
    (drillkit.folder / "drills").mkdir(exist_ok=True)
    return drillkit.folder / "drills" / "targets.yaml"


def targets(drillkit: CommandLine, text: str) -> None:
    marked(drillkit).write_text(text)


def looks(drillkit: CommandLine, *arguments: str) -> tuple[int, dict[tuple[str, str], str]]:
    ran = drillkit("target", "check", *arguments, "--json")
    found: dict[tuple[str, str], str] = {}
    for row in json.loads(ran.out):
        key = (row["about"], row["state"])
        found[key] = f"{found.get(key, '')}{row['said']} {row['mend']}\n"
    return ran.code, found


class Behind(SystemClock):
    """A machine whose clock is wrong."""

    def now(self) -> float:
        return super().now() - 10


@pytest.mark.slow
def test_a_target_that_is_fit_is_told_so_point_by_point(
    drillkit: CommandLine, sandbox: Sandbox
) -> None:
    code, found = looks(drillkit, "sandbox", "pod-delete")
    assert code == 0, found
    assert "it is the pinned cluster" in found["identity", "ok"]
    assert "what every run needs is allowed" in found["permissions", "ok"]
    assert "`drillkit` is there" in found["namespace", "ok"]
    assert ("clock", "ok") in found
    assert "answers with 200" in found["URL web", "ok"]
    assert "it would start now" in found["drill pod-delete", "ok"]
    kubernetes = KubernetesTarget(kubeconfig=str(sandbox.kubeconfig))
    here = Target(name="here", kubernetes=kubernetes)
    assert list(clock_notes(here, SystemClock())) == []
    (note,) = clock_notes(here, Behind())
    assert re.fullmatch(r"the cluster's clock is (9|10)\S* s ahead of this machine's: .*", note)
    ran = drillkit("target", "check", "sandbox")
    assert ran.code == 0
    assert ran.out.endswith("`sandbox` is fit for drills\n")


@pytest.mark.slow
def test_whatever_keeps_runs_from_starting_is_told_at_once(
    drillkit: CommandLine, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets(
        drillkit,
        f"dev:\n  kubernetes: {{kubeconfig: {sandbox.kubeconfig}, namespace: nowhere}}\n"
        "  prometheus: {url: 'http://127.0.0.1:1'}\n"
        "  urls: {gone: 'http://127.0.0.1:1/x'}\n"
        "  databases: {db: 'env:NOT_SET_ANYWHERE'}\n",
    )
    (drillkit.folder / "drills" / "typo.yaml").write_text(
        "drill: typo\nowner: me\nsteps: [{uses: chaostoolkit, with: {experiment: pod-delete, "
        "configuration: {namespace: shopp, selector: app=web}}}]\n"
    )
    code, found = looks(drillkit, "dev", "typo")
    assert code == 4
    assert "write `cluster_uid: " in found["identity", "note"]
    assert "kubectl create namespace nowhere" in found["namespace", "wrong"]
    assert "127.0.0.1:1" in found["Prometheus", "wrong"]
    assert "cannot be reached" in found["URL gone", "wrong"]
    assert "NOT_SET_ANYWHERE" in found["secrets", "wrong"]
    assert "shopp" in found["drill typo", "wrong"]


@pytest.mark.slow
def test_another_cluster_and_a_cluster_that_is_away_are_told_apart(
    drillkit: CommandLine, sandbox: Sandbox
) -> None:
    targets(
        drillkit,
        f"other: {{kubernetes: {{kubeconfig: {sandbox.kubeconfig}, cluster_uid: another}}}}\n"
        f"away: {{kubernetes: {{kubeconfig: {drillkit.folder}/kubeconfig}}}}\n",
    )
    config = yaml.safe_load(sandbox.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    (drillkit.folder / "kubeconfig").write_text(yaml.safe_dump(config))
    code, found = looks(drillkit, "other")
    assert code == 4
    assert "pinned to cluster another" in found["cluster", "wrong"]
    code, found = looks(drillkit, "away")
    assert code == 4
    assert "Connection refused" in found["cluster", "wrong"]


@pytest.fixture
def account() -> Iterator[str]:
    """Answers as AWS does when it is asked who we are."""
    body = (
        b"<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account>"
        b"<Arn>arn:aws:iam::123456789012:user/me</Arn></GetCallerIdentityResult>"
        b"</GetCallerIdentityResponse>"
    )

    class Sts(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sts)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}


@pytest.mark.slow
def test_a_target_is_added_pinned_and_is_fit_then(
    drillkit: CommandLine, sandbox: Sandbox, account: str
) -> None:
    file = marked(drillkit)
    file.write_text("# mine\nold: {kubernetes: {context: x}}  # stays\n")
    file.chmod(0o600)
    ran = drillkit(
        *("target", "add", "dev", "--kubeconfig", str(sandbox.kubeconfig), "--context", CONTEXT),
        *("--region", "eu-central-1", "--endpoint-url", account, "--url", "shop=http://shop/"),
        env=KEYS,
    )
    assert ran.code == 0, ran.said
    text = file.read_text()
    assert text.startswith("# mine\nold: {kubernetes: {context: x}}  # stays\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "# It is a practice cluster" in text
    assert "# Pinned: " in text
    new = read_targets(file)["dev"]
    assert new.kubernetes is not None
    assert new.aws is not None
    assert new.kubernetes.cluster_uid == sandbox.endpoints["cluster_uid"]
    assert (new.kubernetes.context, new.aws.account) == (CONTEXT, "123456789012")
    assert new.urls == {"shop": "http://shop/"}
    assert drillkit("validate").code == 0
    _, found = looks(drillkit, "dev")
    assert "it is the pinned cluster" in found["identity", "ok"]
    assert list(file.parent.glob(".*")) == [], "no half-written file stays"

    again = drillkit(
        "target", "add", "dev", "--kubeconfig", str(sandbox.kubeconfig), "--context", CONTEXT
    )
    assert again.code == 2
    assert "has a target `dev` already" in again.err
    assert file.read_text() == text


@pytest.mark.slow
def test_without_a_terminal_the_line_to_type_is_right(
    drillkit: CommandLine, sandbox: Sandbox
) -> None:
    marked(drillkit)
    ran = drillkit("target", "add", "dev", "--kubeconfig", str(sandbox.kubeconfig))
    assert ran.code == 2
    (line,) = re.findall(r"type: drillkit (.*)", ran.err)
    followed = drillkit(*shlex.split(line))
    assert followed.code == 0, followed.said
    assert followed.out.endswith("next: drillkit target check dev\n")
    assert drillkit("target", "check", "dev").code == 0


@pytest.mark.slow
def test_on_a_terminal_it_asks(drillkit: CommandLine, sandbox: Sandbox) -> None:
    file = marked(drillkit)
    command = [sys.executable, "-m", "drillkit", "target", "add", "prod"]
    environment = drillkit.environment({"KUBECONFIG": str(sandbox.kubeconfig)})
    terminal = Terminal(command, drillkit.folder, environment)
    try:
        terminal.shows("Context of the cluster")
        terminal.press("\n")
        terminal.shows("AWS region")
        terminal.press("\n")
        terminal.shows("Is it production")
        terminal.press("y\n")
        terminal.shows("wrote target `prod`")
        assert terminal.end() == 0
    finally:
        terminal.close()
    new = read_targets(file)["prod"]
    assert new.protected
    assert new.aws is None


def test_nothing_is_written_where_no_project_is(drillkit: CommandLine) -> None:
    ran = drillkit("target", "add", "dev", "--context", "x")
    assert ran.code == 2
    assert "drillkit init" in ran.err
    assert not (drillkit.folder / "drills").exists()


@pytest.mark.parametrize(
    "text", ["a b", "yes", "1e3", "null", "x: y", "# no", "'", '"', "ä", "-", "012", "a\nb"]
)
def test_whatever_a_context_is_called_is_read_back(text: str, tmp_path: Path) -> None:
    new = NewTarget(name="dev", context=text, cluster_uid="u", remarks=("seen",))
    read = yaml.safe_load(written_target(new))
    assert read["dev"]["kubernetes"]["context"] == text
    file = tmp_path / "targets.yaml"
    file.write_text("")
    file.write_text(added(file, new))
    kubernetes = read_targets(file)["dev"].kubernetes
    assert kubernetes is not None
    assert kubernetes.context == text
    assert os.listdir(tmp_path) == ["targets.yaml"]


@pytest.mark.parametrize(
    "command",
    [
        "run pod-delete",
        "plan pod-delete --set count=2",
        "sweep",
        "canary status -n shop",
        "slo check api-availability",
    ],
)
def test_the_line_to_type_without_a_target_repeats_what_was_typed(
    command: str, drillkit: CommandLine
) -> None:
    ran = drillkit(*command.split())
    assert ran.code == 2
    assert f"type: drillkit {command} --target sandbox" in ran.err


RULES = [
    ("ShopDown", "critical"),
    ("DiskFull", "critical"),
    ("ShopSlow", "warning"),
]
RULE_FILE = {
    "status": "success",
    "data": {
        "groups": [
            {
                "rules": [
                    {"type": "alerting", "name": name, "query": "up", "labels": {"severity": how}}
                    for name, how in RULES
                ]
            }
        ]
    },
}
ROUTES = """
route:
  receiver: nobody
  routes:
    - {matchers: ['alertname="ShopDown"'], receiver: oncall}
    - {matchers: ['alertname="ShopSlow"'], receiver: shop}
receivers:
  - {name: nobody}
  - {name: oncall, pagerduty_configs: [{routing_key: <secret>}], slack_configs: [{channel: x}]}
  - {name: shop, email_configs: [{to: shop@example.com}]}
"""


@pytest.fixture
def watching() -> Iterator[str]:
    """The URL of a Prometheus with its Alertmanager, as far as they say who is told."""

    class Watching(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            rules = self.path.startswith("/api/v1/rules")
            told = RULE_FILE if rules else {"config": {"original": ROUTES}}
            body = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Watching)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_who_would_be_paged_is_told_of_critical_alerts_and_of_those_a_drill_causes(
    watching: str,
) -> None:
    known = PrometheusTarget(url=watching, alertmanager=watching)
    clock = SystemClock()
    said = [(look.state, look.said) for look in paging(open_prometheus(known, clock))]
    assert said == [
        ("note", "DiskFull would page nobody: no receiver of its route tells anybody"),
        ("ok", "ShopDown would page oncall (pagerduty, slack)"),
    ]
    unknown = PrometheusTarget(url=watching)
    (look,) = paging(open_prometheus(unknown, clock))
    assert look.said == "nobody knows who is paged of ShopDown, DiskFull"
    assert look.mend.startswith("write `alertmanager: URL` under `prometheus`")

    guards = Guards(expected_alerts=("ShopSlow", "Renamed"))
    drill = Drill(drill="slow", owner="me", steps=(), guards=guards)
    caused = expected_pages(drill, Target(name="dev", prometheus=known), clock)
    assert [(look.about, look.state, look.said) for look in caused] == [
        ("drill slow", "ok", "ShopSlow would page shop (email)"),
        (
            "drill slow",
            "note",
            f"it expects Renamed, which no alerting rule of {watching} is called",
        ),
    ]

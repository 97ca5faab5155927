"""What programs are given to reach a target: its only context, its account, and nothing of the
operator's own.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from drillkit.clients import Clients, access
from drillkit.clients.access import remove_stale
from drillkit.clients.elsewhere import elsewhere, flags_elsewhere
from drillkit.clients.kube.kubeconfig import alone, of_this_pod
from drillkit.clock import Fence, SystemClock
from drillkit.model.target import AwsTarget, KubernetesTarget, Target

OPERATOR = {
    "PATH": "/bin",
    "KUBECONFIG": "/home/me/.kube/config",
    "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    "KUBE_CONFIG_PATH": "/home/me/.kube/config",
    "HELM_KUBECONTEXT": "prod",
    "AWS_PROFILE": "prod",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ENDPOINT_URL_RDS": "https://rds.prod",
    "AWS_ACCESS_KEY_ID": "AKIAPROD",
    "AWS_SECRET_ACCESS_KEY": "of prod",
    "AWS_SESSION_TOKEN": "of prod",
    "AWS_CONFIG_FILE": "/home/me/.aws/config",
    "AWS_PAGER": "",
}


@pytest.fixture(autouse=True)
def _operator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if access.names_a_place(name)]:
        monkeypatch.delenv(name)
    for name, value in OPERATOR.items():
        if name != "PATH":
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


@pytest.fixture
def opened() -> Iterator[list[Clients]]:
    made: list[Clients] = []
    yield made
    for clients in made:
        clients.close()


def environment(opened: list[Clients], **target: Any) -> dict[str, str]:
    clients = Clients(Target(name="dev", **target), SystemClock(), Fence())
    opened.append(clients)
    account = AwsAccount()
    vars(clients)["aws"] = account
    return clients.access.environment()


class AwsAccount:
    """An account that is who it should be."""

    def check_account(self) -> str:
        return "123456789012"


def places(env: dict[str, str]) -> dict[str, str]:
    return {k: v for k, v in env.items() if access.names_a_place(k) and k != "KUBECONFIG"}


def test_a_target_without_cluster_and_account_leads_nowhere(opened: list[Clients]) -> None:
    env = environment(opened)
    assert places(env) == {
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    assert env["AWS_PAGER"] == ""
    config = yaml.safe_load(Path(env["KUBECONFIG"]).read_text())
    assert config["current-context"] == "target-dev-has-no-cluster"
    assert not config.get("contexts")


def test_a_profile_of_the_target_puts_the_operators_keys_out(opened: list[Clients]) -> None:
    account = AwsTarget(account="123456789012", region="eu-central-1", profile="dev")
    assert places(environment(opened, aws=account)) == {
        "AWS_CONFIG_FILE": "/home/me/.aws/config",
        "AWS_PROFILE": "dev",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    }


def test_a_credentials_file_of_the_target_puts_the_operators_keys_out(
    opened: list[Clients],
) -> None:
    account = AwsTarget(account="123456789012", region="eu-central-1", credentials_file="/etc/aws")
    assert places(environment(opened, aws=account)) == {
        "AWS_CONFIG_FILE": "/home/me/.aws/config",
        "AWS_SHARED_CREDENTIALS_FILE": "/etc/aws",
        "AWS_PROFILE": "default",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    }


def test_without_a_profile_it_is_the_credentials_that_our_own_connection_has_verified(
    opened: list[Clients],
) -> None:
    account = AwsTarget(
        account="123456789012",
        region="eu-central-1",
        endpoint_url="http://127.0.0.1:9",
    )
    assert places(environment(opened, aws=account)) == {
        "AWS_CONFIG_FILE": "/home/me/.aws/config",
        "AWS_PROFILE": "prod",
        "AWS_ACCESS_KEY_ID": "AKIAPROD",
        "AWS_SECRET_ACCESS_KEY": "of prod",
        "AWS_SESSION_TOKEN": "of prod",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    }


def test_what_was_written_is_for_us_only_and_goes_with_the_connections(
    opened: list[Clients], tmp_path: Path
) -> None:
    path = Path(environment(opened)["KUBECONFIG"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    opened[0].close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next_and_what_is_in_use_is_not(
    opened: list[Clients], tmp_path: Path
) -> None:
    code = (
        "from drillkit.clients import Clients; from drillkit.clock import Fence, SystemClock\n"
        "from drillkit.model.target import Target; import time\n"
        "clients = Clients(Target(name='t'), SystemClock(), Fence())\n"
        "clients.access.environment(); print(flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
        (theirs,) = tmp_path.iterdir()
        os.utime(theirs, (time.time() - 3600,) * 2)
        remove_stale()
        assert theirs.exists(), "it is in use, however old"
        process.send_signal(signal.SIGKILL)
        process.wait()
    remove_stale()
    assert not theirs.exists()


# The kubeconfig


def config(name: str, **user: Any) -> dict[str, Any]:
    cluster = {"server": f"https://{name}", "certificate-authority": "ca.crt"}
    return {
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "x"}}],
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
    }


def test_one_context_stays_and_its_files_are_found_from_everywhere() -> None:
    plugin = {"command": "bin/login", "args": ["--profile", "dev"]}
    dev = config("dev", exec=plugin, **{"client-key": "keys/dev.pem", "tokenFile": "/run/token"})
    found = alone([("/a", config("prod", token="x")), ("/home/me/.kube", dev)], "dev")
    assert found["current-context"] == "dev"
    assert [each["name"] for each in found["contexts"]] == ["dev"]
    assert found["contexts"][0]["context"]["namespace"] == "x"
    assert found["clusters"] == [
        {
            "name": "dev",
            "cluster": {
                "server": "https://dev",
                "certificate-authority": "/home/me/.kube/ca.crt",
            },
        }
    ]
    (user,) = found["users"]
    assert user["user"] == {
        "exec": {"command": "/home/me/.kube/bin/login", "args": ["--profile", "dev"]},
        "client-key": "/home/me/.kube/keys/dev.pem",
        "tokenFile": "/run/token",
    }
    assert "prod" not in json.dumps(found)


def test_a_pods_own_account_is_told_as_a_kubeconfig() -> None:
    found = of_this_pod({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"})
    assert found["clusters"][0]["cluster"]["server"] == "https://[fd00::1]:443"
    assert found["users"][0]["user"]["tokenFile"].endswith("/token")


# What a drill says itself

DEV = Target(
    name="dev",
    kubernetes=KubernetesTarget(kubeconfig="~/.kube/dev", context="dev"),
    aws=AwsTarget(account="1", region="eu-central-1", dr_region="eu-west-1", profile="dev"),
)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"KUBERNETES_CONTEXT": "prod"}, ["env.KUBERNETES_CONTEXT"]),
        ({"kubernetes_context": "prod"}, ["env.kubernetes_context"]),
        ({"k": {"KUBERNETES_API_KEY": "x"}}, ["env.k.KUBERNETES_API_KEY"]),
        ({"AWS_PROFILE": "env:AWS_PROFILE"}, ["env.AWS_PROFILE"]),
        ({"AWS_PROFILE": {"type": "vault", "path": "x"}}, ["env.AWS_PROFILE"]),
        ({"AWS_REGION": {"type": "env", "key": "AWS_DEFAULT_REGION"}}, ["env.AWS_REGION"]),
        ({"KUBERNETES_CONTEXT": "dev", "KUBECONFIG": os.path.expanduser("~/.kube/dev")}, []),
        ({"AWS_PROFILE": "dev", "aws_region": "eu-west-1"}, []),
        ({"KUBERNETES_CONTEXT": {"type": "env", "key": "NOT_SET"}}, []),
        ({"namespace": "shop", "KUBERNETES_NAMESPACE": "shop", "AWS_PAGER": "less"}, []),
    ],
)
def test_settings_that_name_another_place_are_told_by_their_name(
    settings: dict[str, Any], names: list[str]
) -> None:
    found = list(elsewhere("env", settings, DEV))
    assert [what.split(" ")[0] for what in found] == names
    assert not any("prod" in what for what in found), "no value is shown"


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("kubectl --context prod get pods", True),
        ("kubectl --context=dev get pods", False),
        ("/usr/bin/kubectl get pods --kubeconfig other", True),
        ("helm upgrade x --kube-context prod", True),
        ("aws s3 ls --profile prod", True),
        ("aws s3 ls --profile dev --region eu-west-1", False),
        ("kubectl create rolebinding x --user jane", False),
        ("docker --context prod ps", False),
    ],
)
def test_flags_that_name_another_place_are_told(command: str, wrong: bool) -> None:
    assert bool(list(flags_elsewhere("run", command.split(), DEV))) is wrong

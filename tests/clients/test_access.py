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
from drillkit.clients.kube.config import connect
from drillkit.clients.kube.kubeconfig import alone, of_this_pod
from drillkit.clients.kube.kubeconfig_files import user_in
from drillkit.clients.kube.lifetimes import lifetimes
from drillkit.clients.misdirection import elsewhere, flags_elsewhere
from drillkit.clock import Fence, SystemClock
from drillkit.model.errors import TargetError
from drillkit.model.target import AwsTarget, KubernetesTarget, Target
from drillkit.secrets.environment import remember

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
    "AWS_PAGER": "",
    "PGHOST": "db.prod",
    "TF_WORKSPACE": "prod",
    "TF_VAR_cluster": "prod",
    "GOOGLE_APPLICATION_CREDENTIALS": "/home/me/prod.json",
    "VELERO_NAMESPACE": "backup",
}
CONFIG = """\
[profile prod]
region = us-east-1
[profile dev]
region = eu-central-1
role_arn = arn:aws:iam::123456789012:role/drills
source_profile = base
endpoint_url = http://elsewhere
s3 =
  max_concurrent_requests = 4
[profile base]
sso_session = acme
[profile "with space"]
region = eu-west-3
[sso-session acme]
sso_start_url = https://acme.example.com/start
"""
KEYS = """\
[default]
aws_access_key_id = OFTHEDEFAULT
aws_secret_access_key = s
[base]
aws_access_key_id = OFTHEBASE
aws_secret_access_key = s
[prod]
aws_access_key_id = OFPROD
aws_secret_access_key = s
"""


@pytest.fixture(autouse=True)
def _operator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if access.names_a_place(name)]:
        monkeypatch.delenv(name)
    for name, value in OPERATOR.items():
        if name != "PATH":
            monkeypatch.setenv(name, value)
    made = tmp_path / "run"
    made.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(made))
    for name, content in (("AWS_CONFIG_FILE", CONFIG), ("AWS_SHARED_CREDENTIALS_FILE", KEYS)):
        (tmp_path / name).write_text(content)
        monkeypatch.setenv(name, str(tmp_path / name))


@pytest.fixture
def opened() -> Iterator[list[Clients]]:
    made: list[Clients] = []
    yield made
    for clients in made:
        clients.close()


def connected(opened: list[Clients], **target: Any) -> Clients:
    """Connections to an account that is who it should be."""
    clients = Clients(Target(name="dev", **target), SystemClock(), Fence())
    opened.append(clients)
    if clients.target.aws is not None:
        vars(clients.aws)["_account"] = clients.target.aws.account
    return clients


def environment(opened: list[Clients], **target: Any) -> dict[str, str]:
    return connected(opened, **target).access.environment()


def places(env: dict[str, str]) -> dict[str, str]:
    """Without the files of our own."""
    own = str(Path(env["KUBECONFIG"]).parent)
    return {k: v for k, v in env.items() if access.names_a_place(k) and not v.startswith(own)}


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
        "AWS_PROFILE": "dev",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    }


def test_a_credentials_file_of_the_target_puts_the_operators_keys_out(
    opened: list[Clients], tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("[default]\naws_access_key_id = OFTHEFILE\naws_secret_access_key = s\n")
    account = AwsTarget(account="123456789012", region="eu-central-1", credentials_file=str(keys))
    env = environment(opened, aws=account)
    assert "OFTHEFILE" in Path(env["AWS_SHARED_CREDENTIALS_FILE"]).read_text()
    assert places(env) == {
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
        "AWS_PROFILE": "prod",
        "AWS_ACCESS_KEY_ID": "AKIAPROD",
        "AWS_SECRET_ACCESS_KEY": "of prod",
        "AWS_SESSION_TOKEN": "of prod",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    }


def test_a_profile_is_given_as_it_was_when_we_connected_and_no_other_is_there(
    opened: list[Clients], tmp_path: Path
) -> None:
    account = AwsTarget(account="123456789012", region="eu-central-1", profile="dev")
    clients = connected(opened, aws=account)
    clients.aws.configuration()
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        text = (tmp_path / name).read_text().replace("[base]", "[old]").replace("123", "999")
        (tmp_path / name).write_text(text.replace("[prod]", "[base]"))
    env = clients.access.environment()
    config, keys = (
        Path(env[name]).read_text() for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
    )
    assert config == (
        "[profile dev]\nregion = eu-central-1\nrole_arn = arn:aws:iam::123456789012:role/drills\n"
        "source_profile = base\ns3 =\n  max_concurrent_requests = 4\n\n"
        "[profile base]\nsso_session = acme\n\n"
        "[sso-session acme]\nsso_start_url = https://acme.example.com/start\n\n"
    )
    assert "OFTHEBASE" in keys
    assert "OFPROD" not in keys
    assert stat.S_IMODE(Path(env["AWS_SHARED_CREDENTIALS_FILE"]).stat().st_mode) == 0o600


@pytest.mark.parametrize("profile", ["default", "base", "with space"])
def test_aws_tools_read_what_is_written_of_a_profile(
    opened: list[Clients], monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    from botocore.session import Session

    account = AwsTarget(account="1", region="eu-central-1", profile=profile)
    ours = Session(profile=profile)
    before = ours.get_scoped_config()
    env = environment(opened, aws=account)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_PROFILE"):
        monkeypatch.setenv(name, env[name])
    theirs = Session()
    assert theirs.get_scoped_config() == before
    assert theirs.available_profiles == [profile]


def test_of_other_places_only_what_is_declared_is_handed_on(
    opened: list[Clients], monkeypatch: pytest.MonkeyPatch
) -> None:
    (clients,) = (connected(opened),)
    env = clients.access.environment(more={"PGHOST": "db.dev", "KUBE_CONFIG_PATH": "/x"})
    assert env["PGHOST"] == "db.dev"
    assert env["KUBE_CONFIG_PATH"] == env["KUBECONFIG"]
    assert not {"TF_WORKSPACE", "TF_VAR_cluster", "GOOGLE_APPLICATION_CREDENTIALS"} & set(env)
    (note,) = access.not_handed_on({"PGHOST"})
    assert "GOOGLE_APPLICATION_CREDENTIALS, TF_VAR_cluster, TF_WORKSPACE, VELERO_NAM" in note
    assert "PGHOST" not in note
    for name in filter(access.names_unknown, list(os.environ)):
        monkeypatch.delenv(name)
    assert access.not_handed_on(()) == ()


def test_what_was_written_is_for_us_only_and_goes_with_the_connections(
    opened: list[Clients], tmp_path: Path
) -> None:
    path = Path(environment(opened)["KUBECONFIG"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    opened[0].close()
    assert list((tmp_path / "run").iterdir()) == []


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
        (theirs,) = (tmp_path / "run").iterdir()
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


PLUGIN = """\
#!/bin/sh
[ "$AWS_PROFILE" = prod ] && [ -z "${AWS_REGION-}" ] && [ "$EXTRA" = dev ] || exit 1
[ "$1 $2" = "get-token dev" ] && cat "$AWS_CONFIG_FILE" >&2 || exit 1
echo '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
       "status": {"token": "by-the-plugin"}}'
"""


def test_a_kubeconfigs_plugin_logs_in_there_as_it_does_here(
    opened: list[Clients], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "login"
    script.write_text(PLUGIN)
    script.chmod(0o700)
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "./login",
        "args": ["get-token", "dev"],
        "env": [{"name": "EXTRA", "value": "dev"}],
        "interactiveMode": "Never",
    }
    (tmp_path / "kubeconfig").write_text(
        json.dumps(alone([(str(tmp_path), config("dev", exec=plugin))], "dev"))
    )
    (tmp_path / "ca.crt").write_text("")
    account = AwsTarget(account="1", region="eu-central-1", profile="base")
    cluster = KubernetesTarget(kubeconfig=str(tmp_path / "kubeconfig"), cluster_uid="dev")
    clients = connected(opened, aws=account, kubernetes=cluster)
    ours = connect(cluster)
    monkeypatch.setattr(clients, "verify_cluster", lambda: "dev")
    env = clients.access.environment()
    for name in filter(access.names_a_place, list(os.environ)):
        monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    given = clients.access.kubernetes()
    assert given is not None
    assert given.kubeconfig == env["KUBECONFIG"]
    theirs = connect(given)
    assert theirs.credentials() == ours.credentials() == {"authorization": "Bearer by-the-plugin"}
    (lifetime,) = lifetimes(theirs.kubeconfig())
    assert str(script) in lifetime.what.replace("/./", "/")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    script.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(TargetError, match=r"the exec plugin `.*login` gave no credentials"):
        connect(given)


def test_a_kubeconfig_that_is_written_while_it_is_read_leads_us_where_it_leads_programs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config("dev", username="me", password="x")))
    (tmp_path / "ca.crt").write_text("")

    def turned(*arguments: Any) -> Any:
        path.write_text(json.dumps(config("prod", username="me", password="x")))
        return user_in(*arguments)

    monkeypatch.setattr("drillkit.clients.kube.official_loader.user_in", turned)
    found = connect(KubernetesTarget(kubeconfig=str(path)))
    assert "prod" in path.read_text()
    assert found.host == "https://dev"
    assert found.kubeconfig()["clusters"][0]["cluster"]["server"] == "https://dev"


@pytest.mark.parametrize("sort", ["cluster", "user"])
def test_a_context_of_something_that_is_not_there_is_told(tmp_path: Path, sort: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps({**config("dev", token="x"), f"{sort}s": []}))
    with pytest.raises(TargetError, match=f"expected a {sort} `dev`, found none"):
        connect(KubernetesTarget(kubeconfig=str(path)))


def test_a_plugin_is_given_no_secret_of_the_drill(
    opened: list[Clients], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GOOGLE_TOKEN", "of the drill")
    remember("GOOGLE_TOKEN")
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "login"}
    made = config("dev", exec=plugin)
    clients = connected(opened, kubernetes=KubernetesTarget())
    vars(clients)["kube"] = Plugged(lambda: alone([(str(tmp_path), made)], "dev"))
    monkeypatch.setattr(clients, "verify_cluster", lambda: "dev")
    text = Path(clients.access.environment()["KUBECONFIG"]).read_text()
    assert "of the drill" not in text
    assert "db.prod" not in text
    assert OPERATOR["GOOGLE_APPLICATION_CREDENTIALS"] in text


class Plugged:
    """A connection by a kubeconfig with a plugin."""

    def __init__(self, kubeconfig: Any) -> None:
        self.kubeconfig = kubeconfig


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

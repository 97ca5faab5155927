"""A drill begins only with credentials that outlive it: nothing can be undone without them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from drillkit.clients import Clients
from drillkit.clients.kube.lifetimes import lifetimes as of_kubeconfig
from drillkit.clients.kube.lifetimes import not_after
from drillkit.clock import Fence, SystemClock
from drillkit.model.target import AwsTarget, KubernetesTarget, Target
from drillkit.plan.credentials import Outlived, lifetimes, outlived, when_it_ends

HALF_AN_HOUR = timedelta(minutes=30)


def token(**claims: object) -> str:
    parts = ({"alg": "RS256"}, claims)
    coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts]
    return ".".join([*(each.rstrip("=") for each in coded), "signature"])


def ending(after: timedelta) -> str:
    return token(sub="drill", exp=int((datetime.now(UTC) + after).timestamp()))


def target(folder: Path, user: Mapping[str, Any]) -> Target:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "prod",
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "drill"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "drill", "user": user}],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return Target(name="prod", kubernetes=KubernetesTarget(kubeconfig=str(path)))


def asked(given: Target, *, aws: bool = False) -> Outlived:
    return outlived(given, Clients(given, SystemClock(), Fence()), HALF_AN_HOUR, aws=aws)


def test_a_token_that_ends_before_the_clean_up_may_have_is_a_problem(tmp_path: Path) -> None:
    (problem,) = asked(target(tmp_path, {"token": ending(timedelta(minutes=12))})).problems
    assert problem.startswith("the token of user drill (context prod) ends at ")
    assert "the drill may take 30 min with its clean-up, and could not be undone then" in problem
    for endless in (token(sub="no end"), "opaque", "a.b.c"):
        assert asked(target(tmp_path, {"token": endless})) == Outlived()
    good = asked(target(tmp_path, {"token": ending(timedelta(hours=1))}))
    assert good.problems == ()
    assert good.notes[0].startswith("the token of user drill (context prod) ends at ")
    assert good.notes[0].endswith("; the drill may take 30 min with its clean-up")
    over = lifetimes(*_with_clients(target(tmp_path, {"token": ending(-timedelta(minutes=1))})))
    assert "which is over" in when_it_ends(next(iter(over)), datetime.now(UTC))


def _with_clients(given: Target) -> tuple[Target, Clients]:
    return given, Clients(given, SystemClock(), Fence())


def test_what_somebody_renews_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(ending(timedelta(minutes=1)))
    given = target(tmp_path, {"tokenFile": "token"})
    found = asked(given)
    assert found.problems == ()
    assert f" and is renewed by whoever writes {tmp_path}/token; the drill" in found.notes[0]
    (one,) = lifetimes(*_with_clients(given))
    assert one.renewed == f"whoever writes {tmp_path}/token"
    plugin = {"users": [{"name": "drill", "user": {"exec": {"command": "aws"}}}]}
    assert [each.renewed for each in of_kubeconfig(plugin)] == [
        "`aws`, as long as it is logged in itself"
    ]


def plugged(folder: Path, **status: str) -> Target:
    """A target whose exec plugin gives that."""
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": status,
    }
    (folder / "credential").write_text(json.dumps(credential))
    login = folder / "login"
    login.write_text(f"#!/bin/sh\ncat {folder}/credential\n")
    login.chmod(0o755)
    asks = {"apiVersion": credential["apiVersion"], "interactiveMode": "Never"}
    return target(folder, {"exec": {**asks, "command": str(login)}})


def test_a_token_that_a_plugin_renews_is_told_with_its_end(tmp_path: Path) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=14, seconds=30)
    given = plugged(tmp_path, token="t", expirationTimestamp=f"{soon:%Y-%m-%dT%H:%M:%SZ}")
    found = asked(given)
    assert found.problems == ()
    (note,) = found.notes
    assert f"ends at {soon:%Y-%m-%d %H:%M} UTC, in 14 min" in note
    assert f"and is renewed by `{tmp_path}/login`, as long as it is logged in itself" in note


@pytest.mark.parametrize("told", [True, False])
def test_a_certificate_that_a_plugin_gave_lasts_no_longer_than_it_says(
    tmp_path: Path, told: bool
) -> None:
    # The client library asks a plugin for another token, and never for another certificate.
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=10)
    issued = trustme.CA().issue_cert("drill.example.com", not_after=ends)
    status = {
        "clientCertificateData": issued.cert_chain_pems[0].bytes().decode(),
        "clientKeyData": issued.private_key_pem.bytes().decode(),
        **({"expirationTimestamp": f"{ends:%Y-%m-%dT%H:%M:%SZ}"} if told else {}),
    }
    (problem,) = asked(plugged(tmp_path, **status)).problems
    assert problem.startswith(f"the client certificate that `{tmp_path}/login` gave user drill")
    assert f"ends at {ends:%Y-%m-%d %H:%M} UTC" in problem


def test_a_client_certificate_ends_when_it_says(tmp_path: Path) -> None:
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=10)
    issued = trustme.CA().issue_cert("drill.example.com", not_after=ends)
    pem = issued.cert_chain_pems[0].bytes()
    assert not_after(pem) == ends
    far = datetime(2055, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert not_after(trustme.CA().issue_cert("x", not_after=far).cert_chain_pems[0].bytes()) == far
    (tmp_path / "drill.crt").write_bytes(pem)
    for user in (
        {"client-certificate": str(tmp_path / "drill.crt")},
        {"client-certificate-data": base64.b64encode(pem).decode()},
    ):
        kubeconfig = {"users": [{"name": "drill", "user": user}], "current-context": "prod"}
        (one,) = of_kubeconfig(kubeconfig)
        assert (one.what, one.until) == (
            "the client certificate of user drill (context prod)",
            ends,
        )


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """No AWS settings of whoever runs the tests."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return monkeypatch


ACCOUNT = Target(name="prod", aws=AwsTarget(account="123456789012", region="eu-central-1"))


def test_an_aws_session_is_looked_at_where_its_end_is_told(
    no_settings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    no_settings.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    no_settings.setenv("AWS_SECRET_ACCESS_KEY", "x")
    assert asked(ACCOUNT, aws=True) == Outlived()  # keys that do not end
    no_settings.setenv("AWS_SESSION_TOKEN", "x")
    assert asked(ACCOUNT, aws=False) == Outlived()  # which the drill does not use
    assert asked(ACCOUNT, aws=True).notes == (
        "the AWS session of profile default (env) ends, and nothing tells when: it must be good "
        "for 30 min",
    )
    soon = datetime.now(UTC) + timedelta(minutes=20)
    no_settings.setenv("AWS_CREDENTIAL_EXPIRATION", soon.isoformat())
    (problem,) = asked(ACCOUNT, aws=True).problems
    assert problem.startswith("the AWS session of profile default (env) ends at ")

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        no_settings.delenv(name)
    (tmp_path / "credentials").write_text(
        "[shop]\naws_access_key_id = AKIA\naws_secret_access_key = x\naws_session_token = x\n"
        f"x_security_token_expires = {soon.isoformat()}\n"
    )
    assert ACCOUNT.aws is not None
    shop = replace(ACCOUNT, aws=replace(ACCOUNT.aws, profile="shop"))
    (problem,) = asked(shop, aws=True).problems
    assert "profile shop (shared-credentials-file) ends at" in problem


def test_a_session_of_identity_center_ends_with_its_log_in(
    no_settings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import hashlib

    import botocore.credentials

    cache = tmp_path / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    no_settings.setattr(botocore.credentials.SSOProvider, "_SSO_TOKEN_CACHE_DIR", str(cache))
    (tmp_path / "config").write_text(
        "[default]\nsso_account_id = 123456789012\nsso_role_name = drill\nsso_session = us\n"
        "[sso-session us]\nsso_start_url = https://us.awsapps.com/start\nsso_region = us-east-1\n"
    )
    soon = (datetime.now(UTC) + timedelta(minutes=20)).strftime("%Y-%m-%dT%H:%M:%SZ")
    kept = {"accessToken": "x", "expiresAt": soon}
    file = cache / f"{hashlib.sha1(b'us').hexdigest()}.json"
    file.write_text(json.dumps(kept))
    (problem,) = asked(ACCOUNT, aws=True).problems
    assert problem.startswith("the AWS session of profile default (sso) ends at ")
    file.write_text(json.dumps({**kept, "refreshToken": "x"}))
    renewed = asked(ACCOUNT, aws=True)
    assert renewed.problems == ()
    assert "renewed by" in renewed.notes[0]

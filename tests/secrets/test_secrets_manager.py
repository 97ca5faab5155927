"""Secrets Manager, as a probe's header, a command's variable and a database's login refer to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from drillkit.sandbox.aws import AwsHandle, start_aws
from tests.conftest import CommandLine
from tests.secrets.test_canaries import leaks, prepared, run_watched

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsHandle]:
    handle = start_aws(tmp_path_factory.mktemp("aws"))
    yield handle
    handle.stop()


def test_no_canary_of_secrets_manager_is_found_anywhere(
    drillkit: CommandLine, aws: AwsHandle, echo: str
) -> None:
    import boto3

    client = boto3.client(
        "secretsmanager",
        region_name=aws.region,
        endpoint_url=aws.endpoint,
        aws_access_key_id=aws.access_key,
        aws_secret_access_key=aws.secret_key,
    )
    canaries = {"command": "canary-vault-1", "probe": "Bearer canary-vault-2"}
    for name, value in canaries.items():
        client.create_secret(Name=f"canary/{name}", SecretString=f"{value}\n")
    canaries["key"] = aws.secret_key
    credentials = drillkit.folder / "aws"
    credentials.write_text(
        f"[default]\naws_access_key_id = {aws.access_key}\n"
        f"aws_secret_access_key = {aws.secret_key}\n"
    )
    prepared(
        drillkit,
        {
            "aws": {
                "account": aws.account,
                "region": aws.region,
                "endpoint_url": aws.endpoint,
                "credentials_file": str(credentials),
            }
        },
        {
            "drills/vault.yaml": (
                "drill: vault\nowner: me@example.com\nlimit: 30s\n"
                f"probes: {{web: {{http: '{echo}/', rate: 5/s, "
                "headers: {Authorization: 'aws-secret:canary/probe'}}}\n"
                "hypothesis: {during: {web: {bad: 1000}}}\n"
                "steps:\n  - name: say\n    uses: command\n    with:\n"
                "      run: [sh, -c, 'sleep 0.5; cut -d= -f2 $KEYS; echo has $A; exit 1']\n"
                "      undo: [sh, -c, 'echo undone with $A']\n"
                f"      env: {{A: 'aws-secret:canary/command', KEYS: '{credentials}'}}\n"
            )
        },
    )
    code, said, looked = run_watched(drillkit, "run", "vault", "-t", "it", "-y", env={})
    journal = (drillkit.run_folder("vault") / "journal.jsonl").read_text()
    assert code in (1, 3), said.decode()
    assert "has [secret]" in journal, said.decode()
    assert leaks(drillkit, said, looked, canaries) == []
    assert set(looked.holders("canary-vault-1")) <= {"A"}
    assert looked.holders("canary-vault-2") == {}

"""Whose keys sign: what the target says goes before what happens to stand in the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from drillkit.clients.aws_session import open_session
from drillkit.model.target import AwsTarget
from drillkit.secrets import HIDDEN, KNOWN


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A credentials file of two profiles; other keys and another profile in the environment."""
    path = tmp_path / "keys"
    path.write_text(
        "[default]\naws_access_key_id = OFTHEFILE\naws_secret_access_key = s\n"
        "[dev]\naws_access_key_id = OFDEV\naws_secret_access_key = s\n"
    )
    config = tmp_path / "config"
    config.write_text("[profile prod]\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-keys"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "OFTHEOPERATOR")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_PROFILE", "prod")
    return path


def test_the_keys_that_sign_are_secrets_and_an_emulators_words_are_none(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_PROFILE")
    for secret in ("wJalrXUtnFEMI/K7MDENG", "rotated/K7MDENG/bPxRf", "test"):
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
        monkeypatch.setenv("AWS_SESSION_TOKEN", f"token-of-{secret}")
        client = open_session(None).create_client("s3", region_name="eu-central-1")
        client.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
    hidden = KNOWN.text("wJalrXUtnFEMI/K7MDENG rotated/K7MDENG/bPxRf token-of-test a test")
    assert hidden == f"{HIDDEN} {HIDDEN} {HIDDEN} a test"


@pytest.mark.parametrize(
    ("file", "profile", "wanted"),
    [
        (True, None, "OFTHEFILE"),
        (True, "dev", "OFDEV"),
        (False, None, "OFTHEOPERATOR"),
    ],
)
def test_what_the_target_says_goes_before_the_environment(
    keys: Path, file: bool, profile: str | None, wanted: str
) -> None:
    target = AwsTarget(
        account="123456789012",
        region="eu-central-1",
        credentials_file=str(keys) if file else None,
        profile=profile,
    )
    assert open_session(target).get_credentials().access_key == wanted

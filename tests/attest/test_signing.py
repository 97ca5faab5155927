"""Keys, envelopes, statements: as other tools read them."""

from __future__ import annotations

import base64
import hashlib
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drillkit.attest.envelope import BadEnvelope, verify
from drillkit.attest.keys import generate, public_key, signer_of, write_public
from drillkit.attest.manifest import ENVELOPES
from drillkit.attest.seal import seal
from drillkit.attest.statement import DRILL_RESULT, TEST_RESULT
from drillkit.attest.verify import verify_run
from drillkit.model.errors import UsageError
from tests.attest.conftest import Archive
from tests.attest.kms import Kms, kms
from tests.conftest import CommandLine


def envelopes(archive: Archive) -> list[dict[str, object]]:
    folder = next(p for p in (archive.reports / "pod-delete").iterdir() if not p.is_symlink())
    return [json.loads(line) for line in (folder / "evidence.intoto.jsonl").open()]


def test_a_signature_holds_by_the_letter_of_the_specification(sealed: Archive) -> None:
    """Checked with nothing but the public key, the PAE of DSSE v1 and ed25519."""
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key: Any = load_pem_public_key(sealed.key.with_suffix(".pub").read_bytes())
    for envelope in envelopes(sealed):
        body = base64.b64decode(str(envelope["payload"]))
        kind = str(envelope["payloadType"]).encode()
        signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)
        signatures: Any = envelope["signatures"]
        (signature,) = signatures
        key.verify(base64.b64decode(signature["sig"]), signed)


def test_securesystemslib_verifies_it_with_its_own_verifier(sealed: Archive) -> None:
    from securesystemslib.dsse import Envelope

    key = public_key(sealed.key.with_suffix(".pub"))
    for envelope in envelopes(sealed):
        accepted = Envelope.from_dict(envelope).verify([key], 1)
        assert list(accepted) == [key.keyid]


def test_cosign_would_take_each_envelope_for_each_file_it_is_about(sealed: Archive) -> None:
    """`cosign verify-blob-attestation --key K --type T --signature S FILE`, step by step as its
    source has it (v2, pkg/cosign/verify.go and pkg/policy): the program itself is not here.
    """
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    folder = next(p for p in (sealed.reports / "pod-delete").iterdir() if not p.is_symlink())
    key: Any = load_pem_public_key(sealed.key.with_suffix(".pub").read_bytes())
    for kind, line in zip(
        (TEST_RESULT, DRILL_RESULT), (folder / ENVELOPES).read_bytes().splitlines(), strict=True
    ):
        envelope = json.loads(line)  # one value: a second line would be refused
        assert set(envelope) == {"payload", "payloadType", "signatures"}
        assert envelope["payloadType"] == "application/vnd.in-toto+json"
        body = base64.b64decode(envelope["payload"], validate=True)
        pae = b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(body), body)
        (signature,) = envelope["signatures"]
        key.verify(base64.b64decode(signature["sig"], validate=True), pae)
        statement = json.loads(body)
        assert statement["_type"] == "https://in-toto.io/Statement/v1"
        assert statement["predicateType"] == kind
        digests = {s["digest"]["sha256"] for s in statement["subject"]}
        for file in ("manifest.json", "journal.jsonl", "report.html"):
            assert hashlib.sha256((folder / file).read_bytes()).hexdigest() in digests


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kms]:
    """A KMS that this process's environment leads to."""
    with kms() as found:
        for name, value in {
            "AWS_ENDPOINT_URL": found.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "NO_PROXY": "127.0.0.1",
        }.items():
            monkeypatch.setenv(name, value)
        yield found


def nothing(reference: str) -> str:
    raise AssertionError(f"{reference} is no secret to resolve")


@pytest.mark.parametrize("kind", ["ECC_NIST_P256", "ECC_NIST_P384", "RSA_2048"])
def test_a_key_that_never_leaves_kms_signs_what_its_public_half_verifies(
    archive: Archive, keys: Kms, tmp_path: Path, kind: str
) -> None:
    keys.make("alias/drills", kind)
    signer = signer_of("awskms:alias/drills", nothing)
    folder = next(p for p in (archive.reports / "pod-delete").iterdir() if not p.is_symlink())
    seal(folder, 1_900_000_000.0, signer)
    keyid = write_public("awskms:alias/drills", nothing, tmp_path / "kms.pub")
    checked = verify_run(folder, [public_key(tmp_path / "kms.pub")])
    assert checked.problems == ()
    assert checked.signed_by == {keyid}
    (line, *_) = (folder / ENVELOPES).read_bytes().splitlines()
    changed = (
        line.replace(b'"sig":"M', b'"sig":"N') if b'"sig":"M' in line else line[:-9] + b"A" * 9
    )
    with pytest.raises(BadEnvelope):
        verify(changed, [public_key(tmp_path / "kms.pub")])


def test_a_kms_key_that_cannot_sign_is_told_with_what_is_expected(keys: Kms) -> None:
    with pytest.raises(UsageError, match="needs kms:GetPublicKey and kms:Sign"):
        signer_of("awskms:nobodys", nothing)
    keys.make("odd", "ECC_SECG_P256K1")
    with pytest.raises(UsageError, match="expected one with usage SIGN_VERIFY of ECC_NIST_P256"):
        signer_of("awskms:odd", nothing)


def test_a_kms_key_that_signs_no_more_leaves_the_run_unsigned_and_says_so(
    drillkit: CommandLine, archive: Archive, keys: Kms
) -> None:
    keys.make("late", "ECC_NIST_P256")
    keys.disabled.add("late")
    run = next(p for p in (archive.reports / "pod-delete").iterdir() if not p.is_symlink())
    ran = drillkit(
        "report",
        str(run),
        env={"DRILLKIT_SIGNING_KEY": "awskms:late", "AWS_ENDPOINT_URL": keys.url},
    )
    assert ran.code == 3, "the verdict's"
    assert "the run is not signed: key " in ran.err
    assert "late is disabled" in ran.err
    assert "drillkit sign" in ran.err
    assert "Traceback" not in ran.err


def test_the_public_half_of_a_key_that_exists_is_written_again(
    drillkit: CommandLine, archive: Archive
) -> None:
    again = drillkit("keygen", "again", "--of", f"file:{archive.key}")
    assert again.code == 0, again.said
    written = (drillkit.folder / "again.pub").read_bytes()
    assert written == archive.key.with_suffix(".pub").read_bytes()
    assert not (drillkit.folder / "again").exists()


def test_the_statement_says_failed_of_what_was_not_proven(sealed: Archive) -> None:
    """Policies let warnings pass, so unknown is never a warning."""
    payloads = [json.loads(base64.b64decode(str(e["payload"]))) for e in envelopes(sealed)]
    kinds = {p["predicateType"].rsplit("/", 2)[1]: p for p in payloads}
    assert kinds["test-result"]["predicate"]["result"] == "FAILED"
    assert kinds["drill-result"]["predicate"]["verdict"] == "unknown"
    names = [s["name"] for s in payloads[0]["subject"]]
    assert {"manifest.json", "journal.jsonl", "report.html", "verdict.json"} <= set(names)
    assert all(len(s["digest"]["sha256"]) == 64 for s in payloads[0]["subject"])


def test_a_private_key_is_for_its_owner_only_and_never_overwritten(tmp_path: Path) -> None:
    generate(tmp_path / "key", tmp_path / "key.pub")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    with pytest.raises(UsageError, match="never overwritten"):
        generate(tmp_path / "key", tmp_path / "key.pub")


@pytest.mark.parametrize("text", ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END"])
def test_what_is_no_key_is_told_without_showing_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="expected a private key as PEM") as told:
        signer_of("file:key", lambda _: text)
    assert not text or text not in str(told.value)
    (tmp_path / "pub").write_text(text)
    with pytest.raises(UsageError, match="expected a public key"):
        public_key(tmp_path / "pub")


@pytest.mark.slow
def test_the_commands_make_a_key_and_find_a_changed_report(
    drillkit: CommandLine, archive: Archive
) -> None:
    reports = str(archive.reports)
    key = str(archive.key.with_suffix(".pub"))
    good = drillkit("verify", "--out", reports, "--key", key, "--publish", "heads.json")
    assert good.code == 0, good.said
    assert "3 runs: unchanged, complete, signed by" in good.out
    assert drillkit("verify", "--out", reports, "--heads", "heads.json").code == 0
    report = next(archive.reports.glob("pod-delete/2*/report.md"))
    report.write_text(report.read_text() + "all is well")
    bad = drillkit("verify", report.parent.name, "--out", reports, "--key", key)
    assert bad.code == 1
    assert "report.md was changed" in bad.out
    made = drillkit("keygen", "mine")
    assert made.code == 0
    signed = drillkit("sign", report.parent.name, "--out", reports, "--key", "file:mine")
    assert signed.code == 0, signed.said
    assert drillkit("verify", report.parent.name, "--out", reports, "--key", "mine.pub").code == 0
    assert drillkit("verify", report.parent.name, "--out", reports, "--key", key).code == 1


@pytest.mark.slow
def test_a_real_run_is_entered_sealed_and_signed(drillkit: CommandLine) -> None:
    assert drillkit("keygen", "key").code == 0
    key = {"DRILLKIT_SIGNING_KEY": "file:key"}
    ran = drillkit("run", "pod-delete", "--target", "sandbox", env=key)
    assert ran.code == 0, ran.said
    verified = drillkit("verify", "--key", "key.pub")
    assert verified.code == 0, verified.said
    again = drillkit("report", "pod-delete/latest", env=key)
    assert again.code == 0, again.said
    assert drillkit("verify", "--key", "key.pub").code == 0


@pytest.mark.slow
def test_a_chain_that_cannot_be_written_keeps_a_run_from_touching_anything(
    drillkit: CommandLine,
) -> None:
    chain = drillkit.folder / "reports" / "chain"
    chain.parent.mkdir()
    chain.write_text("in the way")
    ran = drillkit("run", "pod-delete", "--target", "sandbox")
    assert ran.code == 4, ran.said
    assert "cannot be entered into the chain" in ran.said

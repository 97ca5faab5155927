"""Keys: ed25519 in a file or a secret, or a key that never leaves AWS KMS.

A key pair is PEM: PKCS #8 for the private half, SubjectPublicKeyInfo for the public one, which
cosign and securesystemslib read as well.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from drillkit.model.errors import UsageError

if TYPE_CHECKING:
    from securesystemslib.signer import Key, Signer

KMS = "awskms:"
_EXTRA = "signing needs the extra `evidence`: pip install 'drillkit[evidence]'"


def generate(private: Path, public: Path) -> str:
    """Write a new ed25519 key pair (private 0600, PKCS #8); the key's id.

    Raises UsageError when a file exists (a key is never overwritten) or the extra is missing.
    """
    ed25519, serialization = _cryptography()
    key = ed25519.Ed25519PrivateKey.generate()
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    shown = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for path in (private, public):
        if path.exists():
            raise UsageError(f"{path} exists already; a key is never overwritten, choose another")
    _write_new(private, secret, 0o600)
    _write_new(public, shown, 0o644)
    return public_key(public).keyid


def signer_of(reference: str, resolve: Callable[[str], str]) -> Signer:
    """What signs with the key of a reference: `file:PATH`, `env:NAME` (a PEM each, read by
    `resolve`) or `awskms:KEY`.

    Raises UsageError; never shows what is behind the reference.
    """
    signing = _securesystemslib()
    if reference.startswith(KMS):
        return _kms(reference.removeprefix(KMS))
    _, serialization = _cryptography()
    try:
        pem = resolve(reference).encode() + b"\n"
        key = serialization.load_pem_private_key(pem, password=None)
        signer: Signer = signing.CryptoSigner(key)
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"{reference}: expected a private key as PEM without a passphrase, as `drillkit "
            "keygen` writes it"
        ) from error
    return signer


def public_key(path: Path) -> Key:
    """A pinned public key. Raises UsageError."""
    signing = _securesystemslib()
    _, serialization = _cryptography()
    try:
        loaded = serialization.load_pem_public_key(path.read_bytes())
        key: Key = signing.SSlibKey.from_crypto(loaded)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"{path}: expected a public key as PEM (SubjectPublicKeyInfo), as `drillkit keygen` "
            "writes it"
        ) from error
    return key


def write_public(reference: str, resolve: Callable[[str], str], public: Path) -> str:
    """Write the public half of a key that exists, as `generate` does; the key's id. Raises
    UsageError.
    """
    key = signer_of(reference, resolve).public_key
    pem: str = key.keyval["public"]
    if key.keytype == "ed25519":  # by its name alone it is no PEM
        ed25519, serialization = _cryptography()
        loaded = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(pem))
        pem = loaded.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode()
    _write_new(public, f"{pem.strip()}\n".encode(), 0o644)
    return key.keyid


def _kms(key: str) -> Signer:
    """A key of AWS KMS, by the account and region of the environment."""
    from drillkit.clients.kms import kms_key

    signing = _securesystemslib()
    _, serialization = _cryptography()
    found = kms_key(key)
    try:
        public = signing.SSlibKey.from_crypto(serialization.load_der_public_key(found.public))
        algorithm = signing.AWSSigner.aws_algos[public.scheme]
        if algorithm not in found.algorithms:
            raise ValueError(f"it does not sign by {algorithm}")
        signer: Any = signing.AWSSigner(key, public)
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"the KMS key {key} cannot sign ({error}); expected one with usage SIGN_VERIFY of "
            "ECC_NIST_P256, ECC_NIST_P384 or RSA"
        ) from error
    signer.client = found.client
    return cast("Signer", signer)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    with os.fdopen(fd, "wb") as file:
        file.write(content)


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise UsageError(_EXTRA) from error
    return ed25519, serialization


def _securesystemslib() -> Any:
    try:
        from securesystemslib import signer
    except ImportError as error:
        raise UsageError(_EXTRA) from error
    return signer

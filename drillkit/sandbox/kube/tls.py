"""A certificate authority for one sandbox, and its server's certificate."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from trustme import CA


@dataclass(frozen=True)
class Identity:
    """Files of a server's certificate and key, and the authority's certificate (PEM) to trust."""

    certificate: Path
    key: Path
    authority_pem: bytes


def issue(folder: Path) -> Identity:
    """Makes a new authority and a certificate for 127.0.0.1 and localhost, kept in ``folder``.

    The authority's key is thrown away.
    """
    authority = CA(organization_name="drillkit sandbox")
    issued = authority.issue_cert("localhost", "127.0.0.1", common_name="drillkit sandbox")
    identity = Identity(folder / "server.crt", folder / "server.key", authority.cert_pem.bytes())
    write_private(identity.certificate, issued.cert_chain_pems[0].bytes())
    write_private(identity.key, issued.private_key_pem.bytes())
    return identity


def write_private(path: Path, data: bytes) -> None:
    """Replaces a file in one step; only its owner can read it."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    temporary.replace(path)

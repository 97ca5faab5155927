"""The file with which clients find the sandbox's API."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from drillkit.sandbox.kube.tls import write_private

CONTEXT = "drillkit-sandbox"


def write_kubeconfig(path: Path, url: str, token: str, authority_pem: bytes) -> None:
    """Writes a kubeconfig with one context; as JSON, which is YAML. It holds the token: only its
    owner can read it.
    """
    cluster = {
        "server": url,
        "certificate-authority-data": base64.b64encode(authority_pem).decode(),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": cluster}],
        "users": [{"name": CONTEXT, "user": {"token": token}}],
        "contexts": [
            {
                "name": CONTEXT,
                "context": {"cluster": CONTEXT, "user": CONTEXT, "namespace": "default"},
            }
        ],
        "current-context": CONTEXT,
    }
    write_private(path, json.dumps(config, indent=1).encode())

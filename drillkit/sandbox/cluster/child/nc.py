"""`nc [-z] [-w SECONDS] HOST PORT`: succeeds once connected, sends nothing, keeps to the
pod's NetworkPolicies.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import sys


def main(arguments: list[str]) -> None:
    """Exit with 0 when connected, 1 when not."""
    words = iter(arguments)
    timeout_s, rest = 10.0, []
    for word in words:
        if word == "-w":
            timeout_s = float(next(words, "10"))
        elif not word.startswith("-"):
            rest.append(word)
    if len(rest) != 2:
        sys.exit("usage: nc [-z] [-w SECONDS] HOST PORT")
    host, port = rest[0], int(rest[1])
    try:
        address = str(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0])
        if not allowed(address, port):
            raise OSError("no answer")
        socket.create_connection((address, port), timeout=timeout_s).close()
    except OSError as error:
        sys.exit(f"nc: {host}:{port}: {error}")


def allowed(address: str, port: int) -> bool:
    """Whether the pod's policies let it go there."""
    policies = os.environ.get("SANDBOX_EGRESS")
    if policies is None:
        return True
    found = ipaddress.ip_address(address)
    return any(
        opened in (0, port) and found in ipaddress.ip_network(block)
        for block, opened in json.loads(policies)
    )

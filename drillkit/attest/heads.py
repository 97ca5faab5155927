"""Publishing the ends of chains: one JSON file that only grows, wherever somebody else keeps it.

Whoever holds an old head notices when a chain was cut or written anew.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from drillkit.attest.chain import Head
from drillkit.journal.files import write_file
from drillkit.model.errors import UsageError


def write_heads(path: Path, heads: Sequence[Head]) -> None:
    """Put heads into a file; those of other chains that stand there stay. Raises OSError,
    UsageError when the file holds a later head of one of these chains: it was rolled back.
    """
    known = {(head.drill, head.target): head for head in read_heads(path)} if path.exists() else {}
    for head in heads:
        before = known.get((head.drill, head.target))
        if before and before.seq > head.seq:
            raise UsageError(
                f"{path} holds line {before.seq} of {head.target}/{head.drill}, and this chain "
                f"ends at line {head.seq}: it was cut. See `drillkit verify`"
            )
        known[head.drill, head.target] = head
    rows = [
        {"drill": head.drill, "target": head.target, "seq": head.seq, "sha256": head.sha256}
        for _, head in sorted(known.items())
    ]
    write_file(path, json.dumps({"heads": rows}, indent=1).encode() + b"\n", durable=True)


def read_heads(path: Path) -> tuple[Head, ...]:
    """The heads in a file. Raises UsageError."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["heads"]
        return tuple(
            Head(str(r["drill"]), str(r["target"]), int(r["seq"]), str(r["sha256"])) for r in rows
        )
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path}: expected heads as `drillkit verify --publish` writes them"
        ) from error

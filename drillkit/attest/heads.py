"""Publishing the ends of chains: one JSON document that only grows, wherever somebody else keeps
it.

Whoever holds an old head notices when a chain was cut or written anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from drillkit.attest.chain import Head
from drillkit.attest.publication import PublicPlace
from drillkit.model.errors import UsageError
from drillkit.model.json_text import load_json


def write_heads(place: PublicPlace, heads: Sequence[Head], where: str) -> bytes:
    """Publish heads and give the document; those of other chains that stand there stay.

    Raises UsageError when a later head of one of these chains is there (it was rolled back), and
    what `PublicPlace` raises.
    """
    before = place.read()
    known = {(h.drill, h.target): h for h in decoded(before, where)} if before is not None else {}
    for head in heads:
        old = known.get((head.drill, head.target))
        if old and old.seq > head.seq:
            raise UsageError(
                f"{where} holds line {old.seq} of {head.target}/{head.drill}, and this chain ends "
                f"at line {head.seq}: it was cut. See `drillkit verify`"
            )
        known[head.drill, head.target] = head
    content = _encoded(head for _, head in sorted(known.items()))
    place.write(content)
    return content


def read_heads(place: PublicPlace, where: str, *, must_be: bool = False) -> tuple[Head, ...]:
    """The heads that were published there. Raises UsageError; where nothing is, only if something
    `must_be`: else nothing was published yet.
    """
    content = place.read()
    if content is None and must_be:
        raise UsageError(
            f"{where}: nothing is there, so nothing can be compared with it; were heads never "
            "published there (`drillkit verify --publish`), or were they removed?"
        )
    return decoded(content, where) if content is not None else ()


def _encoded(heads: Iterable[Head]) -> bytes:
    rows = [
        {"drill": head.drill, "target": head.target, "seq": head.seq, "sha256": head.sha256}
        for head in heads
    ]
    return json.dumps({"heads": rows}, indent=1).encode() + b"\n"


def decoded(content: bytes, where: str) -> tuple[Head, ...]:
    """The heads of a document. Raises UsageError."""
    try:
        rows = load_json(content)["heads"]
        heads = tuple(
            Head(str(r["drill"]), str(r["target"]), int(r["seq"]), str(r["sha256"])) for r in rows
        )
        if _encoded(heads) != content:
            raise ValueError("it holds more, or other spellings")
        return heads
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{where}: expected heads as `drillkit verify --publish` writes them; it was changed"
        ) from error

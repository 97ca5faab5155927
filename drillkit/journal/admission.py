"""What passes into the journal: data without secrets, of a bounded size, that can be encoded.

An undo passes as it is or not at all: it must do later exactly what it says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from drillkit.model.errors import Refused
from drillkit.secrets import KNOWN, encodable
from drillkit.secrets.encoding import capped

TEXT_KEPT = 64 * 1024
"""Characters of one text in a record."""
RECORD_KEPT = 1024 * 1024
"""Characters of all texts in a record; what follows keeps its beginning only."""
BEGINNING_KEPT = 200
UNDO_KEPT = 4 * 1024 * 1024
"""Bytes of an undo's arguments; more is refused, since an undo cannot be cut."""


def cleaned(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a record, as it may be written."""
    found: dict[str, Any] = _Sizing().of(KNOWN.data(data))
    return found


def cleaned_undo(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The data of the record of an effect: its arguments untouched, the rest as it may be written.

    Raises Refused when the arguments of an undo hold a secret, cannot be encoded or are too large.
    """
    arguments = data.get("args", {})
    if kind == "undo.planned":
        _check(str(data.get("undo", kind)), arguments)
        return {**cleaned({k: v for k, v in data.items() if k != "args"}), "args": arguments}
    return cleaned(data)


def _check(undo: str, arguments: Mapping[str, Any]) -> None:
    for name, value in arguments.items():
        try:
            size = len(json.dumps(value, ensure_ascii=False).encode())
        except UnicodeEncodeError:
            raise Refused(
                f"the undo {undo} cannot be kept: expected text that UTF-8 can hold in `{name}`, "
                "found other bytes; nothing was done"
            ) from None
        if size > UNDO_KEPT:
            raise Refused(
                f"the undo {undo} cannot be kept: `{name}` has {size:,} bytes, at most "
                f"{UNDO_KEPT:,} are kept; nothing was done"
            )
        if json.dumps(KNOWN.data({name: value})) != json.dumps({name: value}):
            raise Refused(
                f"the undo {undo} cannot be kept: the value of a secret stands in `{name}`, and an "
                "undo is written to disk. Give it by reference (env:NAME, file:PATH); nothing "
                "was done"
            )


class _Sizing:
    """Makes texts encodable and cuts them, within what one record may hold."""

    def __init__(self) -> None:
        self._left = RECORD_KEPT

    def of(self, value: Any) -> Any:
        if isinstance(value, str):
            text = capped(encodable(value), TEXT_KEPT if self._left > 0 else BEGINNING_KEPT)
            self._left -= len(text)
            return text
        if isinstance(value, dict):
            return {self.of(key): self.of(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.of(inner) for inner in value]
        return value

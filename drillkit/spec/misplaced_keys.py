"""Where the keys of a document stand: what to say of one that was written at the wrong level."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from drillkit.spec.document import Map, Text
from drillkit.spec.interpolation import plain_text
from drillkit.spec.types import alternatives, is_list, is_mapping, is_record, item_of, keys_of

MOST_PLACES = 2
"""Of a key that stands in more places than these, naming them helps nobody."""


class Places:
    """The places of every key below one kind of record.

    `title` says what the outermost record is called; `arguments` gives the record of a step's
    `with` by what it `uses`, or None.
    """

    def __init__(
        self, root: Any, title: str, arguments: Callable[[str], Any] = lambda uses: None
    ) -> None:
        self._root = root
        self._title = title
        self._arguments = arguments

    def hint(self, key: str, node: Map) -> str:
        """The end of a message about a key that the mapping `node` cannot have, or ''."""
        uses = node.get("uses")
        if isinstance(uses, Text) and not uses.open:
            record = self._arguments(plain_text(uses.text))
            if record is not None and any(k.key == key for k in keys_of(record)):
                return "; it belongs under `with`"
        by_record: dict[Any, str] = {}
        for record, name, place in self._keys():
            if name == key:
                by_record.setdefault(record, place)
        found = list(dict.fromkeys(by_record.values()))
        if not found or len(found) > MOST_PLACES:
            return ""
        return f"; it belongs to {' or '.join(found)}"

    def _keys(self) -> Iterator[tuple[Any, str, str]]:
        waiting: list[tuple[Any, str, tuple[Any, ...]]] = [(self._root, "", ())]
        while waiting:
            record, path, above = waiting.pop(0)
            for key in (k for k in keys_of(record) if not k.extra):
                yield record, key.key, f"`{path}`" if path else self._title
                for inner, suffix in _records(key.want):
                    if inner not in (*above, record):  # a group's steps are told once
                        below = f"{path}.{key.key}{suffix}".removeprefix(".")
                        waiting.append((inner, below, (*above, record)))


def _records(want: Any, suffix: str = "") -> Iterator[tuple[Any, str]]:
    for alternative in alternatives(want):
        if is_record(alternative):
            yield alternative, suffix
        elif is_list(alternative):
            yield from _records(item_of(alternative), f"{suffix}[]")
        elif is_mapping(alternative):
            yield from _records(item_of(alternative), f"{suffix}.NAME")

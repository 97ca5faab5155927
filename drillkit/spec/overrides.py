"""`--set key=value` and `--var-file`: values that replace a drill's variables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from drillkit.model.errors import Mistake, SpecError
from drillkit.model.evidence import Scalar
from drillkit.spec.document import Map, Mistakes, Text, Where, is_null, quoted, read_bytes, read_one
from drillkit.spec.interpolation import escaped
from drillkit.spec.project import shown

Sets: TypeAlias = Mapping[str, "Text | Scalar"]
"""Values by the names of variables. A `Text` remembers how it was written (`1.10` stays `1.10`
where text is wanted) and where, for messages."""


def parse_sets(
    options: Iterable[str] = (), var_files: Iterable[Path] = ()
) -> dict[str, Text | Scalar]:
    """Values of `--var-file` files (later ones win), then of `--set` options (they win over files).

    A value is text to the last character: nothing in it is a reference. Raises SpecError.
    """
    found: dict[str, Text | Scalar] = {}
    mistakes = Mistakes()
    for path in var_files:
        found.update(_file(path, mistakes))
    for option in options:
        key, equals, value = option.partition("=")
        where = Where(f"--set {key}" if equals and key else "--set")
        if not equals or not key:
            mistakes.add(where, (), f"expected key=value, found {quoted(option)}")
            continue
        found[key] = _option(value, where)
    mistakes.settle()
    return found


def _option(value: str, where: Where) -> Text:
    if inside := re.fullmatch(r"'(.*)'|\"(.*)\"", value, re.DOTALL):
        return Text(escaped(value[1:-1] if inside else value), False, where)
    return Text(escaped(value), value != "", where)


def _file(path: Path, mistakes: Mistakes) -> dict[str, Text | Scalar]:
    source = shown(path)
    node = read_one(source, read_bytes(path))
    if is_null(node):
        return {}
    if not isinstance(node, Map):
        raise SpecError(
            [Mistake(str(node.where), "", "expected a mapping of variables, such as `count: 2`")]
        )
    found: dict[str, Text | Scalar] = {}
    for key, value in node.pairs:
        if not isinstance(value, Text) or is_null(value):
            kind = "nothing" if isinstance(value, Text) else "a list or a mapping"
            mistakes.add(
                value.where, (key.text,), f"expected a text, number or boolean, found {kind}"
            )
            continue
        found[key.text] = Text(escaped(value.text), value.plain, value.where)
    return found


def as_text(key: str, value: Text | Scalar) -> Text:
    """A value as the text it stands for."""
    if isinstance(value, Text):
        return value
    where = Where(f"--set {key}")
    if isinstance(value, str):
        return Text(escaped(value), False, where)
    return Text(
        {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value),
        True,
        where,
    )

"""YAML text to a small tree with positions. No guess about what a scalar means is made here.

Built from the parser's events and not with a loader, so that depth, aliases and size stay bounded
and every mistake has a place. The rest of the room sees `Text`, `Seq` and `Map`, never PyYAML.
"""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Mistake, SpecError
from drillkit.model.evidence import Scalar
from drillkit.model.spelling import near
from drillkit.secrets import KNOWN

MAX_BYTES = 1_000_000
MAX_NODES = 50_000
MAX_DEPTH = 40
MAX_MISTAKES = 50


class Where(NamedTuple):
    """A place in a file; line 0 means the source as a whole, such as an option."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True, slots=True)
class Text:
    """A scalar as it was written. Its text is a template: `${name}` refers, `$${` is `${`."""

    text: str
    plain: bool
    """Not quoted, so that YAML's core rules may see a number, a boolean or null in it where no type
    says otherwise.
    """
    where: Where
    open: bool = False
    """It still holds references that nobody can resolve yet."""


@dataclass(frozen=True, slots=True)
class Seq:
    """A list."""

    items: tuple[Node, ...]
    where: Where


@dataclass(frozen=True, slots=True)
class Map:
    """A mapping, in the order of the file; no key twice."""

    pairs: tuple[tuple[Text, Node], ...]
    where: Where

    def get(self, key: str) -> Node | None:
        """The value of a key, or None."""
        return next((value for name, value in self.pairs if name.text == key), None)


Node: TypeAlias = Text | Seq | Map
Trail: TypeAlias = tuple[str | int, ...]


def written(path: Trail) -> str:
    """`steps[0].with.count` of a path."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def quoted(text: str) -> str:
    """Somebody's text in a message: short, on one line, and without what may be a secret."""
    safe = KNOWN.foreign(text)
    return repr(safe if len(safe) <= 60 else safe[:57] + "...")


class Mistakes:
    """Collects mistakes; a file with hundreds of them shows the first ones.

    `places` says of a key that a mapping cannot have where it belongs, or ''.
    """

    def __init__(self, places: Callable[[str, Map], str] = lambda key, node: "") -> None:
        self._found: dict[Mistake, Where] = {}
        self._places = places

    def __len__(self) -> int:
        return len(self._found)

    def add(self, where: Where, path: Trail, what: str) -> None:
        """Note one."""
        self._found[Mistake(str(where), written(path), what)] = where

    def add_unknown(self, key: Text, node: Map, path: Trail, known: Iterable[str]) -> None:
        """Note a key of `node` that is none of the known ones: what it may have meant, else where
        it belongs, else what there is.
        """
        names = list(known)
        hint = maybe(key.text, names) or self._places(key.text, node) or nearest(key.text, names)
        self.add(key.where, path, f"unknown key {quoted(key.text)}{hint}")

    @property
    def found(self) -> tuple[Mistake, ...]:
        """All of them, in the order of the file."""
        return tuple(sorted(self._found, key=lambda mistake: self._found[mistake][1:]))

    def settle(self) -> None:
        """Raises SpecError when there are any."""
        if not self._found:
            return
        found = self.found
        shown = list(found[:MAX_MISTAKES])
        if len(found) > len(shown):
            source = self._found[found[-1]].source
            shown.append(
                Mistake(source, "", f"and {len(found) - len(shown)} more mistakes after these")
            )
        raise SpecError(shown)


def maybe(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: what it may have meant, if that is near."""
    meant = near(word, known)
    return "" if meant is None else f"; did you mean `{meant}`?"


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: what it may have meant, or what there is."""
    names = list(dict.fromkeys(known))
    if meant := maybe(word, names):
        return meant
    if not names:
        return "; there are none"
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return f"; known: {', '.join(names[:12])}{more}"


def read_bytes(path: Path) -> bytes:
    """The content of a file somebody wrote. Raises SpecError when it cannot be read or is
    too large.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SpecError(
            [Mistake(str(path), "", f"cannot be read: {error.strerror or error}")]
        ) from error
    return raw


def is_there(path: Path) -> bool:
    """Whether there is a file of that name to be read. Raises SpecError for what is no file in its
    place: it was meant to be one.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if not path.is_symlink():
            return False
        found = f"a link to {os.readlink(path)}, which leads nowhere"
    except OSError as error:
        found = f"what cannot be read: {error.strerror}"
    else:
        if stat.S_ISREG(mode):
            return True
        found = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
    what = f"expected a file, found {found}; mend or remove it"
    raise SpecError([Mistake(f"{path}:1:1", "", what)])


def read_one(source: str, raw: bytes | str, mistakes: Mistakes | None = None) -> Node:
    """The tree of the one document in `raw`. `source` names it in messages.

    Raises SpecError for what is no YAML, or too large. What leaves a tree all the same (a key given
    twice, a tag) is added to `mistakes`, or raised when that is None.
    """
    return only(read_all(source, raw, mistakes), source)


def only(documents: list[Node], source: str) -> Node:
    """The one document of a file. Raises SpecError for several."""
    if len(documents) > 1:
        where = documents[1].where
        raise SpecError(
            [Mistake(str(where), "", "expected one document, found another after `---`")]
        )
    return documents[0] if documents else Text("", True, Where(source, 1, 1))


def read_all(source: str, raw: bytes | str, mistakes: Mistakes | None = None) -> list[Node]:
    """The trees of all documents in `raw`, as `read_one`."""
    import yaml

    text = _decoded(source, raw)
    noted = Mistakes() if mistakes is None else mistakes
    composer = _Composer(source, noted)
    events: Any = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    try:
        documents = composer.documents(events)
    except yaml.YAMLError as error:
        raise SpecError([_syntax(source, text, error)]) from error
    if mistakes is None:
        noted.settle()
    return documents


def _decoded(source: str, raw: bytes | str) -> str:
    if len(raw) > MAX_BYTES:
        raise SpecError([Mistake(source, "", f"expected at most {MAX_BYTES:,} bytes, found more")])
    try:
        if isinstance(raw, bytes):
            return raw.decode("utf-8-sig")
        raw.encode()
    except UnicodeError as error:
        start = error.start if isinstance(error, UnicodeDecodeError | UnicodeEncodeError) else 0
        newline: Any = b"\n" if isinstance(raw, bytes) else "\n"
        line = raw.count(newline, 0, start) + 1
        column = start - raw.rfind(newline, 0, start)
        what = "expected UTF-8 text, found bytes that are none; save the file as UTF-8"
        raise SpecError([Mistake(str(Where(source, line, column)), "", what)]) from error
    return raw.removeprefix("\ufeff")


def _syntax(source: str, text: str, error: Exception) -> Mistake:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML"
    if mark is None:
        position = getattr(error, "position", 0) or 0
        before = text.encode()[:position].decode(errors="ignore")
        where = Where(source, before.count("\n") + 1, len(before) - before.rfind("\n"))
    else:
        where = Where(source, mark.line + 1, mark.column + 1)
    lines = text.split("\n")
    line = lines[where.line - 1] if where.line <= len(lines) else ""
    indent = line[: len(line) - len(line.lstrip())]
    if "\t" in indent or line[where.column - 1 : where.column] == "\t":
        return Mistake(str(where), "", "found a tab; YAML is indented with spaces only")
    context = getattr(error, "context", None)
    # newer PyYAML stops by itself, at a depth of its own
    if "maximum nesting depth" in str(problem):
        return Mistake(str(where), "", f"expected at most {MAX_DEPTH} levels, found more")
    return Mistake(str(where), "", f"not YAML: {problem}{f' {context}' if context else ''}")


class _Composer:
    """Events to trees. An alias shares the tree of its anchor but counts as often as it is used."""

    def __init__(self, source: str, mistakes: Mistakes) -> None:
        self._source = source
        self._mistakes = mistakes
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._count = 0

    def documents(self, events: Iterator[Any]) -> list[Node]:
        found: list[Node] = []
        for event in events:
            if type(event).__name__ == "DocumentStartEvent":
                self._anchors.clear()
                found.append(self._node(next(events), events, 0))
        return found

    def _where(self, event: Any) -> Where:
        return Where(self._source, event.start_mark.line + 1, event.start_mark.column + 1)

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        where, before, anchor = self._where(event), self._count, event.anchor
        if type(event).__name__ == "AliasEvent":
            return self._alias(anchor, where)
        self._grow(1, where)
        if depth > MAX_DEPTH:
            raise SpecError(
                [Mistake(str(where), "", f"expected at most {MAX_DEPTH} levels, found more")]
            )
        node: Node
        match type(event).__name__:
            case "ScalarEvent":
                node = Text(event.value, self._plain(event, where), where)
            case "SequenceStartEvent":
                self._plain(event, where)
                node = Seq(tuple(self._items(events, depth + 1)), where)
            case _:
                self._plain(event, where)
                node = Map(self._pairs(list(self._items(events, depth + 1))), where)
        if anchor is not None:
            self._anchors[anchor] = (node, self._count - before)
        return node

    def _items(self, events: Iterator[Any], depth: int) -> Iterator[Node]:
        while not type(event := next(events)).__name__.endswith("EndEvent"):
            yield self._node(event, events, depth)

    def _alias(self, anchor: str, where: Where) -> Node:
        if anchor not in self._anchors:
            self._mistakes.add(where, (), f"`*{anchor}` has no `&{anchor}` that ends before it")
            return Text("", True, where)
        node, size = self._anchors[anchor]
        self._grow(size, where)
        return node

    def _grow(self, by: int, where: Where) -> None:
        self._count += by
        if self._count > MAX_NODES:
            raise SpecError(
                [
                    Mistake(
                        str(where), "", f"expected at most {MAX_NODES:,} values, aliases included"
                    )
                ]
            )

    def _plain(self, event: Any, where: Where) -> bool:
        """Whether a scalar may be read by YAML's core rules. Tags other than `!!str`
        are refused.
        """
        tag = event.tag
        if tag not in (None, "!", "tag:yaml.org,2002:str"):
            self._mistakes.add(where, (), f"tag {quoted(tag)} is not understood; remove it")
        return tag is None and getattr(event, "style", None) in (None, "")

    def _pairs(self, flat: list[Node]) -> tuple[tuple[Text, Node], ...]:
        pairs: dict[str, tuple[Text, Node]] = {}
        merged: list[Map] = []
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            if not isinstance(key, Text):
                self._mistakes.add(
                    key.where, (), "expected text as a key, found a list or a mapping"
                )
            elif key.text == "<<" and key.plain:
                merged += self._bases(value)
            elif key.text in pairs:
                self._mistakes.add(key.where, (), f"`{key.text}` is given twice")
            else:
                pairs[key.text] = (key, value)
        for base in merged:
            self._grow(len(base.pairs), base.where)
            for key, value in base.pairs:
                pairs.setdefault(key.text, (key, value))
        return tuple(pairs.values())

    def _bases(self, value: Node) -> list[Map]:
        bases = list(value.items) if isinstance(value, Seq) else [value]
        found = [base for base in bases if isinstance(base, Map)]
        if len(found) < len(bases):
            self._mistakes.add(
                value.where, (), "expected a mapping (or several) to merge with `<<`"
            )
        return found


_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def is_null(node: Node) -> bool:
    """Whether nothing stands there."""
    return isinstance(node, Text) and node.plain and node.text in _NULL


def core(text: str, plain: bool) -> Scalar | None:
    """What a scalar is by YAML 1.2's core rules, when no type decides. Raises ValueError for what
    JSON cannot hold.
    """
    if not plain:
        return text
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        if len(text) > 100:
            raise ValueError("expected a number of at most 100 digits")
        return int(text, 0 if text[:2] in ("0x", "0o") else 10)
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"expected a finite number, found {text!r}")
    if _FLOAT.fullmatch(text):
        value = float(text)
        if math.isinf(value):
            raise ValueError(f"expected a number up to 1.8e308, found {quoted(text)}")
        return value
    return text


def of_data(data: Any, where: Where, depth: int = 0) -> Node:
    """The tree of plain data, as if it stood at `where`. Raises ValueError for what is no
    plain data.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"expected at most {MAX_DEPTH} levels, found more")
    if isinstance(data, str):
        return Text(data, False, where)
    if data is None or isinstance(data, bool):
        return Text({None: "null", True: "true", False: "false"}[data], True, where)
    if isinstance(data, int | float):
        return Text(repr(data), True, where)
    if isinstance(data, Mapping):
        pairs = (
            (Text(str(key), False, where), of_data(value, where, depth + 1))
            for key, value in data.items()
        )
        return Map(tuple(pairs), where)
    if isinstance(data, list | tuple):
        return Seq(tuple(of_data(item, where, depth + 1) for item in data), where)
    raise ValueError(f"expected plain data, found {type(data).__name__}")


def lookup(node: Node, path: Trail) -> Where:
    """Where `path` stands, or the nearest thing above it that does."""
    for part in path:
        found: Node | None = None
        if isinstance(node, Map):
            found = node.get(str(part))
        elif isinstance(node, Seq) and isinstance(part, int) and part < len(node.items):
            found = node.items[part]
        if found is None:
            return node.where
        node = found
    return node.where

"""Trees to frozen dataclasses. Types decide what a scalar means, so YAML 1.1's guesses (`no`,
`10:30`, `1e3`) never happen; all mistakes are collected.

A text that still holds references is accepted wherever a scalar is, and stands in the result as
an `Unresolved`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeGuard, TypeVar, get_args, get_origin

from drillkit.model.evidence import Scalar
from drillkit.secrets import KNOWN
from drillkit.spec.document import (
    Map,
    Mistakes,
    Node,
    Seq,
    Text,
    Trail,
    core,
    is_null,
    maybe,
    quoted,
)
from drillkit.spec.hints import LONGEST_HINT, flow, split_command
from drillkit.spec.interpolation import plain_text
from drillkit.spec.scalars import LEAVES
from drillkit.spec.types import (
    Key,
    alternatives,
    is_list,
    is_mapping,
    is_record,
    is_scalar,
    item_of,
    keys_of,
    may_be_nothing,
    title,
)

T = TypeVar("T")
_SCALAR = {str, int, float, bool}
_NOTHING = frozenset({"none", "no", "false", "off", "nothing"})
"""What people write where they mean an empty list."""


class Unresolved(str):
    """A text with references that are not known yet, standing where a value of some other
    type will.
    """

    __slots__ = ()


def known(value: T | None) -> TypeGuard[T]:
    """Whether a value is there and holds no reference any more."""
    return value is not None and not isinstance(value, Unresolved)


BAD: Final = Unresolved("what was wrong")
"""What a mistake leaves behind: like a reference that is not known, nothing can be said of it, so
that everything beside it is looked at all the same.
"""


_EMPTY: Final[Mapping[type, str]] = {
    tuple: "expected at least one, found an empty list",
    dict: "expected at least one, found an empty mapping",
    str: "expected text, found ''",
}


def bind(want: Any, node: Node, mistakes: Mistakes, path: Trail = ()) -> Any:
    """The value of type `want` at `node`. Where mistakes were noted, BAD stands in it, or for
    it.
    """
    if is_null(node) and may_be_nothing(want):
        return None
    if want is Any:
        return data_of(Any, node, mistakes, path, final=True)
    several = alternatives(want)
    match node:
        case Text():
            return _scalar([a for a in several if is_scalar(a)], want, node, mistakes, path)
        case Seq():
            lists = [a for a in several if is_list(a)]
            if not lists:
                return _unfit(want, node, mistakes, path)
            items = [
                bind(item_of(lists[0]), item, mistakes, (*path, i))
                for i, item in enumerate(node.items)
            ]
            return tuple(items)
        case Map():
            records = [a for a in several if is_record(a)]
            if records:
                return _record(_best(records, node), records, node, mistakes, path)
            mappings = [a for a in several if is_mapping(a)]
            if not mappings:
                return _unfit(want, node, mistakes, path)
            return _mapping(item_of(mappings[0]), node.pairs, mistakes, path)


def _unfit(want: Any, node: Node, mistakes: Mistakes, path: Trail) -> Unresolved:
    if is_null(node):
        found = "nothing"
    elif isinstance(node, Text):
        # What is written in the place of a notifier's arguments is likely its URL, a secret.
        found = quoted(node.text) if "://" not in node.text else "a URL"
    else:
        found = "a list" if isinstance(node, Seq) else "a mapping"
    mistakes.add(node.where, path, f"expected {title(want)}, found {found}{_as_list(want, node)}")
    return BAD


def _as_list(want: Any, node: Node) -> str:
    """How to write one text where a list of them is wanted, or ''."""
    words = [a for a in alternatives(want) if is_list(a) and is_scalar(item_of(a))]
    if not words or not isinstance(node, Text) or is_null(node) or len(node.text) > LONGEST_HINT:
        return ""
    if node.text.lower() in _NOTHING:
        return "; leave it out for none"
    items = split_command(node.text) if item_of(words[0]) is str else [node.text]
    safe: list[str] = KNOWN.data(items)
    return f"; write `{flow(safe)}`"


def _scalar(candidates: list[Any], want: Any, node: Text, mistakes: Mistakes, path: Trail) -> Any:
    if not candidates:
        return _unfit(want, node, mistakes, path)
    if node.open:
        return Unresolved(node.text)
    if is_null(node):
        return _unfit(want, node, mistakes, path)
    text = plain_text(node.text)
    try:
        if set(candidates) >= _SCALAR:
            return core(text, node.plain)
        return _first(candidates, text)
    except (ValueError, OverflowError) as error:
        mistakes.add(node.where, path, str(error))
        return BAD


def _first(candidates: list[Any], text: str) -> Any:
    """The value by the first type that takes the text; `str` takes any, so it comes last."""
    why: list[str] = []
    for want in sorted(candidates, key=lambda a: a is str):
        try:
            return _leaf(want, text)
        except (ValueError, OverflowError) as error:
            why.append(str(error))
    if len(why) == 1:
        raise ValueError(why[0])
    raise ValueError(f"expected {' or '.join(title(a) for a in candidates)}, found {quoted(text)}")


def _leaf(want: Any, text: str) -> Any:
    if get_origin(want) is not Literal:
        return LEAVES[want].parse(text)
    by_text = {str(a): a for a in get_args(want)}
    if text in by_text:
        return by_text[text]
    raise ValueError(
        f"expected one of {', '.join(by_text)}, found {quoted(text)}{maybe(text, by_text)}"
    )


def _mapping(
    want: Any, pairs: tuple[tuple[Text, Node], ...], mistakes: Mistakes, path: Trail
) -> Any:
    return {key.text: bind(want, value, mistakes, (*path, key.text)) for key, value in pairs}


def _best(records: list[Any], node: Map) -> Any:
    """The record that a mapping means: the one that has most of its keys, and its required ones."""
    present = {key.text for key, _ in node.pairs}

    def fit(cls: Any) -> tuple[int, int]:
        keys = keys_of(cls)
        return sum(k.key in present for k in keys if k.required), sum(
            k.key in present for k in keys
        )

    return max(records, key=fit)


def _record(cls: Any, candidates: list[Any], node: Map, mistakes: Mistakes, path: Trail) -> Any:
    before = len(mistakes)
    known = {k.key: k for k in keys_of(cls) if not k.extra}
    extra = next((k for k in keys_of(cls) if k.extra), None)
    suggested = [k.key for c in candidates for k in keys_of(c) if not k.extra]
    got: dict[str, Any] = {}
    more: list[tuple[Text, Node]] = []
    for key, value in node.pairs:
        if key.text in known:
            k = known[key.text]
            if not (is_null(value) and _has_empty(k)):
                got[k.field] = bind(k.want, value, mistakes, (*path, key.text))
                sort = type(got[k.field])
                if k.must_hold and sort in _EMPTY and not got[k.field]:
                    mistakes.add(value.where, (*path, key.text), _EMPTY[sort])
                    got[k.field] = BAD
        elif extra is not None:
            more.append((key, value))
        else:
            mistakes.add_unknown(key, node, path, suggested)
    if extra is not None and more:
        got[extra.field] = _mapping(item_of(extra.want), tuple(more), mistakes, path)
    for k in known.values():
        if k.required and k.field not in got:
            mistakes.add(node.where, path, _missing(k, cls, candidates))
            got[k.field] = BAD
    # Without a list or a mapping as a whole, whatever it may have held would be missed elsewhere.
    if any(got[k.field] is BAD and _is_container(k.want) for k in known.values() if k.field in got):
        return BAD
    return _built(cls, got, node, mistakes, path, sound=len(mistakes) == before)


def _is_container(want: Any) -> bool:
    return all(is_list(a) or is_mapping(a) for a in alternatives(want))


def _has_empty(key: Key) -> bool:
    """Whether nothing behind a key means an empty list, mapping or record: its default."""
    return not key.required and not any(is_scalar(a) for a in alternatives(key.want))


def _missing(key: Key, cls: Any, candidates: list[Any]) -> str:
    others = [k.key for c in candidates if c is not cls for k in keys_of(c) if k.required]
    return (
        f"`{key.key}` is missing{''.join(f' (or `{other}`)' for other in others)}: "
        f"expected {title(key.want)}"
    )


def _built(
    cls: Any,
    got: Mapping[str, Any],
    node: Map,
    mistakes: Mistakes,
    path: Trail,
    *,
    sound: bool,
) -> Any:
    try:
        return cls(**got)
    except ValueError as error:
        rule: Exception = error
    except TypeError as error:
        rule = error
    if not sound:
        return BAD  # a rule between its fields cannot be kept by what is wrong
    if any(isinstance(v, Unresolved) for v in got.values()) and _loose(cls, got):
        return Unresolved(f"{cls.__name__} with references")
    if isinstance(rule, TypeError):
        raise rule
    mistakes.add(node.where, path, str(rule))
    return BAD


def _loose(cls: Any, got: Mapping[str, Any]) -> bool:
    """Whether a rule between fields may have failed only because a reference stands for a value of
    another type.
    """
    wants = {k.field: alternatives(k.want) for k in keys_of(cls)}
    return any(
        isinstance(value, Unresolved) and str not in wants[name] for name, value in got.items()
    )


def data_of(
    want: Any, node: Node, mistakes: Mistakes, path: Trail = (), *, final: bool = False
) -> Any:
    """Plain data of a tree. `want` only says where a number-like scalar is text to its reader.

    Texts stay templates, unless the data is `final`.
    """
    match node:
        case Seq():
            lists = [a for a in alternatives(want) if is_list(a)]
            item = item_of(lists[0]) if lists else Any
            return [
                data_of(item, v, mistakes, (*path, i), final=final)
                for i, v in enumerate(node.items)
            ]
        case Map():
            return {
                k.text: data_of(
                    _inner(want, node, k.text), v, mistakes, (*path, k.text), final=final
                )
                for k, v in node.pairs
            }
        case Text():
            if final and node.open:
                return Unresolved(node.text)
            datum = _datum(want, node, mistakes, path)
            return plain_text(datum) if final and isinstance(datum, str) else datum


def _inner(want: Any, node: Map, key: str) -> Any:
    """The type of a mapping's or record's value."""
    several = alternatives(want)
    if records := [a for a in several if is_record(a)]:
        keys = keys_of(_best(records, node))
        own = next((k.want for k in keys if k.key == key and not k.extra), None)
        extra = next((item_of(k.want) for k in keys if k.extra), Any)
        return extra if own is None else own
    mappings = [a for a in several if is_mapping(a)]
    return item_of(mappings[0]) if mappings else Any


def _datum(want: Any, node: Text, mistakes: Mistakes, path: Trail) -> Scalar | None:
    if node.open:
        return node.text
    scalars = {a for a in alternatives(want) if is_scalar(a)}
    if scalars and not scalars & {int, float, bool} and not is_null(node):
        return node.text
    try:
        return core(node.text, node.plain)
    except ValueError as error:
        mistakes.add(node.where, path, str(error))
        return None

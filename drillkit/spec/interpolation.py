"""`${...}`: what a text refers to, and putting the values in.

A reference reaches vars, target, run and outputs of earlier steps, nothing else. `${name}` is short
for `${vars.name}`; a lone reference keeps its value's type; `$${` is a literal `${`. Trees stay
templates all along: values put in are escaped, and whoever reads a text last calls `plain_text`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drillkit.lazy_dataclass import dataclass
from drillkit.model.target import AwsTarget, KubernetesTarget, PrometheusTarget, Target
from drillkit.spec.document import (
    Map,
    Mistakes,
    Node,
    Seq,
    Text,
    Trail,
    Where,
    maybe,
    nearest,
    quoted,
)

MAX_FILLED = 20_000
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
ROOTS = ("vars", "target", "run", "steps")
RUN_NAMES = ("run.id", "run.drill", "run.date", "run.started")
_TOKEN = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_NAMED = ("urls", "values")
"""Parts of a target whose names are its owner's own."""
_OPEN = re.compile(rf"target\.(?:{'|'.join(_NAMED)})\.[A-Za-z0-9_-]+")
_SECRET = {
    "bearer",
    "basic",
    "headers",
    "client_cert",
    "client_key",
    "ca_file",
    "databases",
    "kubeconfig",
    "profile",
}
"""Fields of a target that hold secrets, references to them or paths of one machine: no drill may
read them.
"""


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference, by its full name such as `vars.count`."""

    name: str

    def __str__(self) -> str:
        return f"${{{self.name.removeprefix('vars.')}}}"


def parts(text: str) -> tuple[str | Ref, ...]:
    """Literal texts (unescaped, never two in a row) and references. Raises ValueError for a
    malformed reference.
    """
    found: list[str | Ref] = []
    literal, at = "", 0
    for token in _TOKEN.finditer(text):
        literal += text[at : token.start()]
        at = token.end()
        if token[0] == "$${":
            literal += "${"
        elif token[1] is None:
            raise ValueError("expected `}` after `${`; write `$${` for a literal `${`")
        else:
            found += [literal, _ref(token[1])]
            literal = ""
    found.append(literal + text[at:])
    return tuple(part for part in found if part != "")


def _ref(inside: str) -> Ref:
    steps = inside.strip().split(".")
    if not all(
        NAME.fullmatch(s) or (i and re.fullmatch(r"[A-Za-z0-9_-]+", s)) for i, s in enumerate(steps)
    ):
        raise ValueError(
            f"expected a name in `${{...}}`, found {quoted(inside)}; write `$${{` for a "
            "literal `${`"
        )
    return Ref(".".join(steps) if len(steps) > 1 else f"vars.{steps[0]}")


def render(found: tuple[str | Ref, ...]) -> str:
    """The template of parts: the inverse of `parts`. Raises ValueError where none can
    be written.
    """
    texts: list[str] = []
    for i, part in enumerate(found):
        if isinstance(part, Ref):
            texts.append(str(part))
            continue
        if part.endswith("$") and i + 1 < len(found):
            raise ValueError(
                "a `$` directly before a reference cannot be written; put something between them"
            )
        texts.append(escaped(part))
    return "".join(texts)


def escaped(text: str) -> str:
    """A template that gives exactly `text`."""
    return text.replace("${", "$${")


def plain_text(text: str) -> str:
    """What a template without references gives."""
    return text.replace("$${", "${")


def references(node: Node, path: Trail = ()) -> Iterator[tuple[Ref, Text, Trail]]:
    """Every well-formed reference under a node, with its text and path."""
    if isinstance(node, Map):
        for key, value in node.pairs:
            yield from references(value, (*path, key.text))
    elif isinstance(node, Seq):
        for i, item in enumerate(node.items):
            yield from references(item, (*path, i))
    elif "${" in node.text:
        try:
            for part in parts(node.text):
                if isinstance(part, Ref):
                    yield part, node, path
        except ValueError:
            return


class Unknown(Exception):
    """A name that no scope has; the message says what it may have meant."""


@dataclass(frozen=True, slots=True)
class ReferenceScope:
    """What references may reach. A value of None: it exists, but is not known yet."""

    values: Mapping[str, Text | None]
    open_target: bool = False
    """The target is not known yet: `target.urls` and `target.values` may have any name."""
    steps: bool = False
    """Outputs of earlier steps may be named here; they stay references."""
    outputs: Mapping[str, Text] | None = None
    """Outputs that are known: `steps.NAME.outputs.KEY`."""

    def look(self, ref: Ref) -> Text | None:
        """The value of a reference, or None when it is not known yet. Raises Unknown."""
        if ref.name in self.values:
            return self.values[ref.name]
        root, _, rest = ref.name.partition(".")
        if root == "steps":
            return self._output(ref, rest)
        if self.open_target and _OPEN.fullmatch(ref.name):
            return None
        known = [name.removeprefix("vars.") for name in self.values]
        if root not in ROOTS:
            raise Unknown(
                f"`{ref}` is unknown: references begin with {', '.join(ROOTS)}, or are a "
                "variable's name"
            )
        same = [name for name in known if name.startswith(f"{root}.")] if root != "vars" else known
        if root == "target" and self.open_target:
            same += ["target.urls.NAME", "target.values.NAME"]
        if root == "target" and not self.open_target:
            raise Unknown(f"the target has no `{rest}`{_of_target(ref.name, same)}")
        hint = nearest(ref.name.removeprefix("vars."), same)
        literal = (
            f"; for the text itself write `${escaped(str(ref))[1:]}`" if root == "vars" else ""
        )
        raise Unknown(f"`{ref}` is unknown{hint}{literal}")

    def _output(self, ref: Ref, rest: str) -> Text | None:
        if not re.fullmatch(r"[^.]+\.outputs\.[^.]+", rest):
            raise Unknown(f"expected `${{steps.NAME.outputs.KEY}}`, found `{ref}`")
        if not self.steps:
            raise Unknown(f"`{ref}`: outputs of steps can be used in `with:` of later steps only")
        if self.outputs is None:
            return None
        if ref.name not in self.outputs:
            raise Unknown(f"`{ref}` was not given by that step{nearest(ref.name, self.outputs)}")
        return self.outputs[ref.name]


def _of_target(name: str, known: Sequence[str]) -> str:
    """What a name of the target may have meant, or where to give it."""
    meant = maybe(name, known)
    _, part, *inner = name.split(".")
    if meant or part not in _NAMED or len(inner) != 1:
        return meant or nearest(name, known)
    there = [each for each in known if each.startswith(f"target.{part}.")]
    listed = f" (it has {', '.join(there)})" if there else ""
    return f"; add `{part}: {{{inner[0]}: ...}}` to the target{listed}"


def substitute(node: Node, scope: ReferenceScope, mistakes: Mistakes, path: Trail = ()) -> Node:
    """The tree with every known reference put in; texts that keep some are marked open."""
    if path and path[-1] == "with" and path[0] == "steps" and len(path) in (3, 5):
        scope = dataclasses.replace(scope, steps=True)
    if isinstance(node, Map):
        pairs = (
            (key, substitute(value, scope, mistakes, (*path, key.text)))
            for key, value in node.pairs
        )
        return Map(tuple(pairs), node.where)
    if isinstance(node, Seq):
        items = (substitute(item, scope, mistakes, (*path, i)) for i, item in enumerate(node.items))
        return Seq(tuple(items), node.where)
    if "${" not in node.text:
        return node
    try:
        return _filled(node, scope)
    except (ValueError, Unknown) as error:
        mistakes.add(node.where, path, str(error))
        return dataclasses.replace(node, text="", open=True)


def _filled(node: Text, scope: ReferenceScope) -> Text:
    found = parts(node.text)
    if len(found) == 1 and isinstance(found[0], Ref):
        value = scope.look(found[0])
        if value is None:
            return dataclasses.replace(node, open=True)
        return dataclasses.replace(value, where=node.where)
    filled: list[str | Ref] = []
    still_open = False
    for part in found:
        if isinstance(part, Ref):
            value = scope.look(part)
            if value is None or value.open:
                still_open = True
            part = part if value is None else value.text
            filled += parts(part) if isinstance(part, str) else [part]
        else:
            filled.append(part)
    if sum(len(part) for part in filled if isinstance(part, str)) > MAX_FILLED:
        raise ValueError(
            f"expected at most {MAX_FILLED:,} characters once its references are put in, found more"
        )
    return Text(render(_joined(filled)), False, node.where, still_open)


def _joined(found: list[str | Ref]) -> tuple[str | Ref, ...]:
    joined: list[str | Ref] = []
    for part in found:
        if joined and isinstance(part, str) and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    return tuple(joined)


def resolve_vars(
    given: Mapping[str, Text], scope: ReferenceScope, mistakes: Mistakes
) -> Mapping[str, Text]:
    """Variables whose values may refer to each other, to the target and to the run."""
    done: dict[str, Text] = {}

    def value_of(name: str, chain: tuple[str, ...]) -> Text:
        if name in done:
            return done[name]
        node = given[name]
        if name in chain:
            loop = " -> ".join((*chain[chain.index(name) :], name))
            mistakes.add(
                node.where, ("vars", name), f"variables refer to each other in a circle: {loop}"
            )
            return dataclasses.replace(node, open=True)
        if len(chain) > 20:
            mistakes.add(
                node.where, ("vars", name), "expected at most 20 variables that refer to the next"
            )
            return dataclasses.replace(node, open=True)
        inner = {
            ref.name: value_of(ref.name[5:], (*chain, name))
            for ref, _, _ in references(node)
            if ref.name.startswith("vars.") and ref.name[5:] in given
        }
        others = {f"vars.{other}": None for other in given}
        here = dataclasses.replace(scope, values={**scope.values, **others, **inner})
        filled = substitute(node, here, mistakes, ("vars", name))
        assert isinstance(filled, Text)
        done[name] = filled
        return filled

    for name in given:
        value_of(name, ())
    return done


def target_values(target: Target) -> Mapping[str, Text]:
    """What drills may read of a target: its scalars, but no secret, no reference to one and no
    local path.
    """
    where = Where(f"target {target.name}")
    found: dict[str, Text] = {}

    def walk(value: Any, name: str) -> None:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            for f in dataclasses.fields(value):
                if f.name not in _SECRET and f.name not in (
                    "launch",
                    "caps",
                    "emulated",
                    "protected",
                ):
                    walk(getattr(value, f.name), f"{name}.{f.name}")
        elif isinstance(value, Mapping):
            for key, item in value.items():
                walk(item, f"{name}.{key}")
        elif isinstance(value, bool):
            found[name] = Text("true" if value else "false", True, where)
        elif isinstance(value, int | float):
            found[name] = Text(repr(value), True, where)
        elif isinstance(value, str):
            found[name] = Text(escaped(value), False, where)

    walk(target, "target")
    return found


def target_names() -> tuple[str, ...]:
    """Names that any target may have, besides those under `target.urls` and `target.values`."""
    names = ["target.name"]
    for part, cls in (
        ("kubernetes", KubernetesTarget),
        ("aws", AwsTarget),
        ("prometheus", PrometheusTarget),
    ):
        names += [
            f"target.{part}.{f.name}"
            for f in dataclasses.fields(cls)
            if f.name not in _SECRET and str(f.type) in ("str", "str | None")
        ]
    return tuple(names)

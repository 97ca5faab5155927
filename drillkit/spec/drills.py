"""A drill's text to a `Drill`, in two stages.

`parse` does what needs no target: structure, names, types. `Parsed.resolve` puts in variables,
target and run, binds the rest and checks what fields must agree on. Outputs of earlier steps stay
references in `Step.with_` until the runner calls `bind_arguments`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from drillkit.entry_points import BrokenPlugin
from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Drill, Group, Step
from drillkit.model.errors import Mistake, SpecError
from drillkit.model.evidence import Scalar
from drillkit.model.target import Target
from drillkit.spec.arguments import steps_in
from drillkit.spec.binder import BAD, Unresolved, bind, data_of
from drillkit.spec.document import (
    Map,
    Mistakes,
    Node,
    Seq,
    Text,
    Trail,
    Where,
    core,
    is_null,
    lookup,
    nearest,
    of_data,
    only,
    quoted,
    read_all,
)
from drillkit.spec.foreign import refuse_stranger
from drillkit.spec.interpolation import (
    NAME,
    ROOTS,
    RUN_NAMES,
    ReferenceScope,
    plain_text,
    references,
    resolve_vars,
    substitute,
    target_names,
    target_values,
)
from drillkit.spec.misplaced_keys import Places
from drillkit.spec.overrides import Sets, as_text
from drillkit.spec.roots import find_roots
from drillkit.spec.source import DrillSource, InstalledKinds, Kinds, Written

if TYPE_CHECKING:
    from drillkit.steps.base import Kind, RunNames

T = TypeVar("T")
EMBEDDED_KEPT = 60_000
"""Characters of a file beside the drill; a record keeps not much more of a text."""


def parse(source: DrillSource | str | bytes, *, kinds: Kinds | None = None) -> Parsed:
    """Structure, names and types of a drill, as far as no target is needed. Raises SpecError with
    every mistake.
    """
    if not isinstance(source, DrillSource):
        source = DrillSource("drill", source, find_roots())
    table = kinds or InstalledKinds()
    mistakes = _mistakes(table)
    tree = source.tree or _tree(source, mistakes)
    parsed = Parsed(source, tree, table)
    given = _vars_of(tree, mistakes)
    drill = _bind(tree, parsed, _scope(dict.fromkeys(given), None, None), mistakes)
    _fixed(tree, mistakes)
    if len(mistakes):  # all of them at once
        _check(drill, parsed, mistakes)
    mistakes.settle()
    return parsed


def _mistakes(kinds: Kinds) -> Mistakes:
    """A collection that knows where the keys of a drill belong."""

    def arguments(uses: str) -> Any:
        return kinds.named(uses).Arguments if uses in kinds.names() else None

    return Mistakes(Places(Drill, "the drill itself", arguments).hint)


def _tree(source: DrillSource, mistakes: Mistakes) -> Node:
    documents = read_all(source.label, source.raw, mistakes)
    for document in documents[:1]:
        refuse_stranger(document, "a drill", document.where)
    return only(documents, source.label)


def _check(drill: Any, parsed: Parsed, mistakes: Mistakes) -> None:
    from drillkit.spec.checks import check  # much of it, and not everybody resolves

    if isinstance(drill, Drill):
        check(drill, parsed, mistakes)


def _fixed(tree: Node, mistakes: Mistakes) -> None:
    """What a drill is called and which kinds its steps have must stand there as they are."""
    nodes: list[tuple[Trail, Node | None]] = [
        ((*path, "uses"), node.get("uses")) for path, node in steps_of(tree)
    ]
    if isinstance(tree, Map):
        nodes.append((("drill",), tree.get("drill")))
    for path, node in nodes:
        for ref, text, _ in references(node) if node is not None else ():
            mistakes.add(text.where, path, f"expected the name itself, found the reference `{ref}`")


@dataclass(frozen=True, slots=True)
class Parsed(Written):
    """A drill whose structure is sound. Only `resolve` says whether it makes sense."""

    @property
    def name(self) -> str:
        """The drill's own name, as written."""
        node = self.tree.get("drill") if isinstance(self.tree, Map) else None
        return plain_text(node.text) if isinstance(node, Text) else ""

    @property
    def vars(self) -> Mapping[str, Scalar]:
        """Variables and their defaults, as written."""
        given = _vars_of(self.tree, Mistakes())
        return {name: _scalar(node) for name, node in given.items()}

    def target_name(self, sets: Sets | None = None) -> str | None:
        """The target that the drill itself names. Raises SpecError when it depends on
        the target.
        """
        node = self.tree.get("target") if isinstance(self.tree, Map) else None
        if node is None or is_null(node):
            return None
        mistakes = Mistakes()
        values = self._vars(sets or {}, _scope({}, None, None), mistakes)
        filled = substitute(node, _scope(values, None, None), mistakes, ("target",))
        mistakes.settle()
        if not isinstance(filled, Text) or filled.open:
            raise SpecError(
                [Mistake(str(node.where), "target", "expected a name that needs no target or run")]
            )
        return plain_text(filled.text)

    def resolve(
        self, sets: Sets | None = None, target: Target | None = None, run: RunNames | None = None
    ) -> Drill:
        """The drill with everything put in and checked. Raises SpecError with every mistake.

        Without a target (or run) its references stay as they are and only what needs none is
        checked: good for validating and showing, not for running.
        """
        mistakes = _mistakes(self.kinds)
        scope = _scope({}, target, run)
        values = self._vars(sets or {}, scope, mistakes)
        values_scope = _scope(values, target, run)
        drill = _bind(self.tree, self, values_scope, mistakes)
        if not len(mistakes):
            drill = replace(drill, vars={name: _scalar(node) for name, node in values.items()})
        _check(drill, self, mistakes)
        mistakes.settle()
        return cast(Drill, drill)

    def _vars(self, sets: Sets, scope: ReferenceScope, mistakes: Mistakes) -> Mapping[str, Text]:
        given = dict(_vars_of(self.tree, Mistakes()))
        for key, value in sets.items():
            text = as_text(key, value)
            if key not in given:
                hint = nearest(key, given)
                mistakes.add(text.where, (), f"`{key}` is no variable of drill `{self.name}`{hint}")
            else:
                given[key] = _replacing(given[key], text, mistakes)
        return resolve_vars(given, scope, mistakes)


def _replacing(default: Text, given: Text, mistakes: Mistakes) -> Text:
    """What stands for a variable instead of its default: text where that is text, whatever it looks
    like, since `12e4567` may be a commit.
    """
    try:
        if isinstance(core(default.text, default.plain), str):
            return replace(given, plain=False)
        core(given.text, given.plain)
    except ValueError as error:
        mistakes.add(given.where, (), str(error))
    return given


def _scalar(node: Text) -> Scalar:
    if node.open:
        return Unresolved(node.text)
    value = core(node.text, node.plain)
    return plain_text(value) if isinstance(value, str) else cast(Scalar, value)


def _vars_of(tree: Node, mistakes: Mistakes) -> Mapping[str, Text]:
    node = tree.get("vars") if isinstance(tree, Map) else None
    if not isinstance(node, Map):
        return {}
    found: dict[str, Text] = {}
    for key, value in node.pairs:
        if not NAME.fullmatch(key.text) or key.text in ROOTS:
            what = f"expected a name of letters, digits, `-` and `_` other than {', '.join(ROOTS)}"
            mistakes.add(key.where, ("vars",), f"{what}, found {quoted(key.text)}")
        elif isinstance(value, Text) and not is_null(value):
            found[key.text] = value
    return found


def _scope(
    values: Mapping[str, Text | None], target: Target | None, run: RunNames | None
) -> ReferenceScope:
    known: dict[str, Text | None] = {f"vars.{name}": value for name, value in values.items()}
    known.update(dict.fromkeys(target_names()) if target is None else target_values(target))
    known.update(dict.fromkeys(RUN_NAMES) if run is None else _run_values(run))
    return ReferenceScope(known, open_target=target is None)


def _run_values(run: RunNames) -> Mapping[str, Text]:
    started = run.started.astimezone(UTC)
    where = Where("run")
    return {
        "run.id": Text(run.id, False, where),
        "run.drill": Text(run.drill, False, where),
        "run.date": Text(started.date().isoformat(), False, where),
        "run.started": Text(
            started.isoformat(timespec="seconds").replace("+00:00", "Z"), False, where
        ),
    }


def steps_of(tree: Node) -> Iterator[tuple[Trail, Map]]:
    """Every step's mapping with its path, members of groups included."""
    steps = tree.get("steps") if isinstance(tree, Map) else None
    for i, node in enumerate(steps.items if isinstance(steps, Seq) else ()):
        members = node.get("parallel") if isinstance(node, Map) else None
        if isinstance(members, Seq):
            for j, member in enumerate(members.items):
                if isinstance(member, Map):
                    yield ("steps", i, "parallel", j), member
        elif isinstance(node, Map):
            yield ("steps", i), node


def _bind(tree: Node, parsed: Parsed, scope: ReferenceScope, mistakes: Mistakes) -> Any:
    """The drill of a tree, or BAD. Arguments of steps are bound for their mistakes and kept as
    plain data.
    """
    filled = substitute(tree, scope, mistakes)
    drill = bind(Drill, filled, mistakes)
    arguments = {path: _arguments(node, parsed, mistakes, path) for path, node in steps_of(filled)}
    return _complete(drill, arguments) if isinstance(drill, Drill) else BAD


def _arguments(node: Map, parsed: Parsed, mistakes: Mistakes, path: Trail) -> Mapping[str, Any]:
    uses, given = node.get("uses"), node.get("with")
    if not isinstance(uses, Text) or uses.open:
        return {}
    kind = _kind(uses, parsed.kinds, mistakes, (*path, "uses"))
    if given is None or is_null(given):
        given = Map((), node.where)
    if kind is None or not isinstance(given, Map):
        return {}
    bind(kind.Arguments, given, mistakes, (*path, "with"))
    data: Mapping[str, Any] = data_of(kind.Arguments, given, mistakes, (*path, "with"))
    return {**data, **_embedded(kind, data, parsed, mistakes, (*path, "with"))}


def _embedded(
    kind: Kind[Any], data: Mapping[str, Any], parsed: Parsed, mistakes: Mistakes, path: Trail
) -> Mapping[str, str]:
    """What stands in the files that arguments name, as text in which nothing is a reference."""
    found: dict[str, str] = {}
    for key, into in kind.embeds.items():
        name = data.get(key)
        if not isinstance(name, str) or not name or "${" in name:
            continue
        file = (parsed.source.folder or Path()) / name
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            mistakes.add(
                lookup(parsed.tree, (*path, key)),
                (*path, key),
                f"expected a text file beside the drill, found {quoted(name)}: {why}",
            )
            continue
        if len(text) > EMBEDDED_KEPT:
            mistakes.add(
                lookup(parsed.tree, (*path, key)),
                (*path, key),
                f"{quoted(name)} has {len(text):,} characters, at most {EMBEDDED_KEPT:,} are kept "
                "with a run",
            )
        found[into] = text.replace("${", "$${")
    return found


def _kind(uses: Text, kinds: Kinds, mistakes: Mistakes, path: Trail) -> Kind[Any] | None:
    name = plain_text(uses.text)
    try:
        return kinds.named(name)
    except KeyError:
        mistakes.add(
            uses.where,
            path,
            f"no kind of step is called {quoted(name)}{nearest(name, kinds.names())}",
        )
    except BrokenPlugin as error:
        mistakes.add(uses.where, path, str(error))
    except ImportError as error:
        mistakes.add(uses.where, path, f"the kind {quoted(name)} cannot be loaded: {error}")
    return None


def _complete(drill: Drill, arguments: Mapping[Trail, Mapping[str, Any]]) -> Drill:
    """The drill with the steps' plain arguments and default names."""
    taken: set[str] = {step.name for _, step in steps_in(drill) if step.name}
    groups = 0

    def completed(step: Any, path: Trail) -> Any:
        if not isinstance(step, Step):  # rules between its fields wait for a reference
            return step
        name = step.name or _free(re.sub(r"[^A-Za-z0-9_-]+", "-", step.uses)[:50], taken)
        return replace(step, name=name, with_=arguments[path])

    steps: list[Step | Group] = []
    for i, item in enumerate(drill.steps):
        if isinstance(item, Group):
            groups += 1
            inside = tuple(
                completed(s, ("steps", i, "parallel", j)) for j, s in enumerate(item.parallel)
            )
            steps.append(
                replace(item, name=item.name or _free(f"parallel-{groups}", taken), parallel=inside)
            )
        else:
            steps.append(completed(item, ("steps", i)))
    return replace(drill, steps=tuple(steps))


def _free(name: str, taken: set[str]) -> str:
    numbered = (f"{name}-{n}" for n in range(2, len(taken) + 3))
    free = next(candidate for candidate in (name, *numbered) if candidate not in taken)
    taken.add(free)
    return free


def output_references(data: Any) -> frozenset[str]:
    """`steps.NAME.outputs.KEY` of every reference that is left in a step's arguments."""
    found = references(of_data(data, Where("with")))
    return frozenset(ref.name for ref, _, _ in found if ref.name.startswith("steps."))

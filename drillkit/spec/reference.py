"""Reference of step kinds, for `drillkit kinds` and the documentation. Read from the kinds'
own classes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING
from typing import Any

from drillkit.entry_points import BrokenPlugin
from drillkit.lazy_dataclass import dataclass
from drillkit.model.codec import to_data
from drillkit.model.errors import UsageError
from drillkit.spec.docs import class_doc, field_docs
from drillkit.spec.document import nearest
from drillkit.spec.source import InstalledKinds, Kinds
from drillkit.spec.types import alternatives, is_record, keys_of, title


@dataclass(frozen=True, slots=True)
class Argument:
    """One key of `with`."""

    key: str
    type: str
    required: bool
    default: str
    """As a drill would write it; '' where there is none."""
    doc: str


@dataclass(frozen=True, slots=True)
class KindReference:
    """What a drill's author needs to know of a kind."""

    name: str
    disturbs: str
    """`users` or `none`."""
    doc: str
    arguments: tuple[Argument, ...]
    objectives: tuple[str, ...] = ()
    """Which objectives it measures."""
    checks: tuple[str, ...] = ()
    """Which checks it runs."""
    outputs: tuple[tuple[str, str], ...] = ()
    """What later steps may use of it: key, and what stands there."""
    tells: tuple[str, ...] = ()
    """Events, of a notifier: one goes into `notify`, not into `steps`."""

    @property
    def summary(self) -> str:
        """First sentence of its docstring."""
        paragraph = " ".join(self.doc.split("\n\n")[0].split())
        return paragraph.split(". ")[0].rstrip(".")


def kind_references(kinds: Kinds | None = None) -> list[KindReference]:
    """All kinds that can be used, by name."""
    table = kinds or InstalledKinds()
    return list(_usable(table.names(), lambda name: kind_reference(name, table)))


def _usable(names: Iterable[str], refer: Callable[[str], KindReference]) -> Iterator[KindReference]:
    for name in names:
        with contextlib.suppress(BrokenPlugin):  # told by `broken_plugins`
            yield refer(name)


def broken_plugins() -> list[str]:
    """What other packages bring of steps, checks, notifiers, undos and faults and cannot be used,
    each with its package and why. Imports all of it.
    """
    from drillkit.checks.kinds import PLUGGED_IN as CHECKS
    from drillkit.clients.chaostoolkit import faults
    from drillkit.journal.undo_registry import PLUGGED_IN as UNDOS
    from drillkit.notify.base import PLUGGED_IN as NOTIFIERS
    from drillkit.steps.base import PLUGGED_IN as STEPS

    registries = (STEPS, CHECKS, NOTIFIERS, UNDOS)
    found = [*(why for registry in registries for why in registry.broken()), *faults.broken()]
    return list(dict.fromkeys(found))  # metadata that cannot be read keep them from all


def kind_reference(name: str, kinds: Kinds | None = None) -> KindReference:
    """One kind. Raises UsageError when there is none of that name."""
    table = kinds or InstalledKinds()
    try:
        kind = table.named(name)
    except KeyError:
        raise UsageError(
            f"no kind of step is called `{name}`{nearest(name, table.names())}"
        ) from None
    return KindReference(
        kind.name,
        kind.disturbs,
        class_doc(type(kind)),
        tuple(_arguments(kind.Arguments)),
        tuple(sorted(kind.objectives)),
        tuple(sorted(kind.checks)),
        tuple(kind.outputs.items()),
    )


def notifier_references() -> list[KindReference]:
    """All notifiers that can be used, by name."""
    from drillkit.notify import notifier_names

    return list(_usable(notifier_names(), notifier_reference))


def notifier_reference(name: str) -> KindReference:
    """One notifier. Raises UsageError when there is none of that name."""
    from drillkit.model.notice import EVENTS
    from drillkit.notify import notifier_named, notifier_names

    try:
        notifier = notifier_named(name)
    except KeyError:
        raise UsageError(
            f"no notifier is called `{name}`{nearest(name, notifier_names())}"
        ) from None
    return KindReference(
        name,
        "none",
        class_doc(type(notifier)),
        tuple(_arguments(notifier.Arguments)),
        tells=tuple(event for event in EVENTS if event in notifier.events),
    )


def _arguments(cls: Any, prefix: str = "") -> Iterator[Argument]:
    docs = field_docs(cls)
    for k in keys_of(cls):
        key = f"{prefix}NAME" if k.extra else f"{prefix}{k.key}"
        default = (
            "" if k.default is MISSING or k.default in (None, "", (), {}) else _written(k.default)
        )
        yield Argument(key, title(k.want), k.required, default, docs.get(k.field, ""))
        for record in (a for a in alternatives(k.want) if is_record(a)):
            yield from _arguments(record, f"{key}.")


def _written(value: Any) -> str:
    data = to_data(value)
    if isinstance(data, bool):
        return "true" if data else "false"
    return "" if isinstance(data, dict | list) else str(data)


def as_text(kind: KindReference) -> str:
    """The reference of one kind for a terminal."""
    disturbs = f"disturbs {'users' if kind.disturbs == 'users' else 'nobody'}"
    what = "a notifier, for `notify`" if kind.tells else disturbs
    lines = [f"{kind.name} ({what})", "", kind.doc, ""]
    lines.append("with:" if kind.arguments else "It takes no arguments.")
    for a in kind.arguments:
        default = f", default: {a.default}" if a.default else ""
        lines.append(f"  {a.key}: {a.type}{', required' if a.required else default}")
        lines += [f"      {line}" for line in a.doc.splitlines()]
    if kind.tells:
        return "\n".join([*lines, "", f"events: {', '.join(kind.tells)}"]) + "\n"
    lines += ["", f"objectives: {', '.join(kind.objectives) or 'none'}"]
    lines.append(f"checks: {', '.join(kind.checks) or 'none'}")
    lines.append("outputs:" if kind.outputs else "outputs: none")
    lines += [f"  ${{steps.NAME.outputs.{key}}}: {text}" for key, text in kind.outputs]
    return "\n".join(lines).rstrip() + "\n"


def as_markdown(kinds: list[KindReference]) -> str:
    """The reference of several kinds as Markdown."""
    return "\n".join(line for kind in kinds for line in _markdown(kind)).rstrip() + "\n"


def _markdown(kind: KindReference) -> Iterator[str]:
    yield from (f"## `{kind.name}`", "", kind.doc, "")
    if kind.tells:
        listed = ", ".join(f"`{event}`" for event in kind.tells)
        yield from (f"A notifier, for `notify`. Events: {listed}.", "")
    else:
        yield from (f"Disturbs {'users' if kind.disturbs == 'users' else 'nobody'}.", "")
    if kind.arguments:
        yield from ("| Key of `with` | Type | Default | Meaning |", "|---|---|---|---|")
        for a in kind.arguments:
            default = f"`{a.default}`" if a.default else ""
            given = "required" if a.required else default
            cells = (f"`{a.key}`", a.type, given, " ".join(a.doc.split()))
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        yield ""
    for heading, served in (("Objectives", kind.objectives), ("Checks", kind.checks)):
        if served:
            yield from (f"{heading}: {', '.join(f'`{each}`' for each in served)}.", "")
    if kind.outputs:
        yield from ("Outputs, for `with` of later steps:", "")
        yield from (f"- `${{steps.NAME.outputs.{key}}}`: {text}" for key, text in kind.outputs)
        yield ""

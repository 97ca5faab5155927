"""A drill as it is written, before anything is known of what it means."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from drillkit.lazy_dataclass import dataclass
from drillkit.spec.document import Node, read_bytes
from drillkit.spec.files import FoundFile
from drillkit.spec.project import shown
from drillkit.spec.roots import Roots

if TYPE_CHECKING:
    from drillkit.steps.base import Kind


class Kinds(Protocol):
    """The step kinds there are."""

    def named(self, name: str) -> Kind[Any]:
        """The kind of that name. Raises KeyError, ImportError, BrokenPlugin."""

    def names(self) -> list[str]:
        """All names."""


class InstalledKinds:
    """Those of `drillkit.steps` and of plug-ins. Only the asked one is imported."""

    def named(self, name: str) -> Kind[Any]:
        from drillkit.steps.base import kind_named

        if not re.fullmatch(r"[a-z][a-z0-9]*([.-][a-z0-9]+)*", name):
            raise KeyError(name)
        return kind_named(name)

    def names(self) -> list[str]:
        from drillkit.steps.base import kind_names

        return kind_names()


@dataclass(frozen=True, slots=True)
class DrillSource:
    """The text of a drill and where it came from."""

    label: str
    """What messages call it."""
    raw: bytes | str
    roots: Roots
    """Where what it refers to is looked for."""
    found: FoundFile | None = None
    folder: Path | None = None
    """Relative paths in it begin here."""
    tree: Node | None = None
    """Of a drill that was made and not written."""

    @property
    def sha256(self) -> str:
        """Digest of the bytes."""
        import hashlib  # OpenSSL takes its time

        raw = self.raw if isinstance(self.raw, bytes) else self.raw.encode("utf-8", "replace")
        return hashlib.sha256(raw).hexdigest()


def source_of(found: FoundFile, roots: Roots) -> DrillSource:
    """The text of a drill that was found. Raises SpecError when it cannot be read."""
    return DrillSource(
        shown(found.path), read_bytes(found.path), roots.first(found.root), found, found.path.parent
    )


@dataclass(frozen=True, slots=True)
class Written:
    """A drill's text, its tree, and the kinds that its steps may be of."""

    source: DrillSource
    tree: Node
    kinds: Kinds

"""Documents that may refer to each other, and one of them while it is resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from drillkit.lazy_dataclass import dataclass
from drillkit.spec.document import Mistakes, Node, Trail, lookup, nearest


@dataclass(frozen=True, slots=True)
class Document:
    """One document and where it stands."""

    kind: str
    name: str
    tree: Node
    data: Any


@dataclass(slots=True)
class SloLibrary:
    """Documents that may refer to each other."""

    documents: list[Document] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    """What was accepted and has no effect."""

    def named(self, kind: str) -> Mapping[str, Document]:
        """Documents of a kind by name; the first of a name wins."""
        found: dict[str, Document] = {}
        for document in self.documents:
            if document.kind == kind:
                found.setdefault(document.name, document)
        return found


@dataclass(frozen=True, slots=True)
class Resolution:
    """One SLO document while it is resolved. What is wrong is said of it, unless a reference has
    led into another document.
    """

    document: Document
    library: SloLibrary
    mistakes: Mistakes

    def wrong(self, path: Trail, what: str, at: Document | None = None) -> None:
        """Note a mistake of the document, or of the one that a reference led to."""
        document = at or self.document
        self.mistakes.add(lookup(document.tree, path), path, what)

    def notice(self, what: str) -> None:
        """Tell of something that was accepted and has no effect."""
        self.library.notices.append(f"{self.document.name}: {what}")

    def follow(
        self, kind: str, name: str, path: Trail, at: Document | None = None
    ) -> Document | None:
        """The document that a reference leads to; None: a mistake was noted."""
        known = self.library.named(kind)
        if name not in known:
            article = "an" if kind[0] in "AS" and kind != "Service" else "a"
            what = (
                f"{article} {kind} document of this name was expected beside the SLO, "
                f"found none{nearest(name, known)}"
            )
            self.wrong(path, what, at)
            return None
        return known[name]

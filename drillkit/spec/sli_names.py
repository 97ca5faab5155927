"""What a hypothesis or a guard may call by name: probes, and SLOs inline or filed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from drillkit.model.drill import Drill
from drillkit.model.errors import SpecError
from drillkit.spec.binder import Unresolved
from drillkit.spec.document import Trail, nearest, quoted
from drillkit.spec.roots import Roots

Complaint: TypeAlias = tuple[Trail, str]
"""Where, and what is wrong."""


class SliNames:
    """Names that a hypothesis or guard may use. Files of SLOs are read only when a name is neither
    probe nor inline.
    """

    def __init__(self, drill: Drill, roots: Roots) -> None:
        self.probes: Mapping[str, Any] = drill.probes
        self.complaints: list[Complaint] = []
        self._roots = roots
        self._filed: frozenset[str] | None = None
        self._inline = [self._inline_name(i, document) for i, document in enumerate(drill.slos)]

    def _inline_name(self, i: int, document: object) -> str:
        # What is no mapping was told when it was bound.
        metadata = document.get("metadata") if isinstance(document, Mapping) else None
        name = metadata.get("name") if isinstance(metadata, Mapping) else None
        if not isinstance(name, str) or not name:
            self.complaints.append(
                (("slos", i), "expected an OpenSLO document with `metadata: {name: ...}`")
            )
            return ""
        if name in self.probes:
            self.complaints.append(
                (("slos", i, "metadata", "name"), f"`{name}` is the name of a probe already")
            )
        return name

    @property
    def slos(self) -> Iterable[str]:
        """Names of SLOs, inline and filed."""
        if self._filed is None:
            from drillkit.spec.files import slo_names

            try:
                self._filed = slo_names(self._roots)
            except SpecError as error:
                self._filed = frozenset()
                self.complaints.append((("hypothesis",), f"the SLO files cannot be read: {error}"))
        return (*filter(None, self._inline), *sorted(self._filed))

    def is_slo(self, name: str) -> bool:
        """Whether an SLO is called so."""
        return name in self._inline or (name not in self.probes and name in self.slos)

    def unknown(self, name: str, path: Trail) -> Iterator[Complaint]:
        """A complaint when nothing is called so."""
        if not isinstance(name, Unresolved) and name not in self.probes and not self.is_slo(name):
            hint = nearest(name, (*self.probes, *self.slos))
            yield path, f"no probe or SLO is called {quoted(name)}{hint}"

    def no_slo(self, name: str, path: Trail) -> Iterator[Complaint]:
        """A complaint when no SLO is called so."""
        if isinstance(name, Unresolved):
            return
        if name in self.probes:
            yield path, f"`{name}` is a probe and has no objective; expected the name of an SLO"
        elif not self.is_slo(name):
            yield path, f"no SLO is called {quoted(name)}{nearest(name, self.slos)}"

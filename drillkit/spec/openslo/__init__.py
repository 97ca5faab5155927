"""OpenSLO v1 documents to objectives; what is not supported is refused with its place, its reason
and what to write.

find_slo("api-availability", roots)     # a name, or a file that holds one SLO
slos_of(drill, roots)                   # everything that a drill refers to
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Drill
from drillkit.model.errors import Mistake, SpecError, UsageError
from drillkit.model.slo import Probed, Slo
from drillkit.model.units import written_duration
from drillkit.spec.binder import Unresolved, bind
from drillkit.spec.document import (
    Map,
    Mistakes,
    Node,
    Seq,
    Text,
    Where,
    is_null,
    nearest,
    of_data,
    quoted,
    read_all,
    read_bytes,
)
from drillkit.spec.files import MAX_FILES, folder_files, is_path, slo_files
from drillkit.spec.foreign import stranger
from drillkit.spec.interpolation import parts
from drillkit.spec.mentions import mentions_alerts, slo_names_of
from drillkit.spec.openslo.documents import API, IGNORED, KINDS
from drillkit.spec.openslo.library import Document, SloLibrary
from drillkit.spec.openslo.queries import PROBER
from drillkit.spec.openslo.resolve import resolve
from drillkit.spec.project import shown
from drillkit.spec.roots import Roots

__all__ = [
    "FoundSlo",
    "digests",
    "find_slo",
    "list_slos",
    "slo_names_of",
    "slos_of",
    "wants_prometheus",
]

_OLD = {
    "openslo/v1alpha": "rewrite it: `objectives` have `target`, `ratioMetrics` became an SLI "
    "with `ratioMetric`",
    "openslo/v2alpha": "write it as openslo/v1: `apiVersion: openslo/v1`, `ratioMetric` "
    "with `counter`",
    "openslo.com/v2alpha": "write it as openslo/v1: `apiVersion: openslo/v1`, `ratioMetric` "
    "with `counter`",
}


@dataclass(frozen=True, slots=True)
class FoundSlo:
    """An objective, where it was found, and what was ignored on the way."""

    slo: Slo
    path: Path | None
    """None: it stands in the drill itself."""
    sha256: str = ""
    notices: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """The file as people read it."""
        return shown(self.path) if self.path is not None else "the drill"


def find_slo(name: str, roots: Roots) -> FoundSlo:
    """The objective of that name, or the one in that file.

    Raises UsageError (with near names) when there is none, SpecError with every mistake of
    its documents.
    """
    if is_path(name):
        path = Path(name).expanduser().absolute()
        found = _slos_in(path)
        if len(found) != 1:
            names = f" ({', '.join(each.slo.name for each in found)})" if found else ""
            raise UsageError(f"expected one SLO in {shown(path)}, found {len(found)}{names}")
        return found[0]
    files = slo_files(roots)
    if name not in files:
        folders = ", ".join(shown(root.slos) for root in roots)
        others = "".join(f"\n{error}" for error in strangers(roots))
        raise UsageError(f"no SLO `{name}`{nearest(name, files)} (looked in {folders}){others}")
    return next(each for each in _slos_in(files[name], only=name) if each.slo.name == name)


def list_slos(roots: Roots) -> tuple[list[FoundSlo], list[SpecError]]:
    """All objectives that are found from here by name, and what is wrong with those that
    are refused.
    """
    found: list[FoundSlo] = []
    wrong: list[SpecError] = []
    try:
        files = slo_files(roots)
    except SpecError as error:
        return [], [error]
    wrong += strangers(roots)
    for name, path in sorted(files.items()):
        try:
            found += [each for each in _slos_in(path, only=name) if each.slo.name == name]
        except SpecError as error:
            wrong.append(error)
    return found, wrong


def strangers(roots: Roots) -> list[SpecError]:
    """Files in the folders of SLOs that hold none because they are another tool's."""
    found: list[SpecError] = []
    for path in folder_files(roots):
        for tree in read_all(shown(path), read_bytes(path), Mistakes()):
            if not isinstance(tree, Map) and not is_null(tree):
                what = "expected an OpenSLO document: a mapping with `apiVersion` and `kind`"
                found.append(SpecError([Mistake(str(tree.where), "", what)]))
                break
            other = stranger(tree)
            if other is not None and not _word(tree, "apiVersion").startswith("openslo"):
                what = other.instead_of("an OpenSLO document")
                found.append(SpecError([Mistake(str(tree.where), "", what)]))
                break
    return found


def slos_of(drill: Drill, roots: Roots) -> dict[str, FoundSlo]:
    """The objectives that a resolved drill refers to, by name: its own first, else from files.

    Raises SpecError: a refused document, or a probe that the drill does not have.
    """
    inline = _inline(drill)
    found: dict[str, FoundSlo] = {}
    for name in slo_names_of(drill):
        found[name] = inline[name] if name in inline else find_slo(name, roots)
    mistakes = Mistakes()
    for name, each in found.items():
        if isinstance(each.slo.sli, Probed) and (what := _unprobed(each.slo.sli, drill)):
            mistakes.add(Where(each.where), ("probes",), f"SLO `{name}` {what}")
    mistakes.settle()
    return found


def _unprobed(sli: Probed, drill: Drill) -> str:
    """Why a drill's probes cannot tell what an objective is about, or ''."""
    probe = drill.probes.get(sli.probe)
    if probe is None:
        hint = nearest(sli.probe, drill.probes)
        return f"is about a probe {quoted(sli.probe)}{hint}; add it to `probes` of the drill"
    if sli.slow is not None and probe.slow != sli.slow:
        limit = written_duration(sli.slow)
        return (
            f"calls answers after {limit} bad, but the probe does not: add `slow: {limit}` "
            f"to `probes.{sli.probe}`"
        )
    return ""


def wants_prometheus(drill: Drill, roots: Roots) -> bool:
    """Whether a drill, whose references may still be open, needs a metrics server. Raises
    SpecError, UsageError.
    """
    if mentions_alerts(drill):
        return True
    inline = {
        str((document.get("metadata") or {}).get("name")): document for document in drill.slos
    }
    for name in slo_names_of(drill):
        if isinstance(name, Unresolved):
            continue
        if name in inline:
            if PROBER not in _types(inline[name]):
                return True
        elif not isinstance(find_slo(name, roots).slo.sli, Probed):
            return True
    return False


def _types(data: Any) -> set[str]:
    """Types of metric sources anywhere inside a document."""
    if isinstance(data, Mapping):
        own = {str(data["type"]).lower()} if "type" in data else set()
        return own.union(*map(_types, data.values()))
    return set().union(*map(_types, data)) if isinstance(data, list | tuple) else set()


def _inline(drill: Drill) -> dict[str, FoundSlo]:
    mistakes = Mistakes()
    library = SloLibrary()
    for i, document in enumerate(drill.slos):
        _take(of_data(document, Where(f"drill {drill.drill}: slos[{i}]")), library, mistakes)
    slos = [
        (each, resolve(each, library, mistakes)) for each in library.documents if each.kind == "SLO"
    ]
    mistakes.settle()
    return {
        each.name: FoundSlo(slo, None, notices=tuple(library.notices))
        for each, slo in slos
        if slo is not None
    }


def _slos_in(path: Path, only: str | None = None) -> list[FoundSlo]:
    """The objectives of a file; documents beside it may be referred to. Raises SpecError."""
    raw = read_bytes(path)
    mistakes = Mistakes()
    library = _library(shown(path), raw, mistakes)
    mistakes.settle()
    own = [each for each in library.documents if each.kind == "SLO" and only in (None, each.name)]
    _add_neighbours(path, library)
    digest = hashlib.sha256(raw).hexdigest()
    found = []
    for document in own:
        slo = resolve(document, library, mistakes)
        if slo is not None:
            found.append(FoundSlo(slo, path, digest, tuple(library.notices)))
    mistakes.settle()
    return found


def _add_neighbours(path: Path, library: SloLibrary) -> None:
    """Documents of the same folder that this file may refer to; a broken neighbour is its own
    file's trouble.
    """
    others = sorted(
        p
        for p in path.parent.iterdir()
        if p.suffix in (".yaml", ".yml") and p != path and p.is_file()
    )
    for other in others[:MAX_FILES]:
        broken = Mistakes()
        try:
            beside = _library(shown(other), read_bytes(other), broken)
        except SpecError:
            continue
        library.documents += beside.documents


def _library(source: str, raw: bytes, mistakes: Mistakes) -> SloLibrary:
    library = SloLibrary()
    for tree in read_all(source, raw, mistakes):
        for document in tree.items if isinstance(tree, Seq) else (tree,):
            if not (isinstance(document, Text) and document.plain and not document.text):
                _take(document, library, mistakes)
    return library


def _take(tree: Node, library: SloLibrary, mistakes: Mistakes) -> None:
    """Add one document, if it is one of those that are supported."""
    if not isinstance(tree, Map):
        mistakes.add(
            tree.where,
            (),
            "expected an OpenSLO document: a mapping with apiVersion, kind, metadata and spec",
        )
        return
    api, kind = _word(tree, "apiVersion"), _word(tree, "kind")
    if kind == IGNORED:
        library.notices.append(
            f"{IGNORED} documents are ignored: drills notify nobody through them"
        )
        return
    other = stranger(tree)
    if other is not None and not api.startswith("openslo"):
        mistakes.add(tree.where, (), other.instead_of("an OpenSLO document"))
        return
    if api != API:
        mend = _OLD.get(api, f"write `apiVersion: {API}`")
        mistakes.add(
            _place(tree, "apiVersion"),
            ("apiVersion",),
            f"expected {API}, found {quoted(api)}; {mend}",
        )
        return
    if kind not in KINDS:
        what = f"expected one of {', '.join(KINDS)}, found {quoted(kind)}{nearest(kind, KINDS)}"
        mistakes.add(_place(tree, "kind"), ("kind",), what)
        return
    if _has_references(tree, mistakes):
        return
    before = len(mistakes)
    data: Any = bind(KINDS[kind], tree, mistakes)
    if len(mistakes) == before:
        metadata = data.metadata
        if metadata is None:
            mistakes.add(tree.where, (), "`metadata` is missing: expected a mapping with `name`")
        else:
            library.documents.append(Document(kind, metadata.name, tree, data))


def _word(tree: Node, key: str) -> str:
    node = tree.get(key) if isinstance(tree, Map) else None
    return node.text if isinstance(node, Text) else ""


def _place(tree: Map, key: str) -> Where:
    node = tree.get(key)
    return node.where if node is not None else tree.where


def _has_references(node: Node, mistakes: Mistakes) -> bool:
    """Note `${...}`: a document takes no variables."""
    if isinstance(node, Map):
        return any([_has_references(value, mistakes) for _, value in node.pairs])
    if isinstance(node, Seq):
        return any([_has_references(item, mistakes) for item in node.items])
    try:
        literal = "${" not in node.text or all(isinstance(part, str) for part in parts(node.text))
    except ValueError:
        literal = False
    if not literal:
        what = (
            "an SLO takes no `${...}`; write it into `slos:` of a drill to use the "
            "drill's variables"
        )
        mistakes.add(node.where, (), what)
    return not literal


def digests(found: Mapping[str, FoundSlo]) -> dict[str, str]:
    """SHA-256 of the files that objectives come from, by `slo NAME`."""
    return {f"slo {name}": each.sha256 for name, each in found.items() if each.sha256}

"""Drills, experiments and SLOs by name: where a name leads, and what there is.

A name is a path, else it is looked for in the roots, first hit wins. What a drill refers to is
looked for in the drill's own root first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Mistake, SpecError, UsageError
from drillkit.spec.document import (
    Map,
    Mistakes,
    Text,
    is_there,
    nearest,
    read_all,
    read_bytes,
    read_one,
)
from drillkit.spec.project import MARKER, Project, shown
from drillkit.spec.roots import Origin, Root, Roots, package_root, project_above, user_root

MAX_FILES = 1000
_YAML = (".yaml", ".yml")
_EXPERIMENT = (*_YAML, ".json")
Sort: TypeAlias = Literal["drill", "experiment"]


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file, and where it was found; callers print it."""

    path: Path
    origin: Origin
    sort: Sort
    root: Root

    @property
    def name(self) -> str:
        """The name it is called by."""
        return self.path.stem

    def __str__(self) -> str:
        return f"{shown(self.path)} ({self.origin})"


def find(name: str, roots: Roots) -> FoundFile:
    """The drill of that name or path, else the experiment. Raises UsageError (with near
    names), SpecError.
    """
    if is_path(name):
        return _by_path(Path(os.path.expanduser(name)).absolute(), roots)
    for sort in ("drill", "experiment"):
        for root in roots:
            folder = root.drills if sort == "drill" else root.experiments
            if path := _in(folder, name, sort, root):
                return FoundFile(path, root.origin, sort, root)
    if called := _called(name, roots):
        return called
    known = [*(f.name for f in list_drills(roots)), *(f.name for f in list_experiments(roots))]
    hidden = unmarked()
    raise UsageError(
        f"no drill or experiment `{name}`{nearest(name, known)}\nlooked in: {_places(roots)}; "
        "`drillkit list` shows all, `drillkit init` writes a first one"
        + (f"\n{hidden}" if hidden else "")
    )


def _called(name: str, roots: Roots) -> FoundFile | None:
    """The drill that calls itself so though its file has another name. Raises UsageError when
    there are several.
    """
    found = [each for each in list_drills(roots) if own_name(each.path) == name]
    if len(found) > 1:
        files = ", ".join(shown(each.path) for each in found)
        raise UsageError(f"several drills call themselves `{name}`: {files}; give the file")
    return found[0] if found else None


def own_name(path: Path) -> str:
    """What a drill calls itself, or '' when it cannot be read."""
    try:
        node = read_one(shown(path), read_bytes(path), Mistakes())
    except SpecError:
        return ""  # whoever reads it as a drill tells the mistake
    name = node.get("drill") if isinstance(node, Map) else None
    return name.text if isinstance(name, Text) else ""


def other_name(path: Path, name: str) -> str:
    """What to tell of a drill whose file is not called as it calls itself, or ''."""
    if path.stem == name:
        return ""
    return (
        f"its file is called {path.name}, but it calls itself `{name}`: lists and reports say "
        f"`{name}`; call the file {name}{path.suffix}"
    )


def unmarked(start: Path | None = None) -> str:
    """Why drills that lie here are not read: nothing marks their folder as a project. ''
    otherwise.
    """
    here = (start or Path.cwd()).resolve()
    names = (Project().drills, Project().experiments)
    folder = here.parent if here.name in names else here
    others = (user_root(), package_root())
    if project_above(here) is not None or any(root and root.folder == folder for root in others):
        return ""
    seen = [name for name in names if any((folder / name).glob("*.y*ml"))]
    if not seen:
        return ""
    read = " and ".join(f"{shown(folder / name)}/" for name in seen)
    return (
        f"there is no {MARKER} here or above, so {read} {'are' if seen[1:] else 'is'} not read; "
        f"mark the project: touch {shown(folder / MARKER)}"
    )


def find_experiment(name: str, roots: Roots, beside: Path | None = None) -> FoundFile:
    """The experiment of that name, or at that path (relative to `beside`, a folder).
    Raises UsageError.
    """
    if is_path(name, beside):
        path = (beside or Path.cwd()) / os.path.expanduser(name)
        if not path.is_file():
            raise UsageError(f"no experiment at {shown(path)}")
        return FoundFile(path.resolve(), "path", "experiment", _root_of(path.resolve(), roots))
    for root in roots:
        if path_ := _in(root.experiments, name, "experiment", root):
            return FoundFile(path_, root.origin, "experiment", root)
    known = [found.name for found in list_experiments(roots)]
    places = ", ".join(shown(root.experiments) for root in roots)
    raise UsageError(f"no experiment `{name}`{nearest(name, known)} (looked in {places})")


def is_path(name: str, beside: Path | None = None) -> bool:
    """Whether somebody means a path and not a name."""
    if "/" in name or os.sep in name or name.endswith(_EXPERIMENT):
        return True
    try:
        return ((beside or Path.cwd()) / name).is_file()
    except (OSError, ValueError):
        return False


def _by_path(path: Path, roots: Roots) -> FoundFile:
    try:
        path = path.resolve()
        exists, is_folder = path.is_file(), path.is_dir()
    except (OSError, ValueError, RuntimeError):
        exists = is_folder = False
    if not exists:
        what = "a folder" if is_folder else "no file"
        raise UsageError(f"expected a drill or an experiment at {shown(path)}, found {what}")
    return FoundFile(path, "path", _sort_of(path), _root_of(path, roots))


def _sort_of(path: Path) -> Sort:
    """By content: a drill has the key `drill` or `steps`, an experiment `method` or `title`."""
    if path.suffix == ".json":
        return "experiment"
    try:
        node = read_one(shown(path), read_bytes(path))
    except SpecError:
        return "drill"  # whoever reads it as a drill tells the mistake
    keys = {key.text for key, _ in node.pairs} if isinstance(node, Map) else set()
    return (
        "experiment"
        if not keys & {"drill", "steps"} and keys & {"method", "title", "provider"}
        else "drill"
    )


def _root_of(path: Path, roots: Roots) -> Root:
    """The root that a file belongs to: the nearest project above it, one of the roots, else its
    own folder.
    """
    if root := project_above(path.parent):
        return root
    for known in roots:
        if path.is_relative_to(known.folder):
            return known
    folder = path.parent
    return Root(folder.parent if folder.name in ("drills", "experiments") else folder, "path")


def _in(folder: Path, name: str, sort: Sort, root: Root) -> Path | None:
    if not name or name.startswith("."):
        return None
    for suffix in _YAML if sort == "drill" else _EXPERIMENT:
        path = folder / f"{name}{suffix}"
        try:
            if path.is_file() and path != root.targets:
                return path
        except (OSError, ValueError):
            return None
    return None


def _places(roots: Roots) -> str:
    return ", ".join(shown(root.drills) for root in roots) or "nowhere: no project, no package data"


def list_drills(roots: Roots) -> list[FoundFile]:
    """All drills by name, those hidden by an earlier root of the same name left out."""
    return _listed(roots, "drill")


def list_experiments(roots: Roots) -> list[FoundFile]:
    """All experiments by name, those hidden by an earlier root of the same name left out."""
    return _listed(roots, "experiment")


def _listed(roots: Roots, sort: Sort) -> list[FoundFile]:
    found: dict[str, FoundFile] = {}
    for root in roots:
        folder = root.drills if sort == "drill" else root.experiments
        suffixes = _YAML if sort == "drill" else _EXPERIMENT
        try:
            paths = sorted(
                p
                for p in folder.iterdir()
                if p.suffix in suffixes and p != root.targets and p.is_file()
            )
        except OSError:
            continue
        for path in paths[:MAX_FILES]:
            if path.name not in (MARKER, root.targets.name):
                found.setdefault(path.stem, FoundFile(path, root.origin, sort, root))
    return [found[name] for name in sorted(found)]


def slo_files(roots: Roots) -> dict[str, Path]:
    """Files of OpenSLO documents by the names of the SLOs in them; the first root wins.
    Raises SpecError.
    """
    found: dict[str, Path] = {}
    first: dict[tuple[Path, str], Text] = {}
    for path in folder_files(roots):
        for name in _slos_in(path):
            found.setdefault(name.text, path)
            there = first.setdefault((path.parent, name.text), name)
            if there is not name:
                what = f"`{name.text}` is the name of the SLO at {there.where} already"
                raise SpecError([Mistake(str(name.where), "metadata.name", what)])
    return found


def folder_files(roots: Roots) -> Iterator[Path]:
    """The YAML files in the folders of SLOs. Raises SpecError for what is none in place of one."""
    for root in roots:
        try:
            paths = sorted(p for p in root.slos.iterdir() if p.suffix in _YAML and is_there(p))
        except OSError:
            continue
        yield from paths[:MAX_FILES]


def _slos_in(path: Path) -> Iterator[Text]:
    for document in read_all(shown(path), read_bytes(path)):
        kind = document.get("kind") if isinstance(document, Map) else None
        metadata = document.get("metadata") if isinstance(document, Map) else None
        name = metadata.get("name") if isinstance(metadata, Map) else None
        if isinstance(kind, Text) and kind.text == "SLO" and isinstance(name, Text):
            yield name


def slo_names(roots: Roots) -> frozenset[str]:
    """Names of the SLOs that a drill may refer to without holding them itself. Raises SpecError."""
    return frozenset(slo_files(roots))

"""Where drills, experiments, SLOs and targets are found.

A name is a path, else looked for in the *roots*, first hit wins: the project (nearest folder
upwards with `drillkit.yaml`), the user's configuration folder (`drillkit` in the XDG configuration
folder), the drills that ship with drillkit. What a drill refers to is looked for in the drill's own
root first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import SpecError, UsageError
from drillkit.model.notice import Notify
from drillkit.spec.binder import bind
from drillkit.spec.document import (
    Map,
    Mistakes,
    Text,
    lookup,
    nearest,
    read_all,
    read_bytes,
    read_one,
)
from drillkit.spec.places import Places

MARKER = "drillkit.yaml"
MAX_FILES = 1000
if TYPE_CHECKING:
    from drillkit.clients.bucket import BucketUrl

_YAML = (".yaml", ".yml")
_EXPERIMENT = (*_YAML, ".json")

Origin: TypeAlias = Literal["path", "project", "user", "package"]
Sort: TypeAlias = Literal["drill", "experiment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """Where it is sent what a run came to, when it is over."""

    push: str | None = None
    """Base URL of a Prometheus Pushgateway. `run --metrics-push` names another one."""
    traces: str | None = None
    """Base URL of an OTLP/HTTP endpoint, such as `http://collector:4318`: a trace whose spans are
    the run, its steps and its effects.
    """
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of the requests to both; a value may be a reference (`env:NAME`, `file:PATH`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """`drillkit.yaml`: marks the folder that drills, experiments and targets belong to. It may
    be empty.
    """

    target: str | None = None
    """Target of drills that name none, when neither `--target` nor DRILLKIT_TARGET is given."""
    drills: str = "drills"
    """Folder of drills, relative to this file."""
    experiments: str = "experiments"
    """Folder of Chaos Toolkit experiments."""
    slos: str = "drills/slos"
    """Folder of OpenSLO documents."""
    targets: str = "drills/targets.yaml"
    """File of targets."""
    reports: str = "reports"
    """Folder that runs are written to, or a bucket: `s3://BUCKET/PREFIX`, as `--out` takes it."""
    notify: tuple[Notify, ...] = ()
    """Who is told what happens to drills; see `drillkit docs unattended`."""
    report_url: str | None = None
    """Where the folder of runs is served: messages link to DRILL/RUN/report.html below it."""
    telemetry: Telemetry = Telemetry()
    """Metrics and traces of runs; see `drillkit docs unattended`."""


@dataclass(frozen=True, slots=True)
class Root:
    """One folder to look in."""

    folder: Path
    origin: Origin
    project: Project = field(default_factory=Project)

    @property
    def drills(self) -> Path:
        return self.folder / self.project.drills

    @property
    def experiments(self) -> Path:
        return self.folder / self.project.experiments

    @property
    def slos(self) -> Path:
        return self.folder / self.project.slos

    @property
    def targets(self) -> Path:
        return self.folder / self.project.targets


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


@dataclass(frozen=True, slots=True)
class Roots:
    """Folders to look in, first to last."""

    several: tuple[Root, ...]

    def __iter__(self) -> Iterator[Root]:
        return iter(self.several)

    @property
    def project(self) -> Root | None:
        """The project that the command was called in, if any."""
        return next((root for root in self.several if root.origin == "project"), None)

    def first(self, root: Root) -> Roots:
        """The same, with `root` before all others."""
        return Roots((root, *(other for other in self.several if other.folder != root.folder)))

    @property
    def default_target(self) -> tuple[str, Root] | None:
        """The first default target that a `drillkit.yaml` names."""
        return next(
            ((root.project.target, root) for root in self.several if root.project.target), None
        )


def shown(path: Path) -> str:
    """A path as people read it: relative to the working folder when it is below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def read_project(file: Path) -> Project:
    """The content of a `drillkit.yaml`. From here on it is known that what its references lead to
    is secret: no process that is started inherits it. Raises SpecError.
    """
    mistakes = Mistakes(Places(Project, "the top of the file").hint)
    node = read_one(shown(file), read_bytes(file))
    if isinstance(node, Text) and node.plain and not node.text:
        return Project()
    project = bind(Project, node, mistakes)
    if isinstance(project, Project) and "://" in project.reports:
        try:
            reports_bucket(project)
        except UsageError as error:
            mistakes.add(lookup(node, ("reports",)), ("reports",), str(error))
    mistakes.settle()
    assert isinstance(project, Project)
    if project.notify or project.telemetry.headers:
        from drillkit.model.codec import to_data
        from drillkit.secrets import learn

        learn(to_data((project.notify, project.telemetry.headers)))
    return project


def reports_bucket(project: Project) -> BucketUrl | None:
    """The bucket that `reports` names; None: it is a folder. Raises UsageError."""
    if "://" not in project.reports:
        return None
    from drillkit.clients.bucket import BucketUrl

    return BucketUrl.parse(project.reports)


def _above(folder: Path) -> Root | None:
    for parent in (folder, *folder.parents):
        if (parent / MARKER).is_file():
            return Root(parent, "project", read_project(parent / MARKER))
    return None


def package_root() -> Root | None:
    """The drills and experiments that ship with drillkit: package data, or the top folders of a
    source checkout.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "data", package.parent):
        if (folder / "drills").is_dir():
            return Root(folder, "package")
    return None


def user_root() -> Root | None:
    """`drillkit` in the XDG configuration folder, when it exists. Raises SpecError."""
    base = os.environ.get("XDG_CONFIG_HOME")
    folder = (Path(base) if base else Path.home() / ".config") / "drillkit"
    if not folder.is_dir():
        return None
    marker = folder / MARKER
    return Root(folder, "user", read_project(marker) if marker.is_file() else Project())


def find_roots(start: Path | None = None) -> Roots:
    """The roots as seen from a folder (default: the working folder). Raises SpecError for a
    broken `drillkit.yaml`.
    """
    found = (_above((start or Path.cwd()).resolve()), user_root(), package_root())
    several: list[Root] = []
    for root in found:
        if root is not None and all(root.folder != other.folder for other in several):
            several.append(root)
    return Roots(tuple(several))


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
    if _above(here) is not None or any(root and root.folder == folder for root in others):
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
    if root := _above(path.parent):
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
    for path in folder_files(roots):
        for name in _slos_in(path):
            found.setdefault(name, path)
    return found


def folder_files(roots: Roots) -> Iterator[Path]:
    """The YAML files in the folders of SLOs."""
    for root in roots:
        try:
            paths = sorted(p for p in root.slos.iterdir() if p.suffix in _YAML and p.is_file())
        except OSError:
            continue
        yield from paths[:MAX_FILES]


def _slos_in(path: Path) -> Iterator[str]:
    for document in read_all(shown(path), read_bytes(path)):
        kind = document.get("kind") if isinstance(document, Map) else None
        metadata = document.get("metadata") if isinstance(document, Map) else None
        name = metadata.get("name") if isinstance(metadata, Map) else None
        if isinstance(kind, Text) and kind.text == "SLO" and isinstance(name, Text):
            yield name.text


def slo_names(roots: Roots) -> frozenset[str]:
    """Names of the SLOs that a drill may refer to without holding them itself. Raises SpecError."""
    return frozenset(slo_files(roots))

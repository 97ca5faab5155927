"""The folders in which drills, experiments, SLOs and targets are looked for.

First to last: the project (nearest folder upwards with `drillkit.yaml`), the user's configuration
folder (`drillkit` in the XDG configuration folder), the drills that ship with drillkit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path
from typing import Literal, TypeAlias

from drillkit.lazy_dataclass import dataclass
from drillkit.spec.document import is_there
from drillkit.spec.project import MARKER, Project, read_project

Origin: TypeAlias = Literal["path", "project", "user", "package"]


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


def project_above(folder: Path) -> Root | None:
    for parent in (folder, *folder.parents):
        if is_there(parent / MARKER):
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
    return Root(folder, "user", read_project(marker) if is_there(marker) else Project())


def find_roots(start: Path | None = None) -> Roots:
    """The roots as seen from a folder (default: the working folder). Raises SpecError for a
    broken `drillkit.yaml`.
    """
    found = (project_above((start or Path.cwd()).resolve()), user_root(), package_root())
    several: list[Root] = []
    for root in found:
        if root is not None and all(root.folder != other.folder for other in several):
            several.append(root)
    return Roots(tuple(several))

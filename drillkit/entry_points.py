"""What other packages bring: their entry points, loaded behind one guard. A package that is broken
keeps only those from going on that need it, and they are told which one it is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import UsageError

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

T = TypeVar("T")
Points = Mapping[str, tuple["EntryPoint", ...]]
"""By name, in the order in which they are found; more than one is one too many."""


class BrokenPlugin(UsageError):
    """Something of another package is asked for and cannot be used; the text says which package,
    which entry point, why, and what to do.
    """


@dataclass(frozen=True, slots=True)
class Registry(Generic[T]):
    """One group of entry points."""

    group: str
    """`drillkit.steps`."""
    noun: str
    """What one is called: `step`."""
    misfit: Callable[[str, Any], str]
    """Of what was loaded by that name: what was expected and found instead; '' where it fits."""
    ours: Callable[[], frozenset[str]] = frozenset
    """Names of drillkit's own, which other packages cannot take."""

    def names(self) -> tuple[str, ...]:
        """All that other packages bring, sorted. Nothing of them is imported."""
        return tuple(sorted(set(brought(self.group)) - self.ours()))

    def load(self, name: str) -> T:
        """The one of that name. Raises KeyError where no package brings one, BrokenPlugin."""
        points = brought(self.group).get(name)
        if points is None:
            raise KeyError(name)
        if len({point.value for point in points}) > 1:
            places = " and ".join(map(_place, points))
            raise BrokenPlugin(
                f"expected one {self.noun} `{name}`, found {places}: uninstall one of the packages"
            )
        try:
            found: T = points[0].load()
        except (Exception, SystemExit) as error:
            # Whatever a package of somebody else does when it is imported.
            raise self._broken(name, points[0], f"{type(error).__name__}: {error}") from error
        if why := self.misfit(name, found):
            raise self._broken(name, points[0], why)
        return found

    def _broken(self, name: str, point: EntryPoint, why: str) -> BrokenPlugin:
        return BrokenPlugin(
            f"the {self.noun} `{name}` ({_place(point)}) cannot be used: {why}. Mend or uninstall "
            "that package; what does not need it goes on"
        )

    def broken(self) -> Iterator[str]:
        """Why each that cannot be used cannot. Imports all of them."""
        yield from unreadable(self.group)
        own = self.ours()
        for name, points in sorted(brought(self.group).items()):
            if name in own:
                yield (
                    f"the {self.noun} `{name}` ({' and '.join(map(_place, points))}) is never "
                    "used: drillkit has one of that name; give it another"
                )
                continue
            try:
                self.load(name)
            except BrokenPlugin as error:
                yield str(error)


@functools.cache
def brought(group: str) -> Points:
    """The entry points of a group. Two packages may bring the same name."""
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for point in _read(group)[0]:
        found[point.name] = (*found.get(point.name, ()), point)
    return found


def unreadable(group: str) -> tuple[str, ...]:
    """Why nobody knows what some packages bring."""
    return _read(group)[1]


def _read(group: str) -> tuple[tuple[EntryPoint, ...], tuple[str, ...]]:
    """(the entry points of a group, what keeps those of a package from being known)."""
    from importlib.metadata import distributions, entry_points

    try:
        return tuple(entry_points(group=group)), ()
    except Exception:
        # The metadata of one package cannot be read: then each by itself, without that one.
        readable: list[EntryPoint] = []
        whys = []
        for distribution in distributions():
            try:
                readable += [p for p in distribution.entry_points if p.group == group]
            except Exception as error:
                whys.append(
                    f"what {_called(distribution)} brings cannot be read "
                    f"({type(error).__name__}: {error}). Mend or uninstall that package"
                )
        return tuple(readable), tuple(whys)


def _called(distribution: Distribution) -> str:
    try:
        return str(distribution.metadata["Name"])
    except Exception:
        return f"the package in {distribution.locate_file('')}"  # not even its name


def _place(point: EntryPoint) -> str:
    """`acme_drills.notice:KIND of acme-drills 1.0.0`."""
    if point.dist is None:
        return point.value
    return f"{point.value} of {point.dist.name} {point.dist.version}"

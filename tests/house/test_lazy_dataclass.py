"""drillkit's `dataclass` and the standard library's cannot be told apart, but by when they compile.

Each behaviour is tried on both, and what the one does the other must do: in its words, too.
"""

from __future__ import annotations

import ast
import copy
import dataclasses
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import KW_ONLY, InitVar, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import pytest

import drillkit
from drillkit import lazy_dataclass
from drillkit.lazy_dataclass import MANY, dataclass

ROOT = Path(drillkit.__file__).parent
T = TypeVar("T")
lazy: Any = lazy_dataclass.dataclass
standard: Any = dataclasses.dataclass


def point(dataclass: Callable[..., Any], **options: Any) -> Any:
    @dataclass(**options)
    class Point:
        """A place."""

        x: int
        y: int = 0
        tags: list[str] = field(default_factory=list, compare=False)
        UNIT: ClassVar[str] = "m"
        seen: int = field(default=1, init=False, repr=False)

    return Point


def told(act: Any) -> tuple[str, str]:
    """What comes of it, as its type and text."""
    try:
        found = act()
    except Exception as error:
        return type(error).__name__, str(error)
    return type(found).__name__, repr(found)


OPTIONS: list[dict[str, bool]] = [
    {},
    {"frozen": True},
    {"slots": True},
    {"frozen": True, "slots": True},
    {"frozen": True, "slots": True, "kw_only": True},
    {"eq": False},
    {"frozen": True, "eq": False},
    {"order": True},
    {"unsafe_hash": True},
]


def assign(instance: Any, name: str) -> None:
    setattr(instance, name, 5)


def delete(instance: Any, name: str) -> None:
    delattr(instance, name)


ACTS: list[Callable[[Any], object]] = [
    lambda c: c(1),
    lambda c: c(x=1),
    lambda c: c(x=1, y=2, tags=["a"]),
    lambda c: c(1, 2, ["a"]),
    lambda c: c(1, x=1),
    lambda c: c(),
    lambda c: c(1, 2, [], 4),
    lambda c: c(x=1, z=2),
    lambda c: c(x=1, seen=2),
    lambda c: c(x=1).seen,
    lambda c: c(x=1).tags is c(x=1).tags,
    lambda c: c(x=1) == c(x=1, tags=["b"]),
    lambda c: c(x=1) == c(x=2),
    lambda c: c(x=1) == 1,
    lambda c: c(x=1) != c(x=1),
    lambda c: len({c(x=1), c(x=1)}),
    lambda c: c(x=1) < c(x=2),
    lambda c: assign(c(x=1), "x"),
    lambda c: delete(c(x=1), "x"),
    lambda c: dataclasses.replace(c(x=1), y=3),
    lambda c: dataclasses.asdict(c(x=1)),
    lambda c: dataclasses.astuple(c(x=1)),
    lambda c: [each.name for each in dataclasses.fields(c)],
    lambda c: copy.deepcopy(c(x=1, tags=["a"])),
    lambda c: copy.copy(c(x=1, tags=["a"])) == c(x=1, tags=["a"]),
    lambda c: c.__match_args__,
    lambda c: c.__doc__,
    lambda c: c.__hash__ is None,
    lambda c: (c.__name__, c.__qualname__, c.__module__, c.UNIT),
    lambda c: "__dict__" in dir(c(x=1)),
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("act", ACTS)
def test_each_use_does_what_the_standard_librarys_does(
    act: Callable[[Any], object], options: dict[str, bool]
) -> None:
    ours, theirs = point(lazy, **options), point(standard, **options)
    assert told(lambda: act(ours)) == told(lambda: act(theirs))
    # Once more, with what the first use has put in place.
    assert told(lambda: act(ours)) == told(lambda: act(theirs))


@pytest.mark.parametrize("act", [assign, delete])
def test_nothing_is_added_to_what_is_frozen(act: Callable[[Any, str], None]) -> None:
    # With slots, the standard library's fails at this with words about `super`.
    for options in ({"frozen": True}, {"frozen": True, "slots": True}):
        with pytest.raises(dataclasses.FrozenInstanceError, match="field 'other'"):
            act(point(lazy, **options)(1), "other")


def test_after_many_instances_the_standard_librarys_method_makes_them() -> None:
    cls = point(lazy, frozen=True)
    first = [cls(n, tags=["a"]) for n in range(MANY)]
    assert cls.__init__.__code__.co_filename == lazy_dataclass.__file__
    later = [cls(n, tags=["a"]) for n in range(MANY)]
    assert cls.__init__.__code__.co_filename != lazy_dataclass.__file__
    assert first == later
    assert [repr(each) for each in first] == [repr(each) for each in later]


def test_threads_may_make_the_many_together() -> None:
    cls = point(lazy, frozen=True, slots=True)
    made: list[int] = []

    def work() -> None:
        made.extend(cls(n).x for n in range(4 * MANY))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(made) == sorted(list(range(4 * MANY)) * 8)


@pytest.mark.parametrize("options", OPTIONS[:5], ids=str)
def test_what_comes_after_the_fields_is_done_once_for_each_instance(
    options: dict[str, bool],
) -> None:
    done: list[object] = []

    @lazy(**options)
    class Told:
        x: int

        def __post_init__(self) -> None:
            done.append(self.x)

    made: Any = Told
    for n in range(2 * MANY):
        made(x=n)
    assert done == list(range(2 * MANY))


def test_a_subclass_that_is_none_may_have_attributes_of_its_own() -> None:
    class Kept(point(lazy, frozen=True, slots=True)):  # type: ignore[misc]
        pass

    kept: Any = Kept(1)
    kept.other = 2
    assert kept.other == 2
    del kept.other
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'x'"):
        kept.x = 2


@pytest.mark.parametrize("base", [lazy, standard])
@pytest.mark.parametrize("derived", [lazy, standard])
def test_the_two_inherit_from_each_other(
    base: Callable[..., Any], derived: Callable[..., Any]
) -> None:
    @base(frozen=True, slots=True)
    class Base:
        x: int

    @derived(frozen=True, slots=True)
    class Derived(Base):
        y: int = 2

    made: Any = Derived
    assert made(1) == made(1, 2) != made(2)
    with pytest.raises(TypeError, match="cannot inherit non-frozen dataclass from a frozen one"):

        @derived
        class Loose(Base):
            z: int = 3


def test_special_fields_are_left_to_the_standard_library() -> None:
    @dataclass(frozen=True, slots=True)
    class Both(Generic[T]):
        x: int
        _: KW_ONLY
        y: T

    both: Any = Both
    assert told(lambda: both(1, 2))[0] == "TypeError"
    assert Both(1, y="a") == Both(x=1, y="a")

    @dataclass
    class Sum:
        x: int
        more: InitVar[int]

        def __post_init__(self, more: int) -> None:
            self.x += more

    assert Sum(1, 2).x == 3


def test_methods_that_a_class_has_are_kept() -> None:
    @dataclass(frozen=True)
    class Own:
        x: int

        def __eq__(self, other: object) -> bool:
            return True

        def __repr__(self) -> str:
            return "own"

        __hash__ = None  # type: ignore[assignment]

    assert Own(1) == Own(2)
    assert repr(Own(1)) == "own"


@dataclass(frozen=True, slots=True)
class Sent:
    """Stands in a module, as what is pickled must."""

    x: int
    y: tuple[str, ...] = ()


def test_it_goes_through_pickle() -> None:
    assert pickle.loads(pickle.dumps(Sent(1, ("a",)))) == Sent(1, ("a",))


def test_no_method_is_compiled_while_the_model_is_imported() -> None:
    code = (
        "import builtins, dataclasses\n"
        "compiled = []\n"
        "real = dataclasses.dataclass\n"
        "def counting(cls=None, **options):\n"
        "    if options.get('init', True) and cls is not None:\n"
        "        compiled.append(cls.__qualname__)\n"
        "    return real(cls, **options)\n"
        "dataclasses.dataclass = counting\n"
        "import drillkit.model.records\n"
        "print(len(compiled))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(ended.stdout) <= 3, "those that inherit from another dataclass"


def test_every_room_takes_its_dataclass_from_the_one_place() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if path.name != "lazy_dataclass.py" and "sandbox" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        and node.module == "dataclasses"
        and any(each.name == "dataclass" for each in node.names)
    ]
    assert not wrong, "dataclass comes from drillkit.lazy_dataclass (the sandbox stands alone)"

"""What other packages may import changes on purpose only.

`pytest tests/plugin/test_face.py --update-golden` writes the listing anew; say it in the changelog.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drillkit import plugin

LISTING = Path(__file__).parent / "face.txt"
PACKAGE = Path(__file__).parent / "package"


def face() -> Iterator[str]:
    """Every public name, and what its users can write beside it."""
    for name in sorted(plugin.__all__):
        found = getattr(plugin, name)
        if not isinstance(found, type):
            kind = "def" if callable(found) and inspect.isfunction(found) else "value"
            yield f"{kind} {name}{inspect.signature(found) if kind == 'def' else ''}"
            continue
        yield f"class {name}({', '.join(base.__name__ for base in found.__bases__)})"
        if dataclasses.is_dataclass(found):
            for field in dataclasses.fields(found):
                if not field.name.startswith("_"):
                    yield f"    {field.name}: {field.type}{'' if required(field) else ' = ...'}"
        for member, text in sorted(vars(found).get("__annotations__", {}).items()):
            if "ClassVar" in str(text):
                yield f"    {member}: {text}"
        for member, value in sorted(vars(found).items()):
            if member.startswith("_"):
                continue
            if inspect.isfunction(value):
                yield f"    def {member}{inspect.signature(value)}"
            elif isinstance(value, property | functools.cached_property):
                yield f"    {member} (property)"


def required(field: dataclasses.Field[object]) -> bool:
    nothing = dataclasses.MISSING
    return field.default is nothing and field.default_factory is nothing


def test_the_face_is_the_one_that_is_written_down(request: pytest.FixtureRequest) -> None:
    found = "\n".join(face()) + "\n"
    if request.config.getoption("--update-golden", default=False):
        LISTING.write_text(found)
    assert found == LISTING.read_text(), (
        "the public face has changed; if that is meant: pytest tests/plugin/test_face.py "
        "--update-golden, and a line in the changelog"
    )


def test_every_name_is_there_and_nothing_heavy_comes_with_it() -> None:
    assert len(set(plugin.__all__)) == len(plugin.__all__)
    heavy = ("boto3", "kubernetes", "chaoslib", "jinja2", "rich", "pg8000", "redis")
    script = f"import sys, drillkit.plugin; print([m for m in {heavy} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_package_imports_nothing_else_of_drillkit() -> None:
    for path in PACKAGE.rglob("*.py"):
        lines = [line for line in path.read_text().splitlines() if "drillkit" in line]
        imports = [line for line in lines if line.startswith(("from drillkit", "import drillkit"))]
        assert set(imports) <= {"from drillkit.plugin import ("} | {
            line for line in imports if line.startswith("from drillkit.plugin import ")
        }, path


@pytest.mark.slow
def test_the_package_is_sound_for_a_strict_type_checker(tmp_path: Path) -> None:
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull),
            *("--cache-dir", str(tmp_path), "-p", "acme_drills"),
        ],
        env={**os.environ, "MYPYPATH": str(PACKAGE)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr

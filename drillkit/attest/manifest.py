"""`manifest.json`: every file of a run with its size and SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from drillkit.journal.files import read_file, write_file
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import DrillError
from drillkit.model.json_text import load_json

MANIFEST = "manifest.json"
ENVELOPES = "evidence.intoto.jsonl"
REVIEWS = "reviews.intoto.jsonl"
FORMAT = 1
_LEFT_OUT = frozenset({MANIFEST, ENVELOPES, REVIEWS, "run.lock"})
"""Of a run's folder: what is made from the manifest, and what only a living run needs."""
_LEFT_OUT_FOLDERS = frozenset({"keep"})
_CHUNK = 1 << 20


class NoManifest(DrillError):
    """There is no manifest, or what is there is none."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class File:
    """One file of a run."""

    size: int
    """Bytes."""
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a run's folder held when it was sealed."""

    run: str
    drill: str
    target: str
    files: Mapping[str, File]
    """By path relative to the folder, with `/`."""

    def encoded(self) -> bytes:
        """The bytes of `manifest.json`; the same for the same files, wherever they lie."""
        data = {
            "manifest": FORMAT,
            "run": self.run,
            "drill": self.drill,
            "target": self.target,
            "files": [
                {"name": name, "size": file.size, "sha256": file.sha256}
                for name, file in sorted(self.files.items())
            ],
        }
        return json.dumps(data, indent=1, ensure_ascii=False).encode() + b"\n"


def manifest_of(folder: Path, run: str, drill: str, target: str) -> Manifest:
    """The manifest of a run's folder as it is now. Raises OSError."""
    files = {name: _digest(folder / name) for name in _names(folder)}
    return Manifest(run, drill, target, files)


def write_manifest(folder: Path, manifest: Manifest) -> str:
    """Put it beside what it lists; the SHA-256 of its bytes. Raises OSError."""
    content = manifest.encoded()
    write_file(folder / MANIFEST, content, durable=True)
    return hashlib.sha256(content).hexdigest()


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """The manifest that is there, and the SHA-256 of its bytes. Raises NoManifest."""
    path = folder / MANIFEST
    try:
        content = read_file(path)
    except OSError as error:
        raise NoManifest(f"{path} cannot be read: {error.strerror}; was the run sealed?") from error
    try:
        manifest = _decoded(load_json(content))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoManifest(f"{path} is no manifest ({error}); was it changed?") from error
    # What people read must be what was hashed: no key twice, no other spelling of the same.
    if manifest.encoded() != content:
        raise NoManifest(f"{path} is not as it was written: it holds more, or other spellings")
    return manifest, hashlib.sha256(content).hexdigest()


def differences(folder: Path, manifest: Manifest) -> Iterator[str]:
    """What is changed, missing or added in a folder, a sentence each."""
    there = set(_names(folder))
    for name, listed in sorted(manifest.files.items()):
        if name not in there:
            yield f"{name} is missing"
            continue
        try:
            found = _digest(folder / name)
        except OSError as error:
            yield f"{name} cannot be read: {error.strerror}"
            continue
        if found != listed:
            yield (
                f"{name} was changed: {found.size:,} bytes with SHA-256 {found.sha256[:16]}…, "
                f"sealed were {listed.size:,} with {listed.sha256[:16]}…"
            )
    for name in sorted(there - set(manifest.files)):
        yield f"{name} was added after the run was sealed"


def _names(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in relative.parts)
        if hidden or relative.parts[0] in _LEFT_OUT_FOLDERS or not path.is_file():
            continue
        if relative.as_posix() not in _LEFT_OUT:
            yield relative.as_posix()


def _digest(path: Path) -> File:
    found, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
            size += len(chunk)
    return File(size, found.hexdigest())


def _decoded(data: Mapping[str, Any]) -> Manifest:
    if data["manifest"] != FORMAT:
        raise ValueError(f"format {data['manifest']!r}; this version reads {FORMAT}")
    files = {
        str(each["name"]): File(int(each["size"]), str(each["sha256"])) for each in data["files"]
    }
    return Manifest(str(data["run"]), str(data["drill"]), str(data["target"]), files)

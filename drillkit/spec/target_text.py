"""A new target as text, with comments that say what each line is for, put behind those that a file
has already.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path

from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import UsageError
from drillkit.spec.document import is_null, read_bytes, read_one
from drillkit.spec.project import shown
from drillkit.spec.targets import bind_targets


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTarget:
    """What is known of a target that is to be written. Texts are values, not YAML."""

    name: str
    protected: bool = False
    kubeconfig: str = ""
    context: str = ""
    cluster_uid: str = ""
    namespace: str = ""
    """Of the lock, where it is not `drillkit`."""
    account: str = ""
    region: str = ""
    profile: str = ""
    endpoint_url: str = ""
    prometheus: str = ""
    urls: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    """What was found and is not written as a value, a line each."""


def written_target(new: NewTarget) -> str:
    """The target as YAML with comments."""
    lines = [f"{_scalar(new.name)}:"]
    lines += [f"  # {remark}" for remark in new.remarks]
    if new.protected:
        lines += [
            "  # --yes is not enough here: somebody types the target's name.",
            "  protected: true",
        ]
    if new.cluster_uid:
        lines += ["  kubernetes:"]
        lines += _values({"kubeconfig": new.kubeconfig, "context": new.context})
        lines += [
            "    # Pinned: what leads to another cluster is refused before it is asked anything."
        ]
        lines += _values({"cluster_uid": new.cluster_uid, "namespace": new.namespace})
    if new.account:
        lines += ["  aws:"]
        lines += ["    # Pinned: credentials of another account are refused."]
        lines += _values({"account": new.account, "region": new.region})
        lines += _values({"profile": new.profile, "endpoint_url": new.endpoint_url})
        lines += ["    # Restored copies go here, never into the originals' network:"]
        lines += ["    # subnet_group: drills", "    # security_groups: [sg-0123456789abcdef0]"]
    if new.prometheus:
        lines += ["  prometheus:", *_values({"url": new.prometheus})]
        lines += [
            "    # Secrets are references (env:, file:), never values.",
            "    # bearer: env:PROMETHEUS_TOKEN",
        ]
    if new.urls:
        lines += ["  # What drills ask as ${target.urls.NAME}.", "  urls:", *_values(new.urls)]
    lines += ["  # What no drill here may exceed.", "  caps: {pods: 50%, nodes: 1}"]
    return "\n".join(lines) + "\n"


def _values(given: Mapping[str, str]) -> Iterable[str]:
    return [f"    {_scalar(key)}: {_scalar(value)}" for key, value in given.items() if value]


def _scalar(text: str) -> str:
    """A text as YAML, quoted unless it can be nothing else."""
    plain = re.fullmatch(r"[A-Za-z][\w./-]*", text) and text.lower() not in _WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)


_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def added(file: Path, new: NewTarget) -> str:
    """The text of a file of targets with one more. Raises UsageError when it has one of that name,
    SpecError when the file or the new target is not sound.
    """
    text = ""
    if file.exists():
        raw = read_bytes(file)
        tree = read_one(shown(file), raw)
        if new.name in bind_targets(tree):
            raise UsageError(
                f"{shown(file)} has a target `{new.name}` already; change it there, or choose "
                "another name"
            )
        text = raw.decode("utf-8-sig")
        if not is_null(tree) and text.lstrip().startswith("{"):
            raise UsageError(
                f"{shown(file)}: expected a target a line, found all in braces; write it as a "
                "block first"
            )
    if text and not text.endswith("\n"):
        text += "\n"
    whole = text + ("\n" if text.strip() else "") + written_target(new)
    bind_targets(read_one(f"{shown(file)} with `{new.name}`", whole))
    return whole


def put(file: Path, text: str) -> None:
    """Write a file at once or not at all. Raises UsageError."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        mode = file.stat().st_mode & 0o777 if file.exists() else 0o644
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            Path(name).chmod(mode)
            Path(name).replace(file)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{shown(file)} cannot be written: {error.strerror or error}") from error

"""A copy of a run for outsiders: names, addresses and accounts replaced, the same one by the same
word everywhere, and still proven.

The copy's journal no longer chains to the original's. What proves the copy is a statement, signed
like the run itself: it names the original's manifest, the SHA-256 of every original file and of
every original line of the journal, and of every file of the copy. Whoever holds the original can
show any line of it; whoever holds the copy can check that it is what was exported.
"""

from __future__ import annotations

import fnmatch
import functools
import hashlib
import html
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drillkit.attest.envelope import BadEnvelope, sign, verify
from drillkit.attest.manifest import (
    MANIFEST,
    Manifest,
    differences,
    read_manifest,
)
from drillkit.attest.statement import STATEMENT
from drillkit.journal.files import write_file
from drillkit.journal.runs import JOURNAL
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import DrillError, UsageError
from drillkit.model.json_text import load_json
from drillkit.model.yaml_text import load_yaml

if TYPE_CHECKING:
    from securesystemslib.signer import Key, Signer

REDACTION = "https://drillkit.dev/attestation/redaction/v0.1"
STATEMENT_FILE = "redaction.intoto.json"
_LABEL = re.compile(r"[a-z][a-z0-9]{0,19}")


class NotExported(DrillError):
    """A folder that is no redacted copy, or not as it was exported."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class RedactionRule:
    """What is replaced."""

    label: str
    """Lower-case letters and digits: the words are `label-1`, `label-2`, …"""
    pattern: re.Pattern[str]
    whole_words: bool = False
    """What it replaces may stand inside a longer word, which is another."""
    fits: Callable[[str], bool] | None = None
    """Whether what the pattern found is meant; None: it always is."""


@dataclass(frozen=True, slots=True)
class ExportRules:
    """What an export replaces and what it leaves out."""

    rules: tuple[RedactionRule, ...]
    drop: tuple[str, ...] = ()
    """Patterns of file names, such as `attachments/*`."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What came of it."""

    folder: Path
    replaced: int
    """Different texts that have a word now."""
    dropped: tuple[str, ...]
    """Files that were left out, by rule or because they are no text."""


def read_rules(text: str, where: str) -> ExportRules:
    """Rules from YAML: `replace: [{text: shop.example.com, as: host}, {pattern: 'i-[0-9a-f]+', as:
    instance}]` and `drop: [attachments/*]`. Raises UsageError.
    """
    try:
        raw = load_yaml(text) or {}
        unknown = set(raw) - {"replace", "drop"}
        if unknown:
            raise ValueError(f"unknown keys: {', '.join(sorted(unknown))}")
        rules = tuple(_rule(each) for each in raw.get("replace", ()))
        return ExportRules(rules, tuple(str(each) for each in raw.get("drop", ())))
    except (KeyError, TypeError, ValueError, AttributeError, re.error) as error:
        raise UsageError(
            f"{where}: expected `replace` (each with `as` and one of `text`, `pattern`) and "
            f"`drop`; {error}"
        ) from error


def _rule(raw: Mapping[str, Any]) -> RedactionRule:
    label = str(raw["as"])
    if not _LABEL.fullmatch(label):
        raise ValueError(f"`as: {label}`: lower-case letters and digits only")
    if ("text" in raw) == ("pattern" in raw) or set(raw) - {"as", "text", "pattern"}:
        raise ValueError(f"`{label}` needs `as` and exactly one of `text` and `pattern`")
    if "text" in raw:
        return literal(label, str(raw["text"]))
    pattern = re.compile(str(raw["pattern"]))
    if pattern.fullmatch("") or pattern.search(""):
        raise ValueError(f"the pattern of `{label}` matches nothing at all")
    return RedactionRule(label, pattern)


def literal(label: str, text: str) -> RedactionRule:
    """What replaces a text wherever it stands, as pages and JSON write it, too. Raises ValueError
    for an empty one.
    """
    if not text.strip():
        raise ValueError(f"`{label}`: an empty text")
    escaped = html.escape(text)
    pages = escaped.replace("&#x27;", "&#39;").replace("&quot;", "&#34;")  # as our templates write
    forms = {text, escaped, pages, json.dumps(text, ensure_ascii=False)[1:-1]}
    either = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    return RedactionRule(label, re.compile(either, re.IGNORECASE))


def name_rule(label: str, text: str) -> RedactionRule:
    """A name, where it stands as a word of its own: Jan, and not the begin of January."""
    pattern = literal(label, text).pattern.pattern
    word = re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE)
    return RedactionRule(label, word, whole_words=True)


def export(folder: Path, to: Path, rules: ExportRules, signer: Signer) -> Exported:
    """Write a redacted copy of a sealed run into a new folder and sign for it.

    Raises NoManifest, NotExported when the run is not as it was sealed, UsageError when the rules
    would break a file or the folder exists, NotSigned, OSError.
    """
    manifest, digest = read_manifest(folder)
    if changed := next(differences(folder, manifest), ""):
        raise NotExported(f"{folder.name} is not as it was sealed: {changed}")
    if to.exists():
        raise UsageError(f"{to} exists already; an export goes into a folder of its own")
    words = _Words(rules.rules)
    texts, dropped = _texts(folder, manifest, rules)
    copies = {name: words.of(text) for name, text in sorted(texts.items())}
    for name, text in copies.items():
        _still_whole(name, text)
        words.check(name, text)
    lines = texts[JOURNAL].encode().split(b"\n")[:-1] if JOURNAL in texts else []
    line = sign(_payload(manifest, digest, copies, dropped, lines, words.count), signer)
    to.mkdir(parents=True)
    for name, text in copies.items():
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        write_file(to / name, text.encode())
    write_file(to / STATEMENT_FILE, line + b"\n")
    return Exported(to, words.count, dropped)


def _texts(
    folder: Path, manifest: Manifest, rules: ExportRules
) -> tuple[dict[str, str], tuple[str, ...]]:
    texts: dict[str, str] = {}
    dropped: list[str] = []
    for name in manifest.files:
        if any(fnmatch.fnmatch(name, pattern) for pattern in rules.drop):
            dropped.append(name)
            continue
        try:
            texts[name] = (folder / name).read_bytes().decode()
        except UnicodeDecodeError:  # nobody can say what is in it
            dropped.append(name)
    return texts, tuple(sorted(dropped))


@dataclass(slots=True)
class _Words:
    """The word for each text that is replaced; the same text gets the same word."""

    rules: Sequence[RedactionRule]
    known: dict[tuple[str, str], str] = field(default_factory=dict)
    whole: set[tuple[str, str]] = field(default_factory=set)
    """Of those known: what counts only as a word of its own."""

    @property
    def count(self) -> int:
        return len(self.known)

    def of(self, text: str) -> str:
        for rule in self.rules:
            text = rule.pattern.sub(functools.partial(self._word, rule), text)
        return text

    def _word(self, rule: RedactionRule, found: re.Match[str]) -> str:
        if rule.fits is not None and not rule.fits(found[0]):
            return found[0]
        plain = html.unescape(found[0]).lower()
        if rule.whole_words:
            self.whole.add((rule.label, plain))
        mine = sum(label == rule.label for label, _ in self.known)
        return self.known.setdefault((rule.label, plain), f"{rule.label}-{mine + 1}")

    def check(self, name: str, text: str) -> None:
        """Nothing that was replaced may be left. Raises UsageError."""
        lowered = f"{text}\n{html.unescape(text)}".lower()
        for label, plain in self.known:
            if plain not in lowered:
                continue
            word = rf"(?<!\w){re.escape(plain)}(?!\w)"
            if (label, plain) not in self.whole or re.search(word, lowered):
                raise UsageError(
                    f"{name}: what `{label}` replaces is still in it, in another spelling; add a "
                    "rule for that"
                )


def _still_whole(name: str, text: str) -> None:
    """Raises UsageError where a rule has broken a file."""
    try:
        if name == JOURNAL:
            for line in text.splitlines():
                load_json(line)
        elif name.endswith(".json"):
            load_json(text)
    except ValueError as error:
        raise UsageError(f"{name} is no JSON any more: a pattern matches too much") from error


def _payload(
    manifest: Manifest,
    digest: str,
    copies: Mapping[str, str],
    dropped: Sequence[str],
    lines: Sequence[bytes],
    count: int,
) -> bytes:
    statement = {
        "_type": STATEMENT,
        "subject": [
            {"name": name, "digest": {"sha256": hashlib.sha256(text.encode()).hexdigest()}}
            for name, text in sorted(copies.items())
        ],
        "predicateType": REDACTION,
        "predicate": {
            "manifest": digest,
            "originals": {name: file.sha256 for name, file in sorted(manifest.files.items())},
            "dropped": list(dropped),
            "journalLines": [hashlib.sha256(line).hexdigest() for line in lines],
            "replaced": count,
        },
    }
    return json.dumps(statement, separators=(",", ":"), ensure_ascii=False).encode()


def is_export(folder: Path) -> bool:
    """Whether a folder is a redacted copy."""
    return (folder / STATEMENT_FILE).is_file()


def verify_export(
    folder: Path, keys: Sequence[Key], original: Path | None = None
) -> tuple[str, ...]:
    """What is wrong with a redacted copy, a sentence each; with the original run's folder, whether
    it is a copy of that.
    """
    try:
        line = (folder / STATEMENT_FILE).read_bytes()
        signed = verify(line.removesuffix(b"\n"), keys)
    except OSError as error:
        return (f"{STATEMENT_FILE} cannot be read: {error.strerror}",)
    except BadEnvelope as error:
        return (f"{STATEMENT_FILE}: {error}",)
    if signed.kind != REDACTION:
        return (f"{STATEMENT_FILE}: a statement of another kind: {signed.kind}",)
    wrong = list(_changed(folder, signed.subject))
    if original is not None:
        wrong += _not_of(original, signed.predicate)
    return tuple(wrong)


def _changed(folder: Path, subject: Mapping[str, str]) -> Iterator[str]:
    there = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != STATEMENT_FILE
    }
    for name in sorted(there | set(subject)):
        if name not in there:
            yield f"{name} is missing"
        elif name not in subject:
            yield f"{name} was added after the export"
        elif hashlib.sha256((folder / name).read_bytes()).hexdigest() != subject[name]:
            yield f"{name} was changed after the export"


def _not_of(original: Path, predicate: Mapping[str, Any]) -> Iterator[str]:
    digest = hashlib.sha256((original / MANIFEST).read_bytes()).hexdigest()
    if digest != predicate.get("manifest"):
        yield f"it is no copy of {original.name} as that is sealed now"
    lines = (original / JOURNAL).read_bytes().split(b"\n")[:-1]
    if [hashlib.sha256(line).hexdigest() for line in lines] != predicate.get("journalLines"):
        yield f"the journal of {original.name} is not the one that was exported"

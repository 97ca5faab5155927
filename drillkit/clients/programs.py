"""What can be told of a program by its arguments alone: whether it can have changed anything."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import PurePath

_TALKERS = frozenset(
    ": date echo exit false hostname id printf pwd sleep true uname uptime wait which whoami".split()  # noqa: E501, SIM905
)
"""Programs that wait or talk: they neither change anything nor read what others left."""
_READERS = frozenset(
    "[ cat df diff du free grep head ls printenv ps stat tail test wc".split()  # noqa: SIM905
)
"""Programs that only look."""
_LOOKS = {
    "kubectl": re.compile(
        "api-resources|api-versions|cluster-info|describe|diff|events|explain|get|logs|top|version|wait"
    ),
    "helm": re.compile("get|history|list|ls|show|status|version"),
    "terraform": re.compile("output|show|validate|version"),
}
"""What only looks of programs that do more, by their first word that is no option."""
_TALKS = frozenset(("--version", "--help"))
"""Whatever the program, with nothing else it only tells."""
_PYTHON = re.compile(r"python[\d.]*")
_PYTHON_TALK = re.compile(
    r"\s*(?:pass|print\([^()]*\))(?:\s*;\s*(?:pass|print\([^()]*\)))*\s*;?\s*"
)
_SHELLS = frozenset(("sh", "bash", "dash", "ash", "zsh", "ksh"))
_WRAPPERS = frozenset(("env", "exec", "command", "nice", "nohup", "sudo", "time", "timeout"))
"""Programs that run the one after them."""
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_NUMBER = re.compile(r"[\d.]+[smhd]?")


def does_nothing(program: Sequence[str]) -> bool:
    """Whether a program with its arguments cannot have disturbed anything: `true`, `sleep 5`,
    `sh -c "echo done"`. What is not known for sure to be idle may have done something.
    """
    return _only(program, _TALKERS | _READERS)


def reads_nothing(program: Sequence[str]) -> bool:
    """Whether a program with its arguments cannot have read anything either: `true`, but not
    `test -e file`.
    """
    return _only(program, _TALKERS)


def _only(program: Sequence[str], known: frozenset[str]) -> bool:
    words = _without_wrappers(list(program))
    if not words:
        return True
    name = PurePath(words[0]).name
    if name in _SHELLS:
        text = _script(words[1:])
        return text is not None and _only_in_script(text, known)
    if _talks(name, words[1:]):
        return True
    return name in known or (known > _TALKERS and _looks(name, words[1:]))


def _talks(name: str, arguments: Sequence[str]) -> bool:
    if len(arguments) == 1 and (arguments[0] in _TALKS or (name, arguments[0]) == ("curl", "-V")):
        return True
    if _PYTHON.fullmatch(name) and len(arguments) == 2 and arguments[0] == "-c":
        return _PYTHON_TALK.fullmatch(arguments[1]) is not None
    return False


def _looks(name: str, arguments: Sequence[str]) -> bool:
    """Whether it only looks. An option before the word that tells may take that word as its value:
    then nobody knows.
    """
    return name in _LOOKS and bool(arguments) and _LOOKS[name].fullmatch(arguments[0]) is not None


def _without_wrappers(words: list[str]) -> list[str]:
    while words:
        name = PurePath(words[0]).name
        is_setting = (
            _ASSIGNMENT.fullmatch(words[0])
            or name in _WRAPPERS
            or words[0].startswith("-")
            or _NUMBER.fullmatch(words[0])
        )
        if not is_setting:
            return words
        words = words[1:]
    return words


def _script(options: Sequence[str]) -> str | None:
    """The text behind `-c`; None: a file or standard input, of which nothing is known."""
    for i, option in enumerate(options):
        if option.startswith("-") and not option.startswith("--") and "c" in option:
            return options[i + 1] if i + 1 < len(options) else ""
    return None


def _only_in_script(text: str, known: frozenset[str]) -> bool:
    """Whether every command of a shell's text is one of these; redirections and substitutions are
    not looked into.
    """
    if any(sign in text for sign in (">", "<", "`", "$(")):
        return False
    reader = shlex.shlex(text.replace("\n", ";"), posix=True, punctuation_chars=";&|()")
    reader.whitespace_split = True
    commands: list[list[str]] = [[]]
    try:
        for word in reader:
            if set(word) <= set(";&|()"):
                commands.append([])
            else:
                commands[-1].append(word)
    except ValueError:  # a quote that never ends: the shell will say so
        return False
    return all(_only(command, known) for command in commands if command)

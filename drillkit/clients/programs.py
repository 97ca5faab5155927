"""What can be told of a program by its arguments alone: whether it can have changed anything."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Literal, TypeAlias

from drillkit.clients.queries import changes_nothing, reads_a_table
from drillkit.lazy_dataclass import dataclass

Level: TypeAlias = Literal["looks", "reads nothing"]
"""The least that is asked about: it only looks; it does not even read what others left."""
_TALKERS = frozenset(
    ": arch basename date dirname echo exit false hostname id logger nproc printf pwd seq sleep sync true tty uname uptime usleep wait which whoami".split()  # noqa: E501, SIM905
)
"""Programs that wait or talk: they neither change anything nor read what others left."""
_BUILTINS = frozenset(
    "break cd continue export local readonly return set shift umask unset".split()  # noqa: SIM905
)
"""What changes nothing but a shell itself."""
_REACHES = frozenset(
    "dig getent host nslookup pg_isready ping ping6 traceroute".split()  # noqa: SIM905
)
"""Programs that tell whether something is there to answer, and read nothing of what it holds."""
_READERS = frozenset(
    "cat cksum cmp cut df diff du free grep head jq ls lsof md5sum netstat pgrep printenv ps sha256sum ss stat tac tail tr tree wc".split()  # noqa: E501, SIM905
)
"""Programs that only look."""


@dataclass(frozen=True, slots=True)
class _Looks:
    """Which calls of a program that can do more only look."""

    looks: re.Pattern[str]
    """Of its words that are no options."""
    valued: frozenset[str] = frozenset()
    """Options before these words that take the next word as their value; one that is neither here
    nor attached to its value may do so, and then nobody knows.
    """
    rehearses: frozenset[str] = frozenset()
    """Options with which nothing of it is done."""


_KUBE = frozenset(
    "-n --namespace --context --kubeconfig --cluster --user -s --server --request-timeout --as --token -v --kube-context".split()  # noqa: E501, SIM905
)
_AWS = frozenset(
    "--region --profile --output --query --endpoint-url --cli-read-timeout".split()  # noqa: SIM905
)
_LOOKS: Mapping[str, _Looks] = {
    "kubectl": _Looks(
        re.compile(
            r"(api-resources|api-versions|cluster-info|describe|diff|events|explain|get|logs|top"
            r"|version|wait|rollout (status|history)|auth (can-i|whoami)"
            r"|config (view|get-\S+|current-context))"
            r"( .*)?"
        ),
        _KUBE,
        frozenset(("--dry-run", "--dry-run=client", "--dry-run=server")),
    ),
    "helm": _Looks(
        re.compile("(get|history|list|ls|show|status|template|version)( .*)?"),
        _KUBE,
        frozenset(("--dry-run", "--dry-run=client", "--dry-run=server")),
    ),
    "terraform": _Looks(re.compile("(output|plan|show|validate|version|graph)( .*)?")),
    "aws": _Looks(
        re.compile(r"(s3 ls|\S+ (describe|list|get|head|batch-get)-\S+|\S+ wait)( .*)?"),
        _AWS,
        frozenset(("--dry-run", "--dryrun")),
    ),
    "git": _Looks(re.compile("(diff|log|show|status|rev-parse)( .*)?"), frozenset(("-C",))),
    "docker": _Looks(re.compile("(images|inspect|logs|ps|stats|top|version)( .*)?")),
}
"""Programs that do more: which of their calls only look."""
_TALKS = frozenset(("--version", "--help"))
"""Whatever the program, with nothing else it only tells."""
_DOING = {
    "find": frozenset("-delete -exec -execdir -ok -okdir -fprint -fprintf -fls".split()),  # noqa: SIM905
    "sort": frozenset(("-o", "--output")),
}
"""Readers that do more with one of these options."""
_FETCHERS = frozenset(("curl", "wget"))
_SENDS = re.compile(
    r"-[A-Za-z]*[XdFTKQ]|--(request|data|json|form|upload-file|config|quote|post-|body-|method)"
)
"""Begin of an option with which more than a GET is sent (RFC 9110 section 9.2.1: a GET is safe, it
asks for nothing but an answer).
"""
_PYTHON = re.compile(r"python[\d.]*")
_PYTHON_WORD = (
    r"(?:pass|import time|from time import sleep|print\([^()]*\)|(?:time\.)?sleep\([^()]*\))"
)
_PYTHON_TALK = re.compile(rf"\s*{_PYTHON_WORD}(?:\s*[;\n]\s*{_PYTHON_WORD})*\s*;?\s*")
_SCRIPT_WORD = re.compile(r"\s*(?:(?:sleep|exit)\s*\(?\s*[\d.]*\s*\)?|\d*)\s*;?\s*")
"""What perl, ruby and node take as a program that waits."""
_SHELLS = frozenset(("sh", "bash", "dash", "ash", "zsh", "ksh"))
_WRAPPERS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        ("busybox", "chronic", "command", "exec", "nohup", "setsid", "stdbuf"), frozenset[str]()
    ),
    "env": frozenset(("-u", "-C")),
    "ionice": frozenset(("-c", "-n")),
    "nice": frozenset(("-n",)),
    "sudo": frozenset(("-u", "-g", "-h", "-p", "-C")),
    "time": frozenset(("-f", "-o")),
    "timeout": frozenset(("-s", "-k")),
}
"""Programs that run the one after them, and their options that take a value."""
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_NUMBER = re.compile(r"[\d.]+[smhd]?")
_KEYWORDS = frozenset(("if", "then", "elif", "else", "while", "until", "do", "!", "{"))
_ENDS = frozenset(("fi", "done", "esac", "}"))
_NOWHERE = re.compile(r"(?:\d?|&)>{1,2}\s*(?:/dev/null\b|&[12]\b)|<\s*/dev/null\b")
_ARITHMETIC = re.compile(r"\$\(\([^()]*\)\)")
_SUBSTITUTION = re.compile(r"\$\(([^()]*)\)")
_OF_FILES = re.compile(r"-[a-mo-yA-Z]|-[no]t|-ef|-ot")
"""Tests of files; `-n` and `-z` are of text."""
_SCRIPT_LENGTH = 65_536
"""Bytes; of a longer script nothing is known."""
_SQL_CLIENTS: Mapping[str, re.Pattern[str]] = {
    "psql": re.compile("-[A-Za-z]*c|--command"),
    "mysql": re.compile("-[A-Za-z]*e|--execute"),
    "mariadb": re.compile("-[A-Za-z]*e|--execute"),
}
"""Clients of databases, and the option that holds a statement."""
_SQL_FILES = ("-f", "--file")


def does_nothing(program: Sequence[str], folder: str = ".") -> bool:
    """Whether a program with its arguments cannot have disturbed anything: `true`, `sleep 5`,
    `sh -c "echo done"`. What is not known for sure to be idle may have done something.

    `folder`: where it runs, and where a script of its is looked for.
    """
    return _only(program, "looks", folder)


def reads_nothing(program: Sequence[str], folder: str = ".") -> bool:
    """Whether a program with its arguments cannot have read any data either: `true`,
    `pg_isready`, `psql -c "select 1"`, but not `test -e file`.
    """
    return _only(program, "reads nothing", folder)


def _only(program: Sequence[str], level: Level, folder: str) -> bool:
    words = _without_wrappers(list(program))
    if not words:
        return True
    name, arguments = PurePath(words[0]).name, words[1:]
    if name in _SHELLS:
        text = _script(arguments, folder)
        return text is not None and _only_in_script(text, level, folder)
    if (name in _TALKERS and not _sets(name, arguments)) or _talks(name, arguments):
        return True
    if name in ("test", "[", "[["):
        return level == "looks" or not any(_OF_FILES.fullmatch(word) for word in arguments)
    if name in _SQL_CLIENTS:
        return _asks(name, arguments, level)
    if name in _REACHES or _reaches(name, arguments):
        return True
    if level == "looks":
        return _looks(name, arguments) or _is_idle_file(words[0], folder)
    return _is_idle_file(words[0], folder, level)


def _sets(name: str, arguments: Sequence[str]) -> bool:
    """Whether what else only tells is told to set something: the clock, the name of the machine."""
    if name == "date":
        return any(word.startswith(("-s", "--set")) for word in arguments)
    return name == "hostname" and any(not word.startswith("-") for word in arguments)


def _talks(name: str, arguments: Sequence[str]) -> bool:
    if len(arguments) == 1 and (arguments[0] in _TALKS or (name, arguments[0]) == ("curl", "-V")):
        return True
    if len(arguments) != 2:
        return False
    if _PYTHON.fullmatch(name) and arguments[0] == "-c":
        return _PYTHON_TALK.fullmatch(arguments[1]) is not None
    if name in ("perl", "ruby", "node") and arguments[0] == "-e":
        return _SCRIPT_WORD.fullmatch(arguments[1]) is not None
    return False


def _reaches(name: str, arguments: Sequence[str]) -> bool:
    if name in ("nc", "ncat"):
        return "-z" in arguments
    return name == "mysqladmin" and arguments[-1:] in (["ping"], ["status"], ["version"])


def _looks(name: str, arguments: Sequence[str]) -> bool:
    """Whether it only looks."""
    if name in _READERS:
        return True
    if name in _DOING:
        return not any(word.split("=")[0] in _DOING[name] for word in arguments)
    if name in _FETCHERS:
        return not any(_SENDS.match(word) for word in _options(arguments))
    known = _LOOKS.get(name)
    if known is None:
        return False
    own = list(itertools.takewhile(lambda word: word != "--", arguments))
    if known.rehearses.intersection(own):
        return True
    said = _verbs(own, known.valued)
    return said is not None and known.looks.fullmatch(said) is not None


def _options(arguments: Sequence[str]) -> list[str]:
    """Options, but those that say that it is a GET all the same."""
    text = " ".join(arguments)
    for safe in ("-X GET", "-X HEAD", "-XGET", "-XHEAD", "--request GET", "--request HEAD"):
        text = text.replace(safe, "")
    return [word for word in text.split() if word.startswith("-")]


def _verbs(arguments: Sequence[str], valued: frozenset[str]) -> str | None:
    """The words behind the options at the begin. None: an option may have taken one of them."""
    words = list(arguments)
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option in valued:
            words = words[1:]
        elif "=" not in option and len(words) > 1 and not option.startswith("--no-"):
            return None
    return " ".join(words)


def _asks(name: str, arguments: Sequence[str], level: Level) -> bool:
    """Whether a client of a database is given statements, and all of them only look."""
    statements: list[str] = []
    for i, word in enumerate(arguments):
        option, attached, text = word.partition("=")
        if _SQL_CLIENTS[name].fullmatch(option):
            statements.append(text if attached else "".join(arguments[i + 1 : i + 2]))
    from_file = any(word.startswith(_SQL_FILES) for word in arguments)
    if from_file or not statements or not all(map(changes_nothing, statements)):
        return False
    return level == "looks" or not any(map(reads_a_table, statements))


def _without_wrappers(words: list[str]) -> list[str]:
    valued: frozenset[str] = frozenset()
    while words:
        name = PurePath(words[0]).name
        if words[0] in valued:
            words = words[2:]
            continue
        if name in _WRAPPERS:
            valued = _WRAPPERS[name]
        elif not (
            _ASSIGNMENT.fullmatch(words[0])
            or words[0].startswith("-")
            or _NUMBER.fullmatch(words[0])
        ):
            return words
        words = words[1:]
    return words


# -- shells ----------------------------------------------------------------------------------------


def _script(options: Sequence[str], folder: str) -> str | None:
    """The text behind `-c`, or that of a file; None: standard input, of which nothing is known."""
    for i, option in enumerate(options):
        if option.startswith("-") and not option.startswith("--") and "c" in option:
            return options[i + 1] if i + 1 < len(options) else ""
    files = [option for option in options if not option.startswith("-")]
    return _text_of(files[0], folder) if files else None


def _text_of(file: str, folder: str) -> str | None:
    try:
        with open(Path(folder, file).expanduser(), "rb") as opened:
            found = opened.read(_SCRIPT_LENGTH + 1)
    except (OSError, ValueError):
        return None
    return None if len(found) > _SCRIPT_LENGTH else found.decode(errors="replace")


def _is_idle_file(program: str, folder: str, level: Level = "looks") -> bool:
    """Whether a program is a shell's script all of whose commands are idle."""
    text = _text_of(program, folder) if "/" in program else None
    if text is None or not text.startswith("#!"):
        return False
    first, _, rest = text.partition("\n")
    interpreter = [PurePath(word).name for word in first[2:].split()]
    return bool(_SHELLS.intersection(interpreter)) and _only_in_script(rest, level, folder)


def _only_in_script(text: str, level: Level, folder: str) -> bool:
    """Whether every command of a shell's text is one of these; redirections to files are not
    looked into.
    """
    plain = _without_substitutions(_NOWHERE.sub(" ", text), level, folder)
    if plain is None or any(sign in plain for sign in (">", "<", "`", "$(")):
        return False
    lines = [line for line in plain.splitlines() if not line.lstrip().startswith("#")]
    reader = shlex.shlex(";".join(lines), posix=True, punctuation_chars=";&|()")
    reader.whitespace_split, reader.commenters = True, ""
    commands: list[list[str]] = [[]]
    try:
        for word in reader:
            if set(word) <= set(";&|()"):
                commands.append([])
            else:
                commands[-1].append(word)
    except ValueError:  # a quote that never ends: the shell will say so
        return False
    return all(_only_command(command, level, folder) for command in commands)


def _only_command(words: list[str], level: Level, folder: str) -> bool:
    while words and words[0] in _KEYWORDS:
        words = words[1:]
    if not words or words[0] in _ENDS or words[0] == "for" or words[0] in _BUILTINS:
        return True
    return _only(words, level, folder)


def _without_substitutions(text: str, level: Level, folder: str) -> str | None:
    """The text with what `$(...)` gives as a word; None: something in there may do something."""
    text = _ARITHMETIC.sub("0", text)
    while found := _SUBSTITUTION.search(text):
        if not _only_in_script(found[1], level, folder):
            return None
        text = f"{text[: found.start()]}given{text[found.end() :]}"
    return text

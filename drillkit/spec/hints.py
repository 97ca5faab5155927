"""What a message tells somebody to write instead. Whoever writes it must be understood."""

from __future__ import annotations

import shlex

LONGEST_HINT = 200
_SHELL = set("|&;<>()$`*?~#!\n")
"""Characters that mean something to a shell and nothing to a program that is started directly."""


def split_command(text: str) -> list[str]:
    """A command line as the list of words that starts the same program: through a shell where only
    one understands it.
    """
    if not _SHELL & set(text):
        try:
            if words := shlex.split(text):
                return words
        except ValueError:  # a quotation that does not end
            pass
    return ["sh", "-c", text]


def flow(items: list[str]) -> str:
    """Texts as a YAML list on one line."""
    import yaml

    written: str = yaml.safe_dump(
        items, default_flow_style=True, allow_unicode=True, width=10_000
    ).strip()
    return written

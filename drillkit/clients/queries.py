"""What can be told of a SQL statement by its text alone: does it read rows, can it change any?"""

from __future__ import annotations

import re

LITERAL = re.compile(
    r"""'(?:[^']|'')*' | \$(\w*)\$.*?\$\1\$ | --[^\n]* | /\*.*?\*/""", re.VERBOSE | re.DOTALL
)
"""Texts and comments, which look like anything."""
_TABLE = re.compile(
    r"\b(?:from|join|table)\s+(?:only\s+)?(?!\(|lateral\b)([\w.\"`]+)\s*(\()?", re.IGNORECASE
)
_CATALOG = re.compile(r'["`]?(pg_\w*|information_schema|performance_schema|mysql|sys|dual)\b', re.I)
_MADE_UP = re.compile(
    r"\bwith\s+(?:recursive\s+)?(\w+)|,\s*(\w+)\s*(?:\([^()]*\)\s*)?as\s*\(", re.IGNORECASE
)
_ASKS = re.compile(r"\s*(?:select|show|explain|values|table|with|\\[dlz]\w*)\b", re.IGNORECASE)
_CALLED = re.compile(r"\b(\w+)\s*\(")
_HARMLESS = frozenset(
    "and as avg coalesce count date_trunc exists from in extract length lower max min now not on or over pg_is_in_recovery pg_sleep round select sleep sum upper using values version where".split()  # noqa: E501, SIM905
)
"""Functions that only compute, and words that stand before a bracket."""
_WRITES = re.compile(r"\b(insert|update|delete|merge|into|lock|truncate|drop|alter)\b", re.I)


def reads_a_table(query: str) -> bool:
    """Whether a query reads rows that somebody wrote: a table that is no function's result and none
    of the server's own.
    """
    bare = LITERAL.sub(" ", query)
    made_up = {name.lower() for pair in _MADE_UP.findall(bare) for name in pair if name}
    return any(
        not is_call and not _CATALOG.match(table) and table.lower() not in made_up
        for table, is_call in _TABLE.findall(bare)
    )


def changes_nothing(statement: str) -> bool:
    """Whether a statement is known to ask and do nothing else: no `update`, and no function that
    may do something, such as `pg_terminate_backend`.
    """
    bare = LITERAL.sub(" ", statement)
    return all(
        _ASKS.match(each) is not None
        and _WRITES.search(each) is None
        and all(name.lower() in _HARMLESS for name in _CALLED.findall(each))
        for each in bare.split(";")
        if each.strip()
    )

"""PromQL seen as a tree: is it a selector, does it have a window, which matchers does it hold."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from drillkit.lazy_dataclass import dataclass

_HOLE = re.compile(r"\{\{\s*\.[wW]indow\s*\}\}")
_STAND_IN = "4242s"
"""Stands for the window while a template is parsed."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One label matcher. A label that is missing matches as an empty one does."""

    label: str
    op: Literal["=", "!=", "=~", "!~"]
    value: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether a series or alert has it. Raises ValueError for an expression that cannot
        be read.
        """
        found = labels.get(self.label, "")
        if self.op == "=":
            return found == self.value
        if self.op == "!=":
            return found != self.value
        try:
            hit = re.fullmatch(self.value, found, re.DOTALL) is not None
        except re.error as error:
            raise ValueError(f"the expression {self.value!r} cannot be read: {error}") from error
        return hit if self.op == "=~" else not hit

    def __str__(self) -> str:
        return f"{self.label}{self.op}{_quoted(self.value)}"


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric's name and its matchers."""

    name: str
    matchers: tuple[Matcher, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether a series is selected."""
        return (not self.name or labels.get("__name__") == self.name) and matches_all(
            self.matchers, labels
        )

    def without(self, label: str) -> Selector:
        """The same with no matcher on `label`."""
        return Selector(self.name, tuple(m for m in self.matchers if m.label != label))

    def plus(self, *more: Matcher) -> Selector:
        """The same with more matchers."""
        return Selector(self.name, (*self.matchers, *more))

    def is_part_of(self, other: Selector) -> bool:
        """Whether everything it selects is selected by `other` for sure: the same metric, and all
        its matchers.
        """
        return (
            self.name == other.name
            and bool(self.name)
            and set(other.matchers) <= set(self.matchers)
        )

    def __str__(self) -> str:
        inner = ",".join(map(str, self.matchers))
        return f"{self.name}{{{inner}}}" if inner else self.name


def matches_all(matchers: Sequence[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether labels satisfy every matcher."""
    return all(matcher.matches(labels) for matcher in matchers)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def parse(query: str) -> Any:
    """The tree of a query. Raises ValueError with what is wrong."""
    import promql_parser

    return promql_parser.parse(query)


def template(query: str) -> str | None:
    """The query with every spelling of its window's hole as `{{.window}}`; None: it has none."""
    made, holes = _HOLE.subn("{{.window}}", query)
    return made if holes else None


def selector_of(query: str) -> Selector:
    """The selector that a counter's query is, or sums. Raises ValueError saying what was
    found instead.
    """
    import promql_parser as ql

    tree = _bare(parse(query))
    if isinstance(tree, ql.AggregateExpr):
        if str(tree.op) != "sum":
            raise ValueError(
                f"`{tree.op}` of a counter is no count; expected a selector or `sum(selector)`"
            )
        if tree.modifier is not None:
            raise ValueError(
                "`sum by (...)` gives several series; expected `sum(selector)`: one number"
            )
        tree = _bare(tree.expr)
    if isinstance(tree, ql.VectorSelector):
        return _selector(tree)
    if isinstance(tree, ql.Call | ql.MatrixSelector):
        raise ValueError(
            "a window is given already; write the selector alone, or `[{{.window}}]` as the window"
        )
    raise ValueError(
        'expected a selector such as http_requests_total{job="web"} or its sum, '
        f"found {query[:60]!r}"
    )


def _bare(tree: Any) -> Any:
    import promql_parser as ql

    while isinstance(tree, ql.ParenExpr):
        tree = tree.expr
    return tree


def _selector(tree: Any) -> Selector:
    if tree.offset is not None or tree.at is not None:
        raise ValueError("`offset` and `@` look at another time than the drill's; remove them")
    if tree.matchers.or_matchers:
        raise ValueError("`or` between matchers is not supported; write one matcher with `=~`")
    matchers = tuple(Matcher(m.name, _OPS[str(m.op)], m.value) for m in tree.matchers.matchers)
    name = tree.name or next(
        (m.value for m in matchers if m.label == "__name__" and m.op == "="), ""
    )
    return Selector(
        name,
        tuple(
            m for m in matchers if not (m.label == "__name__" and m.op == "=" and m.value == name)
        ),
    )


_OPS: Mapping[str, Literal["=", "!=", "=~", "!~"]] = {
    "MatchOp.Equal": "=",
    "MatchOp.NotEqual": "!=",
    "MatchOp.Re": "=~",
    "MatchOp.NotRe": "!~",
}


def matchers_of(text: str) -> tuple[Matcher, ...]:
    """Matchers of alerts such as `severity="critical"`. Raises ValueError; at least one must
    exclude something.
    """
    inner = text.strip().removeprefix("ALERTS").strip()
    inner = inner[1:-1] if inner.startswith("{") and inner.endswith("}") else inner
    found = selector_of(f"ALERTS{{{inner}}}").matchers
    if all(matcher.matches({}) for matcher in found):
        raise ValueError(
            'expected a matcher such as severity="critical": without any, Watchdog always fires'
        )
    return found


def named_alert(text: str) -> tuple[Matcher, ...]:
    """Matchers of one alert: its name alone, or matchers with `alertname="..."` among them. Raises
    ValueError for what names none.
    """
    if re.fullmatch(r"[^\s={}\"'!~,]+", text):
        return (Matcher("alertname", "=", text),)
    found = matchers_of(text)
    if not any(each.label == "alertname" and each.op == "=" and each.value for each in found):
        raise ValueError('expected the name of an alert, or matchers with `alertname="..."`')
    return found


def alert_named(matchers: Sequence[Matcher]) -> str:
    """The name in the matchers of `named_alert`."""
    return next(each.value for each in matchers if each.label == "alertname" and each.op == "=")


@dataclass(frozen=True, slots=True)
class QueryShape:
    """What a windowed query is made of."""

    functions: frozenset[str]
    """Functions over its windows."""
    selectors: tuple[Selector, ...]
    divides: bool
    fixed: bool
    """Some window is written out instead of `{{.window}}`."""
    grouped: bool
    """It gives one series per group."""
    subquery: bool
    """A window is made of an expression's values instead of a metric's samples."""
    calls: frozenset[str]
    """All functions."""
    lone: Selector | None
    """The selector, where the query is no more than the sum of its increase or rate."""


def look(query: str) -> QueryShape:
    """Take a query apart; holes for the window are allowed. Raises ValueError where it cannot
    be parsed.
    """
    import promql_parser as ql

    made = template(query)
    tree = parse((made or query).replace("{{.window}}", _STAND_IN))
    calls: set[str] = set()
    functions: set[str] = set()
    selectors: list[Selector] = []
    windows: list[float] = []
    divides = subquery = False

    def visit(node: Any) -> None:
        nonlocal divides, subquery
        if isinstance(node, ql.Call):
            calls.add(node.func.name)
            if any(isinstance(a, ql.MatrixSelector | ql.SubqueryExpr) for a in node.args):
                functions.add(node.func.name)
        elif isinstance(node, ql.MatrixSelector | ql.SubqueryExpr):
            windows.append(node.range.total_seconds() if node.range else 0.0)
            subquery = subquery or isinstance(node, ql.SubqueryExpr)
        elif isinstance(node, ql.VectorSelector):
            selectors.append(_selector(node))
        elif isinstance(node, ql.BinaryExpr):
            divides = divides or str(node.op) == "/"

    ql.walk(tree, visit)
    fixed = any(f"{window:g}s" != _STAND_IN for window in windows)
    return QueryShape(
        frozenset(functions),
        tuple(selectors),
        divides,
        fixed,
        _grouped(tree),
        subquery,
        frozenset(calls),
        _lone(tree),
    )


def _grouped(tree: Any) -> bool:
    import promql_parser as ql

    tree = _bare(tree)
    if isinstance(tree, ql.AggregateExpr):
        return tree.modifier is not None
    if isinstance(tree, ql.BinaryExpr):
        return _grouped(tree.lhs) and _grouped(tree.rhs)
    return False


def _lone(tree: Any) -> Selector | None:
    import promql_parser as ql

    tree = _bare(tree)
    if not isinstance(tree, ql.AggregateExpr) or str(tree.op) != "sum" or tree.modifier is not None:
        return None
    call = _bare(tree.expr)
    if not isinstance(call, ql.Call) or call.func.name not in ("increase", "rate"):
        return None
    window = call.args[0]
    return _selector(window.vector_selector) if isinstance(window, ql.MatrixSelector) else None


def window_text(seconds: float) -> str:
    """A length in PromQL: `300s`, `90500ms`."""
    millis = max(1, round(seconds * 1000))
    return f"{millis // 1000}s" if millis % 1000 == 0 else f"{millis}ms"

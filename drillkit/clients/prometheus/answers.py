"""Answers of the query API as data, each checked before anybody counts with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drillkit.clients.prometheus.errors import HalfAnswer, NotPrometheus, QueryRejected
from drillkit.lazy_dataclass import dataclass
from drillkit.model.json_text import load_json
from drillkit.secrets import excerpt

MAX_SERIES = 20_000


@dataclass(frozen=True, slots=True)
class Series:
    """One series: labels and samples (seconds since the epoch, value), oldest first. Values may be
    NaN or infinite.
    """

    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """What a query gave."""

    series: tuple[Series, ...]
    warnings: tuple[str, ...] = ()
    """What the server warns of (partial answers of Thanos, for example): nothing may be
    concluded then.
    """


def payload(content: bytes, where: str, asked: str) -> tuple[Any, tuple[str, ...]]:
    """`data` and `warnings` of a successful answer.

    Raises NotPrometheus (HTML, other JSON), HalfAnswer (JSON that breaks off), QueryRejected
    (`status: error`).
    """
    text = content.lstrip()[:1]
    try:
        found = load_json(content)
    except ValueError as error:
        if text in (b"{", b"["):
            raise HalfAnswer(
                f"cannot {asked} at {where}: the answer broke off after {len(content):,} bytes"
            ) from error
        what = "a page of HTML (a login?)" if text == b"<" else repr(excerpt(content, 60))
        raise NotPrometheus(f"cannot {asked} at {where}: expected JSON, found {what}") from error
    if not isinstance(found, dict) or "status" not in found:
        raise NotPrometheus(
            f"cannot {asked} at {where}: expected an answer of Prometheus' API, found other JSON"
        )
    if found["status"] != "success":
        raise QueryRejected(f"cannot {asked} at {where}: {excerpt(str(found.get('error')), 200)}")
    warnings = tuple(str(w) for w in found.get("warnings") or ())
    return found.get("data"), warnings


def answer_of(content: bytes, where: str, asked: str) -> QueryAnswer:
    """The answer of an instant or range query. Raises as `payload`, and NotPrometheus for a shape
    that is none.
    """
    data, warnings = payload(content, where, asked)
    try:
        kind, result = data["resultType"], data["result"]
        if kind == "scalar":
            series: tuple[Series, ...] = (Series({}, (_sample(result),)),)
        elif kind in ("vector", "matrix"):
            if len(result) > MAX_SERIES:
                raise QueryRejected(
                    f"cannot {asked} at {where}: {len(result):,} series came back; expected at "
                    f"most {MAX_SERIES:,}. Narrow the selector"
                )
            series = tuple(_series(entry) for entry in result)
        else:
            raise ValueError(f"a result of type {kind}")
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise NotPrometheus(
            f"cannot {asked} at {where}: the answer has an unknown shape ({error})"
        ) from error
    return QueryAnswer(series, warnings)


def _series(entry: Mapping[str, Any]) -> Series:
    if "histogram" in entry or "histograms" in entry:
        raise ValueError("a native histogram; expected a counter or classic `_bucket` series")
    samples = entry["values"] if "values" in entry else [entry["value"]]
    return Series(dict(entry["metric"]), tuple(map(_sample, samples)))


def _sample(pair: Any) -> tuple[float, float]:
    at, value = pair
    return float(at), float(value)

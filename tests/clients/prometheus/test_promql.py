"""Queries taken apart: selectors, windows, matchers."""

from __future__ import annotations

import pytest

from drillkit.clients.prometheus.promql import look, matchers_of, selector_of, template, window_text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("http_requests_total", "http_requests_total"),
        ('sum(http_requests_total{code=~"5.."})', 'http_requests_total{code=~"5.."}'),
        ('((sum((x{a="b"}))))', 'x{a="b"}'),
        ('{__name__="x",a="b"}', 'x{a="b"}'),
        ("x{a='say \"hi\"'}", 'x{a="say \\"hi\\""}'),
    ],
)
def test_a_counter_is_a_selector_or_its_sum(query, found):
    assert str(selector_of(query)) == found


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("sum by (pod) (x)", "several series"),
        ("rate(x[5m])", "a window is given already"),
        ("x[5m]", "a window is given already"),
        ("avg(x)", "`avg` of a counter is no count"),
        ("x offset 5m", "another time"),
        ("x / y", "expected a selector"),
        ("sum(x", "unclosed"),
        ('x{a="b" or c="d"}', "one matcher with `=~`"),
    ],
)
def test_other_queries_are_no_counters_and_the_message_says_why(query, words):
    with pytest.raises(ValueError, match=words):
        selector_of(query)


def test_the_hole_for_the_window_may_be_spelled_with_spaces():
    assert template("sum(rate(x[{{ .window }}]))") == "sum(rate(x[{{.window}}]))"
    assert template("sum(rate(x[5m]))") is None


def test_a_query_that_is_only_the_sum_of_an_increase_can_be_counted_from_raw_samples():
    assert str(look('sum(increase(x{a="b"}[{{.window}}]))').lone) == 'x{a="b"}'
    assert look("sum(rate(x[{{.window}}])) + sum(rate(y[{{.window}}]))").lone is None


def test_a_part_of_a_selector_is_known_by_its_matchers():
    whole, part = selector_of('x{job="a"}'), selector_of('x{code=~"5..",job="a"}')

    assert part.is_part_of(whole)
    assert not whole.is_part_of(part)
    assert not selector_of('y{job="a",code="5"}').is_part_of(whole)


def test_matchers_of_alerts_must_exclude_something():
    assert [str(m) for m in matchers_of('{severity=~"critical|page",team!="x"}')] == [
        'severity=~"critical|page"',
        'team!="x"',
    ]
    for text in ("", 'team!="x"', 'severity=~".*"'):
        with pytest.raises(ValueError, match="Watchdog always fires"):
            matchers_of(text)


@pytest.mark.parametrize(
    ("labels", "hit"),
    [({"severity": "critical"}, True), ({"severity": "criticals"}, False), ({}, False)],
)
def test_expressions_are_anchored_as_prometheus_does(labels, hit):
    (matcher,) = matchers_of('severity=~"crit.*al"')

    assert matcher.matches(labels) is hit


def test_lengths_are_written_exactly():
    assert window_text(300) == "300s"
    assert window_text(90.5) == "90500ms"

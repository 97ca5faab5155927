"""Counting probes into seconds."""

from __future__ import annotations

from drillkit.model.evidence import Sample
from drillkit.sampler.tally import ProbeTally

START = 100.0


def counted(outcomes: str, rate: int = 10) -> list[Sample]:
    """`.` good, `x` refused, `-` dropped, `?` not watched, from the start at `rate`; all seconds
    that are over.
    """
    tally = ProbeTally("web", False, START)
    for n, outcome in enumerate(outcomes):
        intended = START + n / rate
        second = tally.second(intended)
        if outcome == "-":
            second.dropped += 1
            continue
        place = second.sent(intended, 0.001)
        if outcome == "?":
            second.unknown()
        else:
            second.answered(place, None if outcome == "." else "refused", 0.02)
    return list(tally.closed(START + len(outcomes) / rate))


def test_each_probe_counts_in_the_second_of_its_intended_time() -> None:
    assert [s.sent for s in counted("." * 30)] == [10, 10, 10]
    # 1/3 is no binary fraction: the fourth, seventh ... probe must still begin a second
    assert [s.sent for s in counted("." * 3 * 40, rate=3)] == [3] * 40


def test_flips_and_last_name_both_ends_of_every_run() -> None:
    (sample,) = counted("..xxx....x")
    assert sample.flips == ((100.0, True), (100.2, False), (100.5, True), (100.9, False))
    assert sample.last == ((100.1, True), (100.4, False), (100.8, True), (100.9, False))
    assert (sample.sent, sample.good, sample.bad) == (10, 6, {"refused": 4})


def test_nothing_is_claimed_of_probes_that_were_not_sent_or_not_watched() -> None:
    (sample,) = counted("..--??xx..")
    assert (sample.sent, sample.good, sample.bad, sample.dropped) == (6, 4, {"refused": 2}, 4)
    assert sample.flips == ((100.0, True), (100.6, False), (100.8, True))


def test_a_second_without_probes_is_a_sample_too_so_that_silence_is_blindness() -> None:
    tally = ProbeTally("web", True, START)
    samples = list(tally.closed(START + 2))
    assert [(s.sent, s.flips, s.last, s.lateness_p99_us, s.control) for s in samples] == [
        (0, (), (), 0, True)
    ] * 2


def test_a_second_waits_for_its_probes_and_those_after_it_wait_for_it() -> None:
    tally = ProbeTally("web", False, START)
    first, second = tally.second(START + 0.5), tally.second(START + 1.5)
    late, soon = first.sent(START + 0.5, 0), second.sent(START + 1.5, 0)
    second.answered(soon, None, 0.01)
    assert list(tally.closed(START + 2)) == []
    first.answered(late, "timeout", 2)
    assert [s.bad for s in tally.closed(START + 2)] == [{"timeout": 1}, {}]


def test_lateness_is_the_99th_percentile_of_what_left() -> None:
    tally = ProbeTally("web", False, START)
    second = tally.second(START)
    for n in range(100):
        second.answered(second.sent(START + n / 100, (n + 1) / 1000), None, 0.01)
    (sample,) = tally.closed(START + 1)
    assert sample.lateness_p99_us == 99_000


def test_what_is_left_at_the_end_is_handed_out_without_empty_seconds() -> None:
    tally = ProbeTally("web", False, START)
    second = tally.second(START + 3.5)
    second.answered(second.sent(START + 3.5, 0), None, 0.01)
    assert [s.sent for s in tally.rest()] == [1]

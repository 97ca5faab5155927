"""Error budgets: how fast one burns, how much a drill used, when a page would have come.

With objective p the tolerated bad share is e = 1 - p. Formulas and the usual windows: Google, *The
Site Reliability Workbook* (2018), chapter 5, "Alerting on SLOs".
"""

from __future__ import annotations

from drillkit.lazy_dataclass import dataclass

LEAST_EVENTS = 1.0
"""Fewer events by a metrics server are none: the rate of `... or vector(0.0001)` adds up to a
little without anything having happened.
"""


@dataclass(frozen=True, slots=True)
class BurnRateAlert:
    """One multi-window alert: it fires while the burn rate exceeds `factor` over both windows."""

    severity: str
    short_s: float
    long_s: float
    spends: float
    """Share of the budget that is gone when the long window alone would fire."""

    def factor(self, window_s: float) -> float:
        """Burn rate at which it fires, for an SLO over `window_s` seconds."""
        return burn_factor(self.spends, window_s, self.long_s)


PAGES = (
    BurnRateAlert("page", 300.0, 3600.0, 0.02),
    BurnRateAlert("page", 1800.0, 21_600.0, 0.05),
    BurnRateAlert("ticket", 7200.0, 86_400.0, 0.10),
    BurnRateAlert("ticket", 21_600.0, 259_200.0, 0.10),
)
"""Over 30 days: 14.4, 6, 3 and 1."""


def tolerated(target: float) -> float:
    """Tolerated bad share of an objective such as 0.995. Raises ValueError unless it is between
    0 and 1.
    """
    if not 0 < target < 1:
        raise ValueError(f"expected an objective between 0 and 1, such as 0.995, found {target}")
    return 1 - target


def burn_rate(bad: float, total: float, target: float) -> float:
    """How many times faster than allowed the budget burns; at 1 it lasts exactly its window.

    Raises ValueError where there is nothing to divide by.
    """
    if total <= 0 or not 0 <= bad <= total:
        raise ValueError(f"expected 0 <= bad <= total and total > 0, found {bad} of {total}")
    return bad / total / tolerated(target)


def budget_s(target: float, window_s: float) -> float:
    """Seconds of full outage that the budget allows in its window: 12,960 for 99.5 % over
    30 days.
    """
    return tolerated(target) * window_s


def consumed_by_events(bad: float, target: float, window_events: float) -> float:
    """Share of the budget that `bad` users' events consumed, where the window has `window_events`
    of them.
    """
    if window_events <= 0:
        raise ValueError(
            f"expected the number of events in the SLO's window, found {window_events}"
        )
    return bad / (tolerated(target) * window_events)


def consumed_by_time(
    bad: float, total: float, target: float, length_s: float, window_s: float
) -> float:
    """Share of the budget that burning for `length_s` seconds consumed, if traffic were even:
    an estimate.

    The only measure a prober has: its failures are no users' events.
    """
    return burn_rate(bad, total, target) * length_s / window_s


def burn_factor(spends: float, window_s: float, long_s: float) -> float:
    """Burn rate that spends the share `spends` of the budget within `long_s`: 14.4 for 2 % of 30 d
    in 1 h.
    """
    return spends * window_s / long_s


def can_fire(factor: float, target: float) -> bool:
    """Whether a burn rate of `factor` can be exceeded at all: even a full outage burns at 1 /
    e only.
    """
    return factor * tolerated(target) < 1


def time_to_page_s(
    factor: float, target: float, long_s: float, bad_share: float = 1.0
) -> float | None:
    """Seconds from the begin of an outage until the long window exceeds `factor`, after a
    clean past.

    `bad_share`: share of bad events during the outage. None: at that share it never fires. The
    short window of the pair fills sooner, so the long one decides.
    """
    needed = factor * tolerated(target)
    return needed * long_s / bad_share if needed < bad_share else None

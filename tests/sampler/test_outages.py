"""An outage is a bracket, and the truth lies in it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from drillkit.model.drill import Probe
from drillkit.model.units import Rate

pytestmark = pytest.mark.realtime

EDGE_S = 0.01
"""A connection that the kernel took just before the listener closed is reset, not refused."""


@pytest.mark.parametrize("length_s", [0.2, 0.7])
def test_the_truth_lies_in_the_bracket(own_service: Any, watcher: Any, length_s: float) -> None:
    with watcher({"web": Probe(http=own_service.url(), rate=Rate(50))}) as watch:
        time.sleep(0.45)  # the longer one begins in one second and ends in the next
        began = own_service.down()
        time.sleep(length_s)
        ended = own_service.up()
        time.sleep(0.3)
    points = sorted({p for s in watch.samples("web") for p in (*s.flips, *s.last)})
    bad = [at for at, good in points if not good]
    before = max(at for at, good in points if good and at < bad[0])
    after = min(at for at, good in points if good and at > bad[-1])
    truth = ended - began
    assert bad[-1] - bad[0] - EDGE_S <= truth <= after - before + EDGE_S
    assert (after - before) - (bad[-1] - bad[0]) == pytest.approx(2 / 50, abs=1e-4)
    assert before - EDGE_S <= began <= bad[0] + EDGE_S
    assert bad[-1] - EDGE_S <= ended <= after + EDGE_S
    total = watch.total("web")
    assert set(total.bad) <= {"refused", "reset"}
    assert sum(total.bad.values()) == pytest.approx(truth * 50, abs=2)

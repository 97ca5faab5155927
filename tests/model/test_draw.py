"""A draw of a backup that anybody can repeat, with nothing but sha256sum."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from drillkit.model.draw import moment, position

NAMES = ("shop-1", "shop-2", "shop-3")


def test_the_draw_is_the_digest_of_seed_and_names_modulo_how_many_there_are() -> None:
    digest = hashlib.sha256(b"20270115-080000-x7k2/shop\nshop-1\nshop-2\nshop-3\n").hexdigest()
    assert position("20270115-080000-x7k2/shop", NAMES) == int(digest, 16) % 3


def test_each_is_drawn_about_as_often_as_the_others() -> None:
    counts = Counter(position(f"seed {number}", NAMES) for number in range(3000))
    assert all(850 < counts[place] < 1150 for place in range(3))


def test_nothing_is_drawn_from_nothing() -> None:
    with pytest.raises(ValueError, match="found nothing"):
        position("seed", ())


def test_a_moment_is_a_whole_second_of_the_window_its_ends_included() -> None:
    first = datetime(2027, 1, 1, tzinfo=UTC)
    last = first + timedelta(seconds=2, milliseconds=700)
    drawn = {moment(f"seed {number}", first, last) for number in range(60)}
    assert drawn == {first + timedelta(seconds=n) for n in range(3)}
    assert moment("seed", first, first) == first
    with pytest.raises(ValueError, match="after"):
        moment("seed", last, first)

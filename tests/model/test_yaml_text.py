"""YAML that is not a drill is read whole or refused, however it is nested."""

from __future__ import annotations

import pytest
import yaml

from drillkit.model.yaml_text import MOST_LEVELS, dump_yaml, load_yaml


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000,
        "- " * 20_000 + "a",
        "{a: " * 3_000 + "1" + "}" * 3_000,
        "a: 2001-99-99",
        "a: !!python/object x",
        "a\n b: c:d",
        "? [1, 2]\n: ? {a: b}\n  : c",
    ],
)
def test_what_cannot_be_read_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"not YAML|nested too deeply|month must be|cannot hold"):
        load_yaml(text)


def test_what_is_nested_as_people_do_is_read() -> None:
    text = "[" * MOST_LEVELS + "]" * MOST_LEVELS
    assert load_yaml(text) == yaml.safe_load(text)


def test_it_reads_what_it_writes_in_the_order_that_it_was_given() -> None:
    data = {"zone": "a", "apiVersion": "v1", "n": [1, 2.5, None, True, "1", "ä", "no", "x\ny"]}
    written = dump_yaml(data, width=110)
    assert load_yaml(written) == data
    assert list(load_yaml(written)) == ["zone", "apiVersion", "n"]
    assert "ä" in written

from __future__ import annotations

import pytest

from drillkit.model.json_text import load_json


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, b"[" * 200_000, "{", b"\xff"])
def test_whatever_cannot_be_read_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        load_json(text)

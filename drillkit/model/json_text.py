"""JSON that others wrote: files that may be damaged, answers of servers."""

from __future__ import annotations

import json
from typing import Any


def load_json(text: str | bytes) -> Any:
    """The data in a text. Raises ValueError for whatever cannot be read, nesting without end too
    (which `json.loads` answers with a RecursionError).
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None

"""`pytest tests/golden --update-golden` writes the stored reports anew; look at the difference."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="Write the stored reports anew.")

"""Checks of what a restore left: the data is read, compared with what was promised, and written
down as evidence.
"""

from __future__ import annotations

from drillkit.checks.context import Context, Copy
from drillkit.checks.verify import permissions_of, problems_of, verify
from drillkit.checks.warm import warm

__all__ = ["Context", "Copy", "permissions_of", "problems_of", "verify", "warm"]

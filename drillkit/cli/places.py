"""Where reports go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drillkit.spec.files import Roots


def reports_folder(out: Path | None, roots: Roots | None = None) -> Path:
    """`--out`, else the project's reports folder, else `reports/` here."""
    if out is not None:
        return out
    if roots is None:
        from drillkit.spec.files import find_roots

        roots = find_roots()
    return roots.project.reports if roots.project is not None else Path("reports")

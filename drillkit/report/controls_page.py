"""An auditor's matrix as a page."""

from __future__ import annotations

from drillkit.controls.assess import Matrix
from drillkit.controls.framework import NEEDS
from drillkit.report.index_page import environment


def controls_page(matrix: Matrix) -> str:
    """The matrix as HTML that needs nothing from elsewhere."""
    template = environment().get_template("controls.html.j2")
    return template.render(m=matrix, needs=NEEDS)

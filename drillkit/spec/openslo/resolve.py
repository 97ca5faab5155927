"""From documents to a `Slo`: references followed, each refusal with its place, its reason and what
to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from drillkit.model.slo import Probed, Slo
from drillkit.spec.document import Mistakes, nearest, quoted
from drillkit.spec.openslo.burn_alerts import burn_alerts
from drillkit.spec.openslo.documents import SloDocument
from drillkit.spec.openslo.indicator import indicator_of, sli_of
from drillkit.spec.openslo.library import Document, Resolution, SloLibrary
from drillkit.spec.openslo.terms import budgeting, only_objective, share_of_good, time_window

OWNER = "drillkit.dev/owner"
"""Annotation: who answers for the objective."""


def resolve(document: Document, library: SloLibrary, mistakes: Mistakes) -> Slo | None:
    """The objective of an SLO document, or None when mistakes were noted."""
    before = len(mistakes)
    made = _slo(Resolution(document, library, mistakes))
    return made if len(mistakes) == before else None


def _slo(here: Resolution) -> Slo | None:
    data: SloDocument = here.document.data
    metadata, spec = data.metadata, data.spec
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", metadata.name):
        here.wrong(
            ("metadata", "name"), "expected a name of letters, digits, `-` and `_` (at most 63)"
        )
    owner = _owner(here, metadata.annotations)
    objective = only_objective(here, spec.objectives)
    window = time_window(here, spec.timeWindow)
    found = indicator_of(here)
    if objective is None or window is None or found is None:
        return None
    indicator, at, path = found
    target = share_of_good(here, objective)
    method = budgeting(here, spec.budgetingMethod, objective)
    sli = sli_of(here, indicator, at, path, objective, sliced=spec.budgetingMethod == "Timeslices")
    if target is None or method is None or sli is None:
        return None
    slices = method[0]
    if isinstance(sli, Probed) and slices is not None:
        here.wrong(
            ("spec", "budgetingMethod"), "a probe's answers are events; expected Occurrences"
        )
        return None
    return Slo(
        name=metadata.name,
        title=metadata.displayName or objective.displayName or metadata.name,
        description=(spec.description or "").strip(),
        service=spec.service,
        owner=owner,
        target=target,
        window=window[0],
        calendar=window[1],
        sli=sli,
        slices=slices,
        alerts=tuple(burn_alerts(here, target)),
    )


def _owner(here: Resolution, annotations: Mapping[str, str]) -> str:
    for key in annotations:
        if key.startswith("drillkit.") and key != OWNER:
            what = f"unknown setting {quoted(key)}{nearest(key, (OWNER,))}"
            here.wrong(("metadata", "annotations", key), what)
    return annotations.get(OWNER, "")

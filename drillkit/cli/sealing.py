"""Reports, and the seal on them: what every command that renders a run does."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drillkit.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from drillkit.model.verdict import Verdict


def write_and_seal(folder: Path, warn: Callable[[str], None]) -> tuple[Verdict, tuple[Path, ...]]:
    """Render a run's reports and seal them where its start stands in a chain, signed where
    DRILLKIT_SIGNING_KEY names a key. What keeps it from being sealed is told, and changes nothing.

    Raises what `write_reports` raises.
    """
    from drillkit.report import write_reports

    verdict, paths, history = write_reports(folder)
    from drillkit.attest.envelope import NotSigned
    from drillkit.attest.seal import is_entered, seal
    from drillkit.model.errors import DrillError

    try:
        if is_entered(folder, history):
            seal(folder, SYSTEM_CLOCK.now(), _signer(), history)
    except NotSigned as error:
        warn(f"the run is not signed: {error}; mend that and run: drillkit sign {folder.name}")
    except (OSError, DrillError) as error:
        warn(f"the run is not sealed: {error}; mend that and run: drillkit sign {folder.name}")
    from drillkit.cli.runs import follow

    follow(folder, warn)
    return verdict, paths


def _signer() -> Any:
    from drillkit.cli.evidence import SIGNING_KEY, signer

    reference = os.environ.get(SIGNING_KEY, "")
    return signer(reference) if reference else None

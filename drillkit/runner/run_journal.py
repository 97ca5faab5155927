"""Where a run's journal is opened: in its folder and, where the folder of reports is the copy of a
bucket, in that bucket.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from drillkit.clock import Clock, Fence
from drillkit.journal.claim import RunNote
from drillkit.journal.file import Journal
from drillkit.journal.runs import COPIED, unregister
from drillkit.model.errors import UsageError
from drillkit.plan import longest_of
from drillkit.runner.limits import effect_limits
from drillkit.runner.request import Request
from drillkit.runner.run_start import Place, cannot_be_written

if TYPE_CHECKING:
    from drillkit.runner.bucket_run import BucketRun


def open_journal(
    request: Request, place: Place, clock: Clock, fence: Fence, on_lost: Callable[[str], None]
) -> tuple[Journal, BucketRun | None]:
    """The journal of a run that begins, and what of it is in a bucket. `on_lost` is told why it
    can be written no more.

    Raises UsageError when it cannot be written now: then the run never began.
    """
    in_bucket: BucketRun | None = None
    longest = longest_of(request.drill, attended=request.attended)
    try:
        in_bucket = _begin_in_bucket(request, clock)
        journal = Journal(
            place.journal,
            clock=clock,
            fence=fence,
            on_lost=on_lost,
            limits=effect_limits(request.target, longest),
            mirror=in_bucket.mirror if in_bucket else None,
        )
    except OSError as error:
        _never_began(request, in_bucket)
        raise cannot_be_written(place.journal, error) from error
    except UsageError:
        _never_began(request, in_bucket)
        raise
    return journal, in_bucket


def _begin_in_bucket(request: Request, clock: Clock) -> BucketRun | None:
    """Where the reports are the copy of a bucket: note the run there. Raises UsageError."""
    if not (request.reports / COPIED).is_file():
        return None
    from drillkit.runner.bucket_run import begin

    names = request.names
    note = RunNote(names.id, names.drill, request.target.name, request.drill.owner)
    return begin(request.reports, note, clock)


def _never_began(request: Request, in_bucket: BucketRun | None) -> None:
    if in_bucket is not None:
        in_bucket.end("", open_=False)
    unregister(request.names.id)

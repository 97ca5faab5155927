"""Reads the journal as it is written: feeds the steady state, watches the abort bounds, shows the
run to people.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from drillkit.model.evidence import Sample
from drillkit.model.records import Record

Reader = Callable[[Record], None]
SampleReader = Callable[[Sample, Record], None]
TICK_S = 0.5
"""How often somebody is told that nothing came."""


class RecordDispatch:
    """One thread that hands every record to its readers, in order. The journal's writers never wait
    for them.
    """

    def __init__(
        self,
        readers: tuple[Reader, ...],
        sample_readers: tuple[SampleReader, ...],
        tick: Callable[[], None],
    ) -> None:
        self._readers, self._sample_readers, self._tick = readers, sample_readers, tick
        self._queue: queue.SimpleQueue[Record | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="watching", daemon=True)

    def put(self, record: Record) -> None:
        """What the journal calls; never blocks."""
        self._queue.put(record)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Hand over what is left, then end."""
        self._queue.put(None)
        self._thread.join(5)

    def _work(self) -> None:
        while True:
            try:
                record = self._queue.get(timeout=TICK_S)
            except queue.Empty:
                self._tick()
                continue
            if record is None:
                return
            if isinstance(record.entry, Sample):
                for take in self._sample_readers:
                    take(record.entry, record)
            for read in self._readers:
                read(record)

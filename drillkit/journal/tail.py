"""The records of a journal that somebody else is still writing."""

from __future__ import annotations

from pathlib import Path

from drillkit.journal.file import salvage_line
from drillkit.model.records import Record

READ_BYTES = 1 << 20
"""So much at once: a long journal does not fill the memory of whoever only shows it."""


class Tail:
    """Gives what has been added since it last looked. It shows, so it verifies no chain: a line
    that is no record is passed over.
    """

    def __init__(self, path: Path) -> None:
        """`path`: it need not be there yet."""
        self._path, self._offset = path, 0

    def read(self) -> list[Record]:
        """The next whole lines, at most about a megabyte of them; none when nothing was added.

        Raises OSError other than that it is not there.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                content = file.read(READ_BYTES)
                if content and b"\n" not in content:
                    content += file.readline()
        except FileNotFoundError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        found = (salvage_line(line, "")[0] for line in whole.splitlines())
        return [record for record in found if record is not None]

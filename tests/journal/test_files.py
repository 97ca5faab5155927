"""How a file is put in place as a whole, and what is never replaced by one."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from drillkit.journal.files import read_file, write_file


def test_a_file_is_replaced_as_a_whole_and_no_draft_stays(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_file(file, b"old")
    write_file(file, b"new", durable=True)
    assert (file.read_bytes(), os.listdir(tmp_path)) == (b"new", ["file"])


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    null = tmp_path / "null"
    null.symlink_to(os.devnull)
    write_file(null, b"x" * 100_000)
    assert null.is_symlink()
    assert stat.S_ISCHR(null.stat().st_mode)
    assert os.listdir(tmp_path) == ["null"]


def test_what_is_written_to_a_pipe_comes_out_of_it(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    writing = os.open(pipe, os.O_RDWR)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_file(pipe, b"x" * 300_000)
    os.close(writing)
    reader.join(10)
    assert len(read[0]) == 300_000
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_nobody_waits_for_a_reader_of_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="No such device or address"):
        write_file(pipe, b"x")


@pytest.mark.parametrize("name", ["", ".", "/", "folder"])
def test_a_folder_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_file(Path(name), b"x")
    assert os.listdir(tmp_path) == ["folder"]


def test_an_open_descriptor_by_its_name_is_written_to(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with file.open("wb") as opened:
        write_file(Path(f"/dev/fd/{opened.fileno()}"), b"x")
    assert file.read_bytes() == b"x"


def test_only_a_file_is_read_and_nobody_waits_for_what_is_none(tmp_path: Path) -> None:
    pipe, zero, file = tmp_path / "pipe", tmp_path / "zero", tmp_path / "file"
    os.mkfifo(pipe)
    zero.symlink_to("/dev/zero")
    file.write_bytes(b"content")
    for path in (pipe, zero, tmp_path):
        with pytest.raises(OSError, match="is no file"):
            read_file(path)
    assert read_file(file) == b"content"
    assert read_file(file, 7) == b"content"
    with pytest.raises(OSError, match="has more than 6 bytes"):
        read_file(file, 6)

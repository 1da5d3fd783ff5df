"""Files that are none, disks that are full: nothing waits for ever, and nothing that was there is lost."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from guardsdk import Guard
from guardsdk.disk import write_file
from guardsdk.errors import InputError, PolicyError, TeachingError
from guardsdk.monitor.files import read_state
from guardsdk.policy.load import load_policy
from guardsdk.teaching.lesson import Lesson

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="has no pipes and devices among its files")


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A pipe that nobody writes to, in the place of a file."""
    path = tmp_path / "pipe.toml"
    os.mkfifo(path)
    return path


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file grow over ``size`` bytes: what a full disk does, to this process alone."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_pipe_that_nobody_writes_to_is_refused_and_not_waited_for(pipe: Path) -> None:
    with pytest.raises(PolicyError, match=r"pipe\.toml: cannot be read: a pipe or a device; copy what it gives"):
        Guard(pipe, observers=())
    with pytest.raises(TeachingError, match=r"pipe\.toml cannot be read: a pipe or a device"):
        Lesson.load(pipe)
    with pytest.raises(OSError, match="a pipe or a device"):
        read_state(pipe)


def test_neither_a_device_without_end_nor_a_folder_is_a_policy(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="/dev/zero: cannot be read: a pipe or a device"):
        load_policy("/dev/zero")
    with pytest.raises(PolicyError, match="cannot be read: Is a directory"):
        load_policy(tmp_path)


def test_links_in_a_circle_are_no_policy(tmp_path: Path) -> None:
    (tmp_path / "a.toml").symlink_to(tmp_path / "b.toml")
    (tmp_path / "b.toml").symlink_to(tmp_path / "a.toml")
    with pytest.raises(PolicyError, match=r"a\.toml: cannot be read: Too many levels of symbolic links"):
        load_policy(tmp_path / "a.toml")


def test_a_chain_of_policies_has_an_end_that_is_named(tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / f"{number}.toml").write_text(f'extends = "{number + 1}.toml"\nname = "n"\nversion = "1"\n')
    with pytest.raises(PolicyError, match=r"20\.toml:1: more than 20 files extend one another"):
        load_policy(tmp_path / "0.toml")
    (tmp_path / "1000.toml").write_text('extends = "default"\nname = "n"\nversion = "1"\n')
    assert load_policy(tmp_path / "981.toml").principles == load_policy("default").principles


def test_lines_that_end_in_two_characters_and_a_mark_in_front_change_nothing(tmp_path: Path) -> None:
    text = (
        'name = "n"\nversion = "1"\nextends = "default"\n[[principle]]\nid = "no-jailbreak"\ntext = """One\nTwo."""\n'
    )
    (tmp_path / "one.toml").write_bytes(text.encode())
    (tmp_path / "two.toml").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load_policy(tmp_path / "one.toml").digest == load_policy(tmp_path / "two.toml").digest


def test_json_as_deep_as_it_is_long_is_no_lesson_and_no_state(tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_text("[" * 200_000)
    with pytest.raises(TeachingError, match=r"deep\.json is no lesson"):
        Lesson.load(path)
    with pytest.raises(InputError, match=r"deep\.json: no state of a monitor"):
        read_state(path)


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "lesson.json"
    write_file(path, "old\n")
    with room_for(10), pytest.raises(OSError, match="File too large") as caught:
        write_file(path, "much longer than there is room for")
    assert caught.value.filename == str(path)
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_modes_and_links_stay_and_a_private_file_is_its_owners(tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    write_file(link, "caf\xe9 \udce9")
    assert link.is_symlink()
    assert path.read_bytes() == b"caf\xc3\xa9 \\udce9"
    assert path.stat().st_mode & 0o777 == 0o640
    write_file(path, "new", private=True)
    assert path.stat().st_mode & 0o777 == 0o600
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "fresh", "new")
    finally:
        os.umask(before)
    assert (tmp_path / "fresh").stat().st_mode & 0o777 == 0o640


def test_a_device_is_written_to_and_not_replaced() -> None:
    reading, writing = os.pipe()
    try:
        write_file(f"/dev/fd/{writing}", "text")
        assert os.read(reading, 10) == b"text"
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EROFS])
def test_a_file_that_is_mounted_by_itself_is_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = tmp_path / "mounted"
    path.write_text("old")

    def refuse(self: Path, target: Path) -> Path:
        raise OSError(number, os.strerror(number), str(self), None, str(target))

    monkeypatch.setattr(Path, "replace", refuse)
    write_file(path, "new")
    assert path.read_text() == "new"
    with pytest.raises(OSError, match="fresh"):
        write_file(tmp_path / "fresh", "new")
    assert list(tmp_path.iterdir()) == [path]

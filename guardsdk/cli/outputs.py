"""Where a command writes: never over what it reads, and never to a folder that is not there once the work is done."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from guardsdk.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable


def require_apart(written: Iterable[str | Path | None], read: Iterable[str | Path | None]) -> None:
    """Raise ``InputError`` where one of the files ``written`` is among those ``read``, or written twice.

    Also where its folder does not exist: a command that takes minutes says so before, and not after them. A pipe or a
    device may be both.
    """
    taken = [one for one in read if one is not None]
    for out in written:
        if out is None or _takes_all(out):
            continue
        for one in taken:
            if _same(out, one):
                msg = f"{out} would be written over {one}, which this command needs; write to another file"
                raise InputError(msg)
        folder = Path(os.path.realpath(out)).parent
        if not folder.is_dir():
            msg = f"{out} cannot be written: there is no folder {folder}"
            raise InputError(msg)
        taken.append(out)


def _same(one: str | Path, other: str | Path) -> bool:
    """Whether both names are of one file, as links are, or would be of one that is not there yet."""
    try:
        return os.path.samefile(one, other)  # noqa: PTH121  names and paths
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)


def _takes_all(out: str | Path) -> bool:
    """Whether there is a pipe or a device, which takes what it is given, as often as it is given something."""
    path = Path(out)
    return path.exists() and not path.is_file() and not path.is_dir()

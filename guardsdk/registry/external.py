"""Finds the external weight files that an ONNX graph refers to."""

from __future__ import annotations

import mmap
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from guardsdk.errors import ChecksumMismatchError, ModelError

if TYPE_CHECKING:
    from pathlib import Path

_LOCATION: Final = re.compile(rb"\x0a\x08location\x12([\x00-\x7f]|[\x80-\xff][\x00-\x7f])")
"""An entry of ``TensorProto.external_data`` (onnx.proto) with this key in Protocol Buffers wire format: the key with
tag and length, the tag of the value, and the value's length. Weights that contain these bytes by chance would only
cause the model to be rejected."""
_SEVEN_BITS: Final = 7


def external_files(directory: Path, graph: str) -> list[str]:
    """Return the files that the graph file ``graph`` of ``directory`` opens, sorted, relative to ``directory``.

    Raises ``ModelError`` for a name that is invalid or leads out of the graph's directory, and
    ``ChecksumMismatchError`` for a file that is truncated meanwhile.
    """
    path = directory / graph
    if not path.stat().st_size:
        return []
    found = set()
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            for match in _LOCATION.finditer(content):
                low, *high = match[1]
                length = (low & 0x7F) | ((high[0] << _SEVEN_BITS) if high else 0)
                found.add(content[match.end() : match.end() + length])
    except ValueError as error:  # an empty file cannot be mapped
        msg = f"model file {path} was emptied while it was read: the model is refused"
        raise ChecksumMismatchError(msg) from error
    names = []
    for raw in found:
        name = raw.decode("utf-8", "replace")
        parts = PurePosixPath(name)
        if not parts.name or parts.is_absolute() or ".." in parts.parts or "\\" in name or "\0" in name:
            msg = f"model file {path} opens {name!r}, which is not in its folder: the model is refused"
            raise ModelError(msg)
        names.append((PurePosixPath(graph).parent / parts).as_posix())
    return sorted(names)

"""Groups rows into batches, and lays them out as arrays."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from array import array
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from guardsdk.engine.early import Bounds

    Integers = NDArray[np.int64]

_STEP = 1.25
"""Largest ratio of longest to shortest row in a batch, which limits the computation spent on padding."""
_SLACK = 8
"""A difference of so many tokens never matters."""
_ONES = np.ones((1, 1024), dtype=np.int64)
_ZEROS = np.zeros((1, 1024), dtype=np.int64)
_ONES.flags.writeable = _ZEROS.flags.writeable = False
"""Mask and token types of a single row are views of these, if it is no longer."""


class Row(NamedTuple):
    """One window of one text, ready to run."""

    owner: int
    """Index of the request."""
    window: int
    """Index of the window within the request."""
    head: array[int]
    """Everything before the window: special ids, stage token, context."""
    body: array[int]
    """The window's tokens."""
    paired: bool
    """Whether the head contains a context."""
    length: int
    """Tokens including everything around the window."""
    bounds: Bounds | None = None
    """Bounds for clearing it early; ``None`` if it must go through all layers."""


def plan_batches(lengths: Sequence[int], rows: int, tokens: int) -> list[list[int]]:
    """Group rows of the given lengths into batches of similar length.

    A batch has at most ``rows`` rows and ``tokens`` tokens, padding included, and always at least one row. Returns
    indices into ``lengths``, each exactly once.
    """
    if rows == 1:
        return [[index] for index in range(len(lengths))]
    batches: list[list[int]] = []
    shortest = 0
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        length = lengths[index]
        batch = batches[-1] if batches else None
        if batch is None or len(batch) == rows or not fits(shortest, length, len(batch) + 1, tokens):
            batches.append([index])
            shortest = length
        else:
            batch.append(index)
    return batches


def distinct(rows: Sequence[Row]) -> tuple[list[Row], dict[tuple[int, int], list[int]]]:
    """Return ``rows`` without duplicates within a text, and the windows each row stands for.

    The latter are keyed by ``(owner, window)`` of the row that is kept. A text that repeats one character has hundreds
    of equal windows.
    """
    first: dict[tuple[int, bytes], Row] = {}
    same: dict[tuple[int, int], list[int]] = {}
    for row in rows:
        known = first.setdefault((row.owner, row.body.tobytes()), row)
        if known is not row:
            same.setdefault((known.owner, known.window), []).append(row.window)
    return list(first.values()), same


def fits(shortest: int, longest: int, rows: int, tokens: int) -> bool:
    """Whether ``rows`` rows of these lengths need little padding and have at most ``tokens`` tokens together."""
    return rows * longest <= tokens and longest <= shortest * _STEP + _SLACK


def arrays(rows: Sequence[Row], suffix: array[int], pad: int) -> tuple[Integers, Integers, Integers]:
    """Lay out ``rows`` as arrays: head, body, ``suffix``, then ``pad`` with mask 0.

    Returns token ids, attention mask and token types, [B, T] each. The token type is 0 in the head and, if a row is
    ``paired``, 1 after it.
    """
    if len(rows) == 1:  # always so on CPU; avoids a few copies
        row = rows[0]
        ids = np.frombuffer(row.head + row.body + suffix, np.int64)[np.newaxis]
        if row.length <= _ONES.shape[1] and not row.paired:
            return ids, *_unpaired(row.length)
        kinds = np.zeros_like(ids)
        if row.paired:
            kinds[0, len(row.head) :] = 1
        return ids, np.ones_like(ids), kinds
    longest = max(len(row.head) + len(row.body) for row in rows) + len(suffix)
    shape = (len(rows), longest)
    ids = np.full(shape, pad, dtype=np.int64)
    mask = np.zeros(shape, dtype=np.int64)
    kinds = np.zeros(shape, dtype=np.int64)
    for at, row in enumerate(rows):
        start = len(row.head)
        end = start + len(row.body)
        ids[at, :start] = row.head
        ids[at, start:end] = row.body
        ids[at, end : end + len(suffix)] = suffix
        mask[at, : end + len(suffix)] = 1
        if row.paired:
            kinds[at, start : end + len(suffix)] = 1
    return ids, mask, kinds


@cache
def _unpaired(length: int) -> tuple[Integers, Integers]:
    """Return mask and token types, [1, ``length``] each, of a single row, as cached views."""
    return _ONES[:, :length], _ZEROS[:, :length]

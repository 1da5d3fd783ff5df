from __future__ import annotations

from array import array

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from guardsdk.engine.batches import Row, arrays, distinct, plan_batches
from guardsdk.engine.tokenizer import WIDE


def tokens_of(*ids: int) -> array[int]:
    return array(WIDE, ids)


@given(st.lists(st.integers(3, 256), max_size=80), st.integers(1, 16), st.integers(64, 2048))
def test_every_row_runs_once_within_the_limits(lengths: list[int], rows: int, tokens: int) -> None:
    batches = plan_batches(lengths, rows, tokens)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        own = [lengths[index] for index in batch]
        assert len(batch) <= rows
        assert len(batch) == 1 or max(own) * len(own) <= tokens
        assert max(own) <= min(own) * 1.25 + 8


def test_rows_of_similar_length_share_a_batch() -> None:
    assert plan_batches([10, 200, 12, 11, 210], 8, 4096) == [[0, 3, 2], [1, 4]]


def test_rows_are_laid_out_with_padding_masked_and_the_answer_marked() -> None:
    head, paired_head = tokens_of(101, 2), tokens_of(101, 4, 7, 8, 102)
    rows = [
        Row(0, 0, head, tokens_of(11, 12), paired=False, length=5),
        Row(1, 0, paired_head, tokens_of(13), paired=True, length=7),
    ]
    ids, mask, kinds = arrays(rows, tokens_of(102), 0)
    assert ids.tolist() == [[101, 2, 11, 12, 102, 0, 0], [101, 4, 7, 8, 102, 13, 102]]
    assert mask.tolist() == [[1, 1, 1, 1, 1, 0, 0], [1] * 7]
    assert kinds.tolist() == [[0] * 7, [0, 0, 0, 0, 0, 1, 1]]
    assert ids.dtype == mask.dtype == kinds.dtype == np.int64
    for at, row in enumerate(rows):
        alone = arrays([row], tokens_of(102), 0)
        assert [part[0].tolist() for part in alone] == [part[at, : row.length].tolist() for part in (ids, mask, kinds)]
        assert alone[0].dtype == np.int64


def test_a_window_stands_for_those_of_its_text_that_say_the_same() -> None:
    def row(owner: int, window: int, *body: int) -> Row:
        return Row(owner, window, tokens_of(101), tokens_of(*body), paired=False, length=len(body) + 2)

    rows = [row(0, 0, 7, 7), row(0, 1, 7), row(0, 2, 7, 7), row(0, 3, 7, 7), row(1, 0, 7, 7), row(1, 1, 8, 7)]
    kept, same = distinct(rows)
    assert [(one.owner, one.window) for one in kept] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert same == {(0, 0): [2, 3]}

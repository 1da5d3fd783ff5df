"""What texts are cleared by: the bounds hold what they promise on logits of known make."""

from __future__ import annotations

import numpy as np
import pytest

from models.training.early import MISSED, Windows, as_read, bounds, cleared

LINE = (0.8, -0.5)


def _pool(rng: np.random.Generator, label: str | None, centre: float, count: int = 4000) -> Windows:
    late = rng.normal(centre, 2.0, (count, 2))
    early = (late - LINE[1]) / LINE[0] + rng.normal(0.0, 0.3, late.shape)
    return Windows(early.astype(np.float32), late.astype(np.float32), np.arange(count), label)


@pytest.fixture
def pools() -> list[Windows]:
    rng = np.random.default_rng(3)
    return [_pool(rng, None, -5.0), _pool(rng, "a", 4.0), _pool(rng, "b", 4.0), _pool(rng, "a", 3.0)]


def test_hardly_a_window_that_fires_is_cleared_and_most_harmless_ones_are(pools: list[Windows]) -> None:
    columns, thresholds = {"a": 0, "b": 1}, {"a": 1.0, "b": 1.5}
    found = bounds(pools, columns, thresholds)
    assert cleared(pools[0], columns, found).mean() > 0.8
    wider = {label: one.model_copy(update={"clear_below": one.clear_below + 2.0}) for label, one in found.items()}
    missed: list[list[float]] = [[], []]
    for pool in pools[1:]:
        fires = pool.late[:, columns[pool.label or ""]] >= thresholds[pool.label or ""]
        for bound, shares in zip((found, wider), missed, strict=True):
            shares.append(cleared(pool, columns, bound)[fires].mean())
    assert np.mean(missed[0]) <= MISSED
    assert np.mean(missed[1]) > 3 * MISSED


def test_a_source_unlike_the_others_narrows_the_bounds(pools: list[Windows]) -> None:
    columns, thresholds = {"a": 0, "b": 1}, {"a": 1.0, "b": 1.5}
    usual = bounds(pools, columns, thresholds)["a"].clear_below
    odd = Windows(pools[1].early - np.float32(1.5), pools[1].late, pools[1].owner, "a")
    assert bounds([*pools, odd], columns, thresholds)["a"].clear_below < usual - 0.5


def test_the_line_gives_back_late_logits_and_never_reaches_the_threshold(pools: list[Windows]) -> None:
    found = bounds(pools, {"a": 0, "b": 1}, {"a": 1.0, "b": 1.5})
    for label, threshold in (("a", 1.0), ("b", 1.5)):
        one = found[label]
        assert one.slope == pytest.approx(LINE[0], abs=0.1)
        assert one.slope * one.clear_below + one.intercept < threshold


def test_a_label_of_one_source_is_held_to_the_same_share_as_any_other() -> None:
    low = np.linspace(-8.0, -1.0, 4000, dtype=np.float32)[:, None]
    high = np.linspace(0.0, 1.0, 1000, dtype=np.float32)[:, None]
    harmless = Windows(low, low, np.arange(4000), None)
    only = Windows(high, np.full_like(high, 10.0), np.arange(1000), "a")
    found = bounds([harmless, only], {"a": 0}, {"a": 5.0})
    assert cleared(harmless, {"a": 0}, found).all()
    assert 0.0 < cleared(only, {"a": 0}, found).mean() <= MISSED


def test_a_label_that_nothing_fires_for_clears_nothing(pools: list[Windows]) -> None:
    columns = {"a": 0, "b": 1}
    found = bounds([pools[0], pools[1]], columns, {"a": 1.0, "b": 1.5})
    assert not cleared(pools[0], columns, found).any()


def test_every_source_has_the_same_say() -> None:
    rng = np.random.default_rng(4)
    large, small = _pool(rng, "a", 6.0, 9000), _pool(rng, "a", 6.0, 300)
    low = Windows(small.early - 4.0, small.late, small.owner, "a")
    alone = bounds([large], {"a": 0}, {"a": 0.0})["a"].clear_below
    joint = bounds([large, low], {"a": 0}, {"a": 0.0})["a"].clear_below
    assert joint < alone - 1.0


def test_a_text_reads_as_the_highest_of_its_windows_cleared_ones_by_the_line() -> None:
    early = np.array([[-9.0], [3.0], [-8.0], [-7.0]], np.float32)
    late = np.array([[-1.0], [2.0], [-2.0], [-3.0]], np.float32)
    seen = Windows(early, late, np.array([0, 0, 1, 1]), None)
    one = bounds([Windows(early, late, seen.owner, "a")], {"a": 0}, {"a": 1.0})["a"]
    exact = one.model_copy(update={"slope": 0.5, "intercept": 0.0, "clear_below": -7.5})
    assert cleared(seen, {"a": 0}, {"a": exact}).tolist() == [True, False, True, False]
    assert as_read(seen, {"a": 0}, {"a": exact})["a"].tolist() == [2.0, -3.0]
    assert seen.highest(0).tolist() == [2.0, -2.0]

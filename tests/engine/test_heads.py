"""Heads beside the model's own: read in the same run, window by window, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from math import isnan

import numpy as np
import pytest

from guardsdk.engine.classifier import Classifier, Request
from guardsdk.engine.heads import ALIKE, FAR, Head, Heads, Ordinary
from guardsdk.errors import ModelError
from guardsdk.registry.manifest import Calibration
from guardsdk.verdict import Stage

WIDTH = 384
NEVER = 1e9
FILLER = "The quarterly figures were discussed at length and nobody had any question about them. " * 60


def ordinary(width: int = WIDTH, seed: int = 3) -> Ordinary:
    rng = np.random.default_rng(seed)
    rows = (rng.normal(size=(5, width)) / width**0.5).astype(np.float32)
    return Ordinary(rows[0], rows[1:], 9.0)


def head(name: str, weights: np.ndarray, intercept: float = 0.0, *, around: Ordinary | None = None) -> Head:
    return Head(
        name=f"taught.{name}",
        ordinary=ordinary(len(weights)) if around is None else around,
        weights=weights.astype(np.float32),
        examples=np.zeros((0, len(weights)), dtype=np.float32),
        gate=NEVER,
        intercept=intercept,
        calibration=Calibration(slope=2.0, intercept=-1.0),
    )


def probability(odds: float) -> float:
    return float(1.0 / (1.0 + np.exp(-(2.0 * odds - 1.0))))


def test_a_head_is_a_product_with_the_way_from_ordinary_text_calibrated(shipped: Classifier) -> None:
    request = Request("What is the capital of Portugal?", Stage.INPUT)
    (plain,) = shipped.score([request])
    assert plain.embedding is not None
    rows = np.random.default_rng(0).normal(size=(3, WIDTH))
    here, there = ordinary(), ordinary(seed=4)
    given = [head(f"h{at}", row, at, around=(here, there, here)[at]) for at, row in enumerate(rows)]
    (joint,) = shipped.score([request], heads=Heads(given))
    for one in given:
        way = plain.embedding - one.ordinary.mean
        length = (one.ordinary.scale * way @ way - ((one.ordinary.directions @ way) ** 2).sum()) ** 0.5
        assert one.ordinary.lengths(plain.embedding[None])[0] == pytest.approx(length, rel=1e-4)
        odds = float(one.weights @ way / length) + one.intercept
        assert joint.probabilities[one.name] == pytest.approx(probability(odds), rel=1e-4)
    assert {name: joint.probabilities[name] for name in plain.probabilities} == plain.probabilities
    assert joint.span("taught.h0") == (0, len(request.text))


def test_the_closest_example_speaks_where_the_product_lets_it() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(1, WIDTH)).astype(np.float32)
    x /= np.linalg.norm(x)
    silent = head("h", rng.normal(size=WIDTH))
    way, length = (x[0] - silent.ordinary.mean), silent.ordinary.lengths(x)[0]
    alone = Heads([silent]).beside([[7.0]], x)[0]
    assert alone[0] == 7.0
    same = way * length / (way @ way)  # its product with the way is the length: a cosine of 1
    others = rng.normal(size=(3, WIDTH)) * 1e-3
    spoken = replace(silent, examples=np.stack([*others, same]).astype(np.float32), gate=alone[1] - 0.01)
    assert Heads([spoken]).beside([[]], x)[0][0] == pytest.approx(alone[1] + ALIKE * (1.0 - FAR), abs=1e-3)
    for quiet in (replace(spoken, gate=alone[1] + 0.01), replace(spoken, examples=spoken.examples[:3])):
        assert Heads([quiet]).beside([[]], x)[0][0] == pytest.approx(alone[1])


def test_of_a_long_text_the_window_that_scores_highest_counts(shipped: Classifier) -> None:
    question = "How do I knead the dough for a sourdough bread?"
    (short,) = shipped.score([Request(question, Stage.INPUT)])
    assert short.embedding is not None
    one = head("h0", 20.0 * short.embedding)
    text = f"{FILLER}{question}"
    (joint,) = shipped.score([Request(text, Stage.INPUT)], heads=Heads([one]))
    assert joint.embedding is not None
    over_the_mean = probability(Heads([one]).beside([[]], joint.embedding[None])[0][0])
    assert joint.windows > 2
    assert joint.probabilities["taught.h0"] >= over_the_mean


def test_heads_of_another_width_and_models_without_an_embedding_are_refused(
    shipped: Classifier, classifier: Classifier
) -> None:
    request = [Request("please", Stage.INPUT)]
    wide, narrow = Heads([head("h0", np.ones(WIDTH))]), Heads([head("h0", np.ones(8))])
    with pytest.raises(ModelError, match="gives no embedding of 384 numbers"):
        classifier.score(request, heads=wide)
    with pytest.raises(ModelError, match="gives no embedding of 8 numbers"):
        shipped.score(request, heads=narrow)
    with pytest.raises(ModelError, match=r"taught\.h0"):
        wide.beside([[0.0, 0.0]], None)
    with pytest.raises(ModelError, match="not finite"):
        narrow.beside([[0.0]], np.full((1, 8), np.nan, dtype=np.float32))


def test_text_without_a_word_the_model_knows_says_nothing_to_a_head_either(classifier: Classifier) -> None:
    heads = Heads([head("h0", np.full(8, 100.0))])
    (scores,) = classifier.score([Request("\u4f60\u597d", Stage.INPUT)], heads=heads)
    assert scores.probabilities["taught.h0"] < 1e-9


def test_log_odds_beyond_all_numbers_are_no_low_probability(shipped: Classifier) -> None:
    row = np.random.default_rng(0).normal(size=WIDTH) * 1e20
    given = [
        replace(head(name, weights, 1e308), calibration=Calibration(slope=1e308, intercept=0.0))
        for name, weights in (("up", row), ("down", -row))
    ]
    (joint,) = shipped.score([Request("What is the capital of Portugal?", Stage.INPUT)], heads=Heads(given))
    found = [joint.probabilities[one.name] for one in given]
    assert sum(map(isnan, found)) == 1  # infinity less infinity, which a screen's reading may not hold
    assert 1.0 in found

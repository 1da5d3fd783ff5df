"""Heads beside the model's own: read in the same run, window by window, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from guardsdk.engine.classifier import Classifier, Request
from guardsdk.engine.heads import Heads
from guardsdk.errors import ModelError
from guardsdk.registry.manifest import Calibration
from guardsdk.verdict import Stage

WIDTH = 384
FILLER = "The quarterly figures were discussed at length and nobody had any question about them. " * 60


def heads_at(*rows: np.ndarray) -> Heads:
    return Heads(
        names=tuple(f"taught.h{at}" for at in range(len(rows))),
        weights=np.stack(rows).astype(np.float32),
        intercepts=np.arange(len(rows), dtype=np.float32),
        calibrations=(Calibration(slope=2.0, intercept=-1.0),) * len(rows),
    )


def test_a_head_is_the_product_with_the_embedding_calibrated(shipped: Classifier) -> None:
    request = Request("What is the capital of Portugal?", Stage.INPUT)
    (plain,) = shipped.score([request])
    assert plain.embedding is not None
    rng = np.random.default_rng(0)
    heads = heads_at(*rng.normal(size=(3, WIDTH)))
    (joint,) = shipped.score([request], heads=heads)
    for at, name in enumerate(heads.names):
        odds = float(heads.weights[at] @ plain.embedding) + at
        assert joint.probabilities[name] == pytest.approx(1.0 / (1.0 + np.exp(-(2.0 * odds - 1.0))), rel=1e-4)
    assert {name: joint.probabilities[name] for name in plain.probabilities} == plain.probabilities
    assert joint.span("taught.h0") == (0, len(request.text))


def test_of_a_long_text_the_window_that_scores_highest_counts(shipped: Classifier) -> None:
    question = "How do I knead the dough for a sourdough bread?"
    (short,) = shipped.score([Request(question, Stage.INPUT)])
    assert short.embedding is not None
    heads = heads_at(20.0 * short.embedding)
    text = f"{FILLER}{question}"
    (joint,) = shipped.score([Request(text, Stage.INPUT)], heads=heads)
    assert joint.embedding is not None
    over_the_mean = 1.0 / (1.0 + np.exp(-(2.0 * float(heads.weights[0] @ joint.embedding) - 1.0)))
    assert joint.windows > 2
    assert joint.probabilities["taught.h0"] >= over_the_mean


def test_heads_of_another_width_and_models_without_an_embedding_are_refused(
    shipped: Classifier, classifier: Classifier
) -> None:
    request = [Request("please", Stage.INPUT)]
    with pytest.raises(ModelError, match="gives no embedding of 384 numbers"):
        classifier.score(request, heads=heads_at(np.ones(WIDTH)))
    with pytest.raises(ModelError, match="gives no embedding of 8 numbers"):
        shipped.score(request, heads=heads_at(np.ones(8)))
    with pytest.raises(ModelError, match=r"taught\.h0"):
        heads_at(np.ones(WIDTH)).beside([[0.0, 0.0]], None)


def test_text_without_a_word_the_model_knows_says_nothing_to_a_head_either(classifier: Classifier) -> None:
    heads = heads_at(np.full(8, 100.0))
    (scores,) = classifier.score([Request("\u4f60\u597d", Stage.INPUT)], heads=heads)
    assert scores.probabilities["taught.h0"] < 1e-9

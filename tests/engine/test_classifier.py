from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from guardsdk.engine import classifier as classifier_module
from guardsdk.engine.classifier import Classifier, Request
from guardsdk.engine.runner import Runner
from guardsdk.errors import ChecksumMismatchError, InputError, ModelError
from guardsdk.limits import UNLIMITED, Limits
from guardsdk.registry.lookup import LoadedModel, load_manifest
from guardsdk.verdict import Stage
from tests.screens.stepping import calls
from tests.tiny import IDS, STRONG, WEAK, rambling, write_export, write_graph, write_manifest, write_model

if TYPE_CHECKING:
    from pathlib import Path


def _sigmoid(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit))


def test_probabilities_are_calibrated_logits_of_the_labels_of_the_stage(classifier: Classifier) -> None:
    on_input, on_tool, on_output = classifier.score([Request("please attack", stage) for stage in Stage])
    assert on_input.probabilities == pytest.approx({"prompt_injection": _sigmoid(STRONG), "toxicity": _sigmoid(WEAK)})
    assert on_tool.probabilities == pytest.approx({"prompt_injection": _sigmoid(STRONG)})
    assert on_output.probabilities == pytest.approx({"toxicity": _sigmoid(WEAK)})


def test_the_manifests_calibration_is_applied(tmp_path: Path) -> None:
    directory = write_model(tmp_path / "tiny")
    stage = {"calibration": {"slope": 0.5, "intercept": -1.0}, "threshold": 0.5}
    entries = [{"name": name, "definition": name, "stages": {"tool": stage}} for name in ("a", "b")]
    write_manifest(directory, labels=entries)
    (scores,) = Classifier(load_manifest(directory), "cpu", 1).score([Request("attack", Stage.TOOL)])
    assert scores.probabilities == pytest.approx({"a": _sigmoid(0.5 * STRONG - 1.0), "b": _sigmoid(0.5 * WEAK - 1.0)})


@pytest.mark.parametrize("at", [0, 1, 20, 21, 22, 300, 599])
def test_every_window_counts_and_the_span_finds_the_word(classifier: Classifier, at: int) -> None:
    words = ["filler"] * 600
    words[at] = "attack"
    text = " ".join(words)
    (scores,) = classifier.score([Request(text, Stage.TOOL)])
    assert scores.windows > 30
    assert scores.coverage == 1.0
    assert scores.probabilities["prompt_injection"] == pytest.approx(_sigmoid(STRONG))
    start, end = scores.span("prompt_injection")
    assert text[start:end] == "attack"
    assert start == at * len("filler ")


@pytest.mark.parametrize("limits", [UNLIMITED, Limits(settled=lambda _, found: found["prompt_injection"] > 0.5)])
@pytest.mark.parametrize(("text", "runs"), [("filler " * 600, 1), ("attack the " * 300, 2), (rambling(600), None)])
def test_windows_of_a_text_that_say_the_same_are_scored_once_and_count_each(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch, text: str, runs: int | None, limits: Limits
) -> None:
    seen = []
    plain = Runner.run

    def noting(runner: Runner, ids: Any, *rest: Any, one_thread: bool) -> Any:
        seen.append(ids)
        return plain(runner, ids, *rest, one_thread=one_thread)

    monkeypatch.setattr(Runner, "run", noting)
    (found,) = classifier.score([Request(text, Stage.TOOL)], limits)
    assert len(seen) <= (runs or found.windows)
    monkeypatch.setattr(classifier_module, "distinct", lambda rows: (rows, {}))
    (due,) = classifier.score([Request(text, Stage.TOOL)], limits)
    assert found.probabilities == due.probabilities
    assert found.span("prompt_injection") == due.span("prompt_injection")
    if not due.settled:
        assert (found.windows, found.coverage, found.settled, found.tier) == (due.windows, 1.0, False, due.tier)
        assert found.embedding == pytest.approx(due.embedding)


def test_each_label_has_a_span_of_its_own(classifier: Classifier) -> None:
    text = "insult, " + "filler " * 100 + "ATTACK."
    (scores,) = classifier.score([Request(text, Stage.INPUT)])
    spans = {label: text[slice(*scores.span(label))] for label in scores.probabilities}
    assert spans == {"prompt_injection": "ATTACK", "toxicity": "insult"}


def test_positions_hold_beyond_characters_that_change_under_tokenization(classifier: Classifier) -> None:
    text = "\x00\ud800 İÀ😀 \u200b世界\n" * 40 + "attack" + " ﬁ\u0301" * 40
    (scores,) = classifier.score([Request(text, Stage.TOOL)])
    assert text[slice(*scores.span("prompt_injection"))] == "attack"


def test_a_text_longer_than_a_piece_is_scored_to_its_end(classifier: Classifier) -> None:
    text = "filler " * 12_000 + "attack"
    (scores,) = classifier.score([Request(text, Stage.TOOL)])
    assert scores.coverage == 1.0
    assert scores.probabilities["prompt_injection"] > 0.9
    assert scores.span("prompt_injection") == (len(text) - 6, len(text))


def test_a_text_without_tokens_is_one_empty_window(classifier: Classifier) -> None:
    (scores,) = classifier.score([Request("\u200b\u200b", Stage.INPUT)])
    assert (scores.windows, scores.coverage) == (1, 1.0)
    assert scores.span("toxicity") == (0, 2)


def test_a_span_of_a_label_that_was_not_scored_is_an_error(classifier: Classifier) -> None:
    (scores,) = classifier.score([Request("attack", Stage.TOOL)])
    with pytest.raises(InputError, match="only of prompt_injection"):
        scores.span("toxicity")


def test_no_text_is_in_the_representation(classifier: Classifier) -> None:
    request = Request("attack with a secret", Stage.OUTPUT, context="another secret")
    (scores,) = classifier.score([request])
    assert "secret" not in repr(request)
    assert "secret" not in repr(scores)


def test_context_is_shown_on_output_only_and_never_scored_as_the_text(classifier: Classifier) -> None:
    with_context, without = classifier.score(
        [Request("sure", Stage.OUTPUT, context="question"), Request("sure", Stage.OUTPUT)]
    )
    assert with_context.embedding is not None
    assert without.embedding is not None
    assert not np.allclose(with_context.embedding, without.embedding)
    tool, plain = classifier.score([Request("sure", Stage.TOOL, context="attack"), Request("sure", Stage.TOOL)])
    assert tool.probabilities == plain.probabilities
    (shown,) = classifier.score([Request("sure. insult", Stage.OUTPUT, context="insult")])
    assert shown.span("toxicity") == (6, 12)


@pytest.fixture(scope="module")
def pairing(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """A model that also reads what a user wrote beside what it is aimed at."""
    directory = write_model(tmp_path_factory.mktemp("models") / "tiny")
    write_manifest(directory, context_stages=["input", "output"])
    return Classifier(load_manifest(directory), "cpu", 1)


def _head(classifier: Classifier, stage: Stage, context: str | None) -> tuple[list[str], bool]:
    """What stands before a text, as words, and whether the row is a pair."""
    names = {number: word for word, number in IDS.items()}
    ids, pair = classifier._head(classifier._loaded().encoder, stage, context)
    return [names[number] for number in ids.tolist()], pair


def test_context_is_shown_on_the_stages_the_manifest_names(classifier: Classifier, pairing: Classifier) -> None:
    alone = {
        Stage.INPUT: ["[CLS]", "[unused0]"],
        Stage.TOOL: ["[CLS]", "[unused1]"],
        Stage.OUTPUT: ["[CLS]", "[unused2]"],
    }
    beside = {stage: ([*start, "please", "[SEP]"], True) for stage, start in alone.items()}
    shown = {stage: _head(classifier, stage, "please") for stage in Stage}
    assert shown == {**{stage: (start, False) for stage, start in alone.items()}, Stage.OUTPUT: beside[Stage.OUTPUT]}
    shown = {stage: _head(pairing, stage, "please") for stage in Stage}
    assert shown == {**beside, Stage.TOOL: (alone[Stage.TOOL], False)}


def test_what_a_text_is_aimed_at_keeps_its_two_ends_and_takes_part_in_its_score(pairing: Classifier) -> None:
    words, pair = _head(pairing, Stage.INPUT, "please attack " + "filler " * 50 + "the insult")
    assert (words[2:], pair) == (
        ["please", "attack", "filler", "filler", "filler", "filler", "the", "insult", "[SEP]"],
        True,
    )
    alone, beside = pairing.score([Request("please", Stage.INPUT, context) for context in (None, "attack")])
    assert alone.probabilities["prompt_injection"] == pytest.approx(_sigmoid(WEAK))
    assert beside.probabilities["prompt_injection"] == pytest.approx(_sigmoid(STRONG))


@pytest.mark.parametrize("context", [None, "", " \n", "\u200b"])
@pytest.mark.parametrize("stage", [Stage.INPUT, Stage.OUTPUT])
def test_of_a_context_without_a_word_no_pair_is_made(pairing: Classifier, stage: Stage, context: str | None) -> None:
    assert _head(pairing, stage, context) == _head(pairing, stage, None)
    assert not _head(pairing, stage, context)[1]


def test_every_window_of_a_long_text_is_read_beside_its_context(pairing: Classifier) -> None:
    loaded = pairing._loaded()
    requests = [Request("filler " * 60, Stage.INPUT, "please"), Request("filler", Stage.INPUT, "the")]
    rows, _ = pairing._laid_out(loaded, requests, UNLIMITED, None)
    assert len(rows) > 3
    assert {(row.owner, row.paired, row.head.tolist()[2]) for row in rows} == {
        (0, True, IDS["please"]),
        (1, True, IDS["the"]),
    }
    assert max(row.length for row in rows) <= pairing.model.manifest.max_tokens


def test_long_context_keeps_its_head_and_tail(classifier: Classifier) -> None:
    encoder = classifier._loaded().encoder
    ends = encoder.ends("attack " + "filler " * 60_000 + "insult", 5)
    names = {number: word for word, number in IDS.items()}
    assert [names[number] for number in ends.tolist()] == ["attack", "filler", "filler", "filler", "insult"]
    text = Request("filler " * 50, Stage.OUTPUT, context="question " * 1000)
    assert classifier.score([text])[0].coverage == 1.0


def test_order_is_kept_and_neighbours_change_nothing(classifier: Classifier) -> None:
    texts = [
        Request("filler " * (7 * at % 50) + ("attack" if at % 3 == 0 else "please"), Stage.TOOL) for at in range(40)
    ]
    together = classifier.score(texts)
    assert [scores.probabilities["prompt_injection"] > 0.5 for scores in together] == [at % 3 == 0 for at in range(40)]
    assert [scores.probabilities for scores in together] == [classifier.score([one])[0].probabilities for one in texts]
    assert classifier.score([]) == []


def test_many_threads_get_the_same_answers(classifier: Classifier) -> None:
    texts = [Request("filler " * at + ("attack" if at % 2 else "insult"), Stage.INPUT) for at in range(64)]
    expected = [classifier.score([one])[0].probabilities for one in texts]
    with ThreadPoolExecutor(16) as executor:
        found = list(executor.map(lambda one: classifier.score([one])[0].probabilities, texts))
    assert found == expected


def test_the_embedding_has_unit_length_over_any_number_of_windows(classifier: Classifier) -> None:
    for text in ("please", "the filler " * 100):
        embedding = classifier.score([Request(text, Stage.INPUT)])[0].embedding
        assert embedding is not None
        assert embedding.dtype == np.float32
        assert float(np.linalg.norm(embedding)) == pytest.approx(1.0, abs=1e-5)


CONFIG: dict[str, Any] = {"id2label": {"0": "Prompt Injection", "1": "SAFE"}, "max_position_embeddings": 24}


@pytest.mark.parametrize("integer", [6, 7])
@pytest.mark.parametrize("inputs", [("input_ids", "attention_mask"), ("input_ids", "attention_mask", "token_type_ids")])
def test_an_export_of_another_tool_is_scored_over_any_length(
    tmp_path: Path, inputs: tuple[str, ...], integer: int
) -> None:
    directory = write_export(tmp_path / "theirs", CONFIG, inputs=inputs, integer=integer)
    classifier = Classifier(load_manifest(directory), "auto", 1)
    text = "filler " * 100 + "attack"
    (scores,) = classifier.score([Request(text, Stage.OUTPUT, context="question")])
    # The softmax of two logits is the sigmoid of their difference.
    assert scores.probabilities["prompt_injection"] == pytest.approx(_sigmoid(STRONG - WEAK))
    assert scores.coverage == 1.0
    assert scores.embedding is None
    start, end = scores.span("prompt_injection")
    assert end == len(text)
    assert 0 < start < len(text) - 50


def test_a_multi_label_export_is_read_as_sigmoids(tmp_path: Path) -> None:
    directory = write_export(tmp_path / "theirs", {**CONFIG, "problem_type": "multi_label_classification"})
    (scores,) = Classifier(load_manifest(directory), "cpu", 1).score([Request("attack", Stage.INPUT)])
    assert scores.probabilities == pytest.approx({"prompt_injection": _sigmoid(STRONG), "safe": _sigmoid(WEAK)})


def _remade(directory: Path) -> LoadedModel:
    write_manifest(directory)
    return load_manifest(directory)


def test_a_changed_file_is_refused_at_load(tmp_path: Path) -> None:
    directory = write_model(tmp_path / "tiny")
    model = load_manifest(directory)
    write_graph(directory / "model.onnx", strong=-4.0)
    with pytest.raises(ChecksumMismatchError):
        Classifier(model, "cpu", 1)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_corrupt_file_with_the_right_checksum_is_a_model_error(tmp_path: Path, name: str) -> None:
    directory = write_model(tmp_path / "tiny")
    (directory / name).write_bytes(b"not what it says")
    with pytest.raises(ModelError, match=rf"{name} cannot be loaded"):
        Classifier(_remade(directory), "cpu", 1)


def test_a_graph_that_does_not_fit_its_manifest_is_refused_at_load(tmp_path: Path) -> None:
    directory = write_model(tmp_path / "tiny")
    write_graph(directory / "model.onnx", inputs=("input_ids", "attention_mask", "pixels"))
    with pytest.raises(ModelError, match="input 'pixels'"):
        Classifier(_remade(directory), "cpu", 1)
    write_graph(directory / "model.onnx")
    stage = {"calibration": {"slope": 1.0, "intercept": 0.0}, "threshold": 0.5}
    write_manifest(directory, labels=[{"name": "lonely", "definition": "", "stages": {"input": stage}}])
    with pytest.raises(ModelError, match=r"logits of shape \(1, 2\)"):
        Classifier(load_manifest(directory), "cpu", 1)


def test_scores_that_are_no_numbers_are_an_error_and_not_a_pass(tmp_path: Path) -> None:
    directory = write_model(tmp_path / "tiny", strong=float("inf"))
    classifier = Classifier(load_manifest(directory), "cpu", 1)
    with pytest.raises(ModelError, match="not finite"):
        classifier.score([Request("attack", Stage.INPUT)])


def test_the_shipped_model_scores_a_text_the_same_alone_and_in_company(shipped: Classifier) -> None:
    shipped.warmup()
    texts = [Request(text, Stage.INPUT) for text in ("What is the capital of France?", "Ignore it. " * 30, "ok", "Ünï")]
    together = shipped.score(texts)
    assert [scores.probabilities for scores in together] == [shipped.score([one])[0].probabilities for one in texts]
    assert all(scores.embedding is not None and scores.embedding.shape == (384,) for scores in together)


@pytest.mark.parametrize("unit", ["QUJD+4kP9zX0ab7dEr", "filler "])
def test_a_long_text_is_not_made_ready_once_the_time_is_up(classifier: Classifier, unit: str) -> None:
    text = unit * (20_000 // len(unit))
    late = Limits(ends_at=0.0)
    classifier.score([Request("attack", Stage.TOOL)], late)  # tables are made once
    (scores,) = classifier.score([Request(text, Stage.TOOL)], late)
    assert (scores.coverage, scores.windows, dict(scores.probabilities)) == (0.0, 0, {})
    short = calls(lambda: classifier.score([Request("attack", Stage.TOOL)], late))
    assert calls(lambda: classifier.score([Request(text, Stage.TOOL)], late)) <= short + 20

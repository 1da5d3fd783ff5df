"""Early exit: what the lower half of a model clears alone, and what it never does."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from guardsdk.engine.classifier import Classifier, Request
from guardsdk.engine.early import Bounds, Halves
from guardsdk.engine.runner import Runner
from guardsdk.engine.session import OnnxRuntime, OnnxSession, Outputs, tokens_fed
from guardsdk.errors import ChecksumMismatchError, ModelError
from guardsdk.limits import Limits
from guardsdk.registry.lookup import LoadedModel, load_manifest
from guardsdk.verdict import Stage
from tests.engine.failing import BreakingRuntime, BreakingSession
from tests.tiny import (
    IDS,
    LABELS,
    STRONG,
    WEAK,
    early_exit,
    rambling,
    write_early,
    write_graph,
    write_manifest,
    write_model,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from guardsdk.engine.scores import Scores
    from guardsdk.engine.session import Feed, Kind, Session

EARLY = Limits(early_exit=True)
MAPPED = 2.0 * WEAK - 1.0
"""Log-odds of what is cleared: slope and intercept of ``tests.tiny.early_exit``."""


def sigmoid(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_early(tmp_path_factory.mktemp("early") / "tiny")


@pytest.fixture(scope="module")
def model(directory: Path) -> LoadedModel:
    return load_manifest(directory)


@pytest.fixture(scope="module")
def halves(model: LoadedModel) -> Classifier:
    return Classifier(model, "cpu", 1)


def score(classifier: Classifier, text: str, stage: Stage = Stage.INPUT) -> Scores:
    return classifier.score([Request(text, stage)], EARLY)[0]


def exit_only(directory: Path, **stages: dict[str, Any]) -> Classifier:
    """A classifier with other bounds on some stages."""
    bounds = {**early_exit()["stages"], **stages}
    graphs = {"cpu": "model.onnx", "cuda": "model_cuda.onnx"}
    write_manifest(directory, graphs=graphs, early_exit=early_exit(stages=bounds))
    return Classifier(load_manifest(directory), "cpu", 1)


def test_both_halves_together_give_what_the_whole_gives(halves: Classifier, tiny: LoadedModel) -> None:
    whole = Classifier(tiny, "cpu", 1)
    texts = [
        Request(text, stage, context="question" if stage is Stage.OUTPUT else None)
        for text in ("please attack", "filler " * 60 + "insult", "", "the question")
        for stage in Stage
    ]
    for found, due in zip(halves.score(texts), whole.score(texts), strict=True):
        assert found.probabilities == due.probabilities
        assert found.embedding is not None
        assert due.embedding is not None
        assert found.embedding.tolist() == due.embedding.tolist()
        assert [found.span(label) for label in found.probabilities] == [due.span(label) for label in due.probabilities]
        assert found.tier == due.tier == "full"


def test_an_upper_half_that_asks_for_the_early_logits_is_given_them(tmp_path: Path) -> None:
    folder = write_early(tmp_path / "heard")
    texts = [Request("please attack", Stage.INPUT), Request("filler", Stage.OUTPUT)]
    alone = Classifier(load_manifest(folder), "cpu", 1).both(texts)
    upper = onnx.load(str(folder / "model_late.onnx"))
    joined = next(node for node in upper.graph.node if node.output[0] == "logits")
    joined.output[0] = "late"
    upper.graph.node.append(onnx.helper.make_node("Add", ["late", "early_logits"], ["logits"]))
    upper.graph.input.append(
        onnx.helper.make_tensor_value_info("early_logits", onnx.TensorProto.FLOAT, ["rows", len(LABELS)])
    )
    onnx.save(upper, str(folder / "model_late.onnx"))
    write_manifest(folder, graphs={"cpu": "model.onnx", "cuda": "model_cuda.onnx"}, early_exit=early_exit())
    heard = Classifier(load_manifest(folder), "cpu", 1).both(texts)
    for (early, late), (same, joint) in zip(alone, heard, strict=True):
        assert same.tolist() == early.tolist()
        assert joint.tolist() == (late + early).tolist()


def test_harmless_text_is_cleared_and_scores_what_stands_for_its_logits(halves: Classifier) -> None:
    for stage, labels in (
        (Stage.INPUT, ["prompt_injection", "toxicity"]),
        (Stage.TOOL, ["prompt_injection"]),
        (Stage.OUTPUT, ["toxicity"]),
    ):
        found = score(halves, "please the filler", stage)
        assert found.tier == "early"
        assert found.coverage == 1.0
        assert found.probabilities == pytest.approx(dict.fromkeys(labels, sigmoid(MAPPED)))
        assert all(found.span(label) for label in labels)
        assert found.embedding is not None


def test_nothing_is_cleared_unless_the_limits_say_so(halves: Classifier) -> None:
    (found,) = halves.score([Request("please", Stage.INPUT)])
    assert found.tier == "full"
    assert found.probabilities == pytest.approx({"prompt_injection": sigmoid(WEAK), "toxicity": sigmoid(WEAK)})


def test_a_doubtful_text_goes_through_all_layers(halves: Classifier) -> None:
    doubtful = score(halves, "please question")
    assert doubtful.tier == "full"
    assert doubtful.probabilities["prompt_injection"] == pytest.approx(sigmoid(WEAK))
    attack = score(halves, "please attack")
    assert attack.tier == "full"
    assert attack.probabilities["prompt_injection"] == pytest.approx(sigmoid(STRONG))


def test_one_doubtful_window_is_enough_and_each_is_cleared_by_itself(halves: Classifier) -> None:
    runs: list[bool] = []
    plain = Halves.run

    def noting(self: Halves, *arguments: Any) -> Any:
        outputs = plain(self, *arguments)
        runs.append(outputs.early)
        return outputs

    text = f"{rambling(60)} attack {rambling(60, 1)}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Halves, "run", noting)
        found = score(halves, text)
    assert found.tier == "full"
    assert found.coverage == 1.0
    assert found.windows == len(runs)
    assert runs.count(False) <= 2  # windows overlap
    assert runs.count(True) == len(runs) - runs.count(False) > 3
    assert found.probabilities["prompt_injection"] == pytest.approx(sigmoid(STRONG))
    assert text[slice(*found.span("prompt_injection"))] == "attack"
    assert score(halves, rambling(120)).tier == "early"


def test_a_stage_without_bounds_goes_the_long_way(tmp_path: Path) -> None:
    bounds = early_exit()["stages"]
    lone = write_early(tmp_path / "lone", early_exit=early_exit(stages={"tool": bounds["tool"]}))
    classifier = Classifier(load_manifest(lone), "cpu", 1)
    assert [score(classifier, "please", stage).tier for stage in Stage] == ["full", "early", "full"]


def test_a_window_longer_than_the_manifest_allows_goes_the_long_way(tmp_path: Path) -> None:
    directory = write_early(tmp_path / "tiny", early_exit=early_exit(longest=8))
    classifier = Classifier(load_manifest(directory), "cpu", 1)
    framed = 3  # [CLS], the stage's token, [SEP]
    assert [score(classifier, "the " * words).tier for words in (1, 8 - framed, 9 - framed, 60)] == [
        "early",
        "early",
        "full",
        "full",
    ]


def test_only_labels_read_on_the_stage_hold_a_text_up(tmp_path: Path) -> None:
    classifier = Classifier(load_manifest(write_early(tmp_path / "tiny")), "cpu", 1)
    assert [score(classifier, "question", stage).tier for stage in Stage] == ["full", "full", "early"]


def test_every_label_has_to_lie_below_its_own_bound(tmp_path: Path) -> None:
    directory = write_early(tmp_path / "tiny")
    usual = {"slope": 1.0, "intercept": 0.0, "clear_below": WEAK + 1}
    at_it = {**usual, "clear_below": WEAK}
    assert score(exit_only(directory, input={"prompt_injection": usual, "toxicity": usual}), "the").tier == "early"
    assert score(exit_only(directory, input={"prompt_injection": usual, "toxicity": at_it}), "the").tier == "full"
    assert score(exit_only(directory, input={"prompt_injection": at_it, "toxicity": usual}), "the").tier == "full"


class Spoiled:
    """A real session whose logits of one label are something else."""

    def __init__(self, inner: Session, value: float, column: int = 0) -> None:
        self._inner = inner
        self._value, self._column = value, column

    def run(self, feed: Feed) -> Outputs:
        outputs = self._inner.run(feed)
        logits = outputs.logits.copy()
        logits[:, self._column] = self._value
        return replace(outputs, logits=logits)


@pytest.mark.parametrize("logit", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("column", [0, 1])
def test_an_early_logit_that_is_no_number_clears_nothing(model: LoadedModel, logit: float, column: int) -> None:
    lower, upper = (OnnxRuntime().open(model.path(name), "cpu", 1) for name in ("model_early.onnx", "model_late.onnx"))
    ids = np.full((1, 4), IDS["filler"], dtype=np.int64)
    feed = tokens_fed(ids, np.ones_like(ids), np.zeros_like(ids))
    bounds = [Bounds(model, Stage.TOOL)]  # which reads the first label only, and trusts no run with a broken one
    assert Halves(lower, upper).run(feed, bounds).early
    found = Halves(Spoiled(lower, logit, column), upper).run(feed, bounds)
    assert not found.early
    assert found.logits.tolist() == [[WEAK, WEAK]]


def test_whole_logits_that_are_no_numbers_stay_an_error(tmp_path: Path) -> None:
    directory = write_early(tmp_path / "tiny", {"filler": STRONG})
    _spoil(directory / "model_early.onnx", "whole", np.inf)
    with pytest.raises(ModelError, match="not finite"):
        Classifier(_remade(directory), "cpu", 1)


def test_a_run_is_cleared_as_a_whole_or_not_at_all(model: LoadedModel) -> None:
    runner = Runner(model, "cpu", 1, OnnxRuntime())
    ids = np.array([[IDS["the"]] * 4, [IDS["please"]] * 4, [IDS["attack"]] * 4], dtype=np.int64)
    mask, kinds = np.ones_like(ids), np.zeros_like(ids)
    bounds = Bounds(model, Stage.INPUT)

    def run(rows: int, exits: list[Bounds | None]) -> bool:
        return runner.run(ids[:rows], mask[:rows], kinds[:rows], exits).early

    assert run(2, [bounds, bounds])
    assert not run(2, [bounds, None])
    assert not run(2, [None, None])
    assert not run(3, [bounds] * 3)
    assert not run(2, [])
    assert not run(2, [bounds])  # fewer than rows: something is wrong, so the long way
    together = runner.run(ids, mask, kinds, [bounds] * 3)
    assert together.logits[:, 0].tolist() == [WEAK, WEAK, STRONG]


def test_rows_of_different_stages_are_each_read_by_their_own_bounds(model: LoadedModel) -> None:
    runner = Runner(model, "cpu", 1, OnnxRuntime())
    ids = np.full((2, 4), IDS["the"], dtype=np.int64)
    exits = [Bounds(model, Stage.TOOL), Bounds(model, Stage.OUTPUT)]
    outputs = runner.run(ids, np.ones_like(ids), np.zeros_like(ids), exits)
    assert outputs.early
    assert outputs.logits.tolist() == [[MAPPED, WEAK], [WEAK, MAPPED]]


def test_early_and_full_logits_side_by_side(halves: Classifier) -> None:
    (one, many) = halves.both([Request("question", Stage.INPUT), Request("filler " * 60 + "attack", Stage.TOOL)])
    assert [logits.tolist() for logits in one] == [[[0.0, WEAK]], [[WEAK, WEAK]]]
    early, full = many
    assert early.shape == full.shape
    assert len(full) > 2
    assert full[1].tolist() == [STRONG, WEAK]  # the last window is the second


def test_what_counts_as_unread_is_so_on_both_sides(halves: Classifier) -> None:
    (logits,) = halves.both([Request("\u4f60\u597d \u4e16\u754c", Stage.INPUT)])
    scores = halves.score([Request("\u4f60\u597d \u4e16\u754c", Stage.INPUT)])[0].probabilities
    assert all(side.max() < -30 for side in logits)
    assert max(scores.values()) < 1e-9


def test_there_are_no_two_sides_without_two_halves(tiny: LoadedModel, model: LoadedModel) -> None:
    with pytest.raises(ModelError, match="no early exit"):
        Classifier(tiny, "cpu", 1).both([Request("please", Stage.INPUT)])
    on_gpu = Classifier(model, "auto", 1, runtime=BreakingRuntime(good_runs=100))
    with pytest.raises(ModelError, match="not run on the CPU"):
        on_gpu.both([Request("please", Stage.INPUT)])


def test_a_gpu_runs_the_whole_graph_and_the_cpu_that_takes_over_the_halves(model: LoadedModel) -> None:
    runtime = BreakingRuntime(good_runs=2)
    classifier = Classifier(model, "auto", 1, runtime=runtime)
    assert not classifier.has_early_exit
    assert score(classifier, "please").tier == "full"
    assert score(classifier, "please").tier == "early"  # the third run fails
    assert classifier.has_early_exit
    assert [name for name, _ in runtime.opened] == ["model_cuda.onnx", "model_early.onnx", "model_late.onnx"]


def test_the_cpu_never_opens_the_whole_graph(model: LoadedModel) -> None:
    runtime = BreakingRuntime(good_runs=0)
    Classifier(model, "cpu", 1, runtime=runtime).warmup()
    assert [name for name, _ in runtime.opened] == ["model_early.onnx", "model_late.onnx"]


def test_a_cleared_text_costs_one_half_and_any_other_two(halves: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []
    plain = OnnxSession.run

    def run(session: OnnxSession, feed: Feed) -> Outputs:
        runs.append(len(session._inputs))
        return plain(session, feed)

    monkeypatch.setattr(OnnxSession, "run", run)
    score(halves, "please the filler")
    assert runs == [3]
    score(halves, "please question")
    assert runs == [3, 3, 2]


def test_many_threads_get_the_answers_of_one(halves: Classifier) -> None:
    texts = [f"{'filler ' * (at % 30)}{'attack' if at % 3 == 0 else 'please'}" for at in range(60)]
    alone = [(found.tier, found.probabilities) for found in (score(halves, text) for text in texts)]
    with ThreadPoolExecutor(8) as executor:
        found = list(executor.map(lambda text: score(halves, text), texts))
    assert [(one.tier, one.probabilities) for one in found] == alone
    assert {tier for tier, _ in alone} == {"early", "full"}


class Breaking:
    """A runtime on which one graph stops to run after its probe."""

    def __init__(self, name: str) -> None:
        self._name = name

    def offered(self) -> Sequence[str]:
        return OnnxRuntime().offered()

    def open(self, path: Path, kind: Kind, threads: int) -> Session:
        session = OnnxRuntime().open(path, kind, threads)
        return BreakingSession(session, 2, silently=False) if path.name == self._name else session


def test_an_upper_half_that_breaks_is_an_error_and_never_a_text_cleared(model: LoadedModel) -> None:
    classifier = Classifier(model, "cpu", 1, runtime=Breaking("model_late.onnx"))
    assert score(classifier, "please question").tier == "full"
    for text in ("please question", "please attack"):
        with pytest.raises(ModelError, match="could not be run"):
            score(classifier, text)
    assert score(classifier, "please").tier == "early"  # which is the lower half's to say


def test_a_lower_half_that_breaks_is_an_error(model: LoadedModel) -> None:
    classifier = Classifier(model, "cpu", 1, runtime=Breaking("model_early.onnx"))
    assert score(classifier, "please").tier == "early"
    with pytest.raises(ModelError, match="could not be run"):
        score(classifier, "please")


def _spoil(path: Path, name: str, value: float) -> None:
    graph = onnx.load(str(path))
    weights = next(one for one in graph.graph.initializer if one.name == name)
    weights.CopyFrom(numpy_helper.from_array(np.full_like(numpy_helper.to_array(weights), value), name))
    onnx.save(graph, str(path))


def _remade(directory: Path) -> LoadedModel:
    write_manifest(directory, early_exit=early_exit())
    return load_manifest(directory)


@pytest.mark.parametrize("name", ["model_early.onnx", "model_late.onnx"])
def test_a_changed_half_is_refused(tmp_path: Path, name: str) -> None:
    model = load_manifest(write_early(tmp_path / "tiny"))
    content = bytearray(model.path(name).read_bytes())
    content[len(content) // 2] ^= 1
    model.path(name).write_bytes(content)
    with pytest.raises(ChecksumMismatchError, match=name):
        Classifier(model, "cpu", 1)


def test_halves_that_do_not_fit_together_are_refused_at_load(tmp_path: Path) -> None:
    directory = write_early(tmp_path / "tiny")
    (directory / "model_early.onnx").write_bytes((directory / "model.onnx").read_bytes())
    with pytest.raises(ModelError, match="gave no states"):
        Classifier(_remade(directory), "cpu", 1)
    write_early(directory)
    write_graph(directory / "model_late.onnx", inputs=("input_ids", "attention_mask", "pixels"))
    with pytest.raises(ModelError, match="input 'pixels'"):
        Classifier(_remade(directory), "cpu", 1)


def test_states_for_other_tokens_are_an_error() -> None:
    feed = tokens_fed(*(np.ones((1, 8), dtype=np.int64),) * 3)

    class Lower:
        def run(self, _: object) -> Any:
            return Outputs(np.zeros((1, 2), np.float32), None, None, np.zeros((1, 7, 4), np.float32))

    with pytest.raises(ModelError, match="one for each token"):
        Halves(Lower(), Lower()).run(feed)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"graph": "other.onnx"}, "checksum for other.onnx"),
        ({"rest": "other.onnx"}, "checksum for other.onnx"),
        ({"layers": 2}, "fewer than the 2"),
        ({"longest": 0}, "longest"),
        ({"stages": {"input": {}}}, "must name the labels read there: prompt_injection, toxicity"),
        ({"stages": {"tool": early_exit()["stages"]["input"]}}, "must name the labels read there: prompt_injection$"),
        ({"colour": "blue"}, "Extra inputs"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    directory = write_early(tmp_path / "tiny", early_exit=early_exit(**changes))
    with pytest.raises(ModelError, match=words):
        load_manifest(directory)


@pytest.mark.parametrize(
    ("key", "value"), [("slope", 0.0), ("slope", -1.0), ("clear_below", math.nan), ("intercept", math.inf)]
)
def test_bounds_that_are_no_bounds_are_refused(tmp_path: Path, key: str, value: float) -> None:
    directory = write_early(tmp_path / "tiny")
    content = json.loads((directory / "manifest.json").read_text())
    content["early_exit"]["stages"]["tool"]["prompt_injection"][key] = value
    (directory / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(ModelError, match=f"early_exit.stages.tool.prompt_injection.{key}"):
        load_manifest(directory)


def test_a_model_in_one_piece_never_clears(tmp_path: Path) -> None:
    classifier = Classifier(load_manifest(write_model(tmp_path / "tiny")), "cpu", 1)
    assert score(classifier, "please").tier == "full"


def test_the_shipped_halves_give_exactly_what_the_shipped_whole_gives(model_directory: Path) -> None:
    model = load_manifest(model_directory)
    early = model.manifest.early_exit
    if early is None:
        pytest.skip("the shipped model comes in one piece")
    whole, lower, upper = (
        OnnxRuntime().open(model.path(name), "cpu", 1)
        for name in (model.manifest.graphs["cpu"], early.graph, early.rest)
    )
    halves = Halves(lower, upper)
    rng = np.random.default_rng(0)
    for tokens in (1, 8, 60, model.manifest.max_tokens):
        ids = rng.integers(1000, 20_000, (1, tokens))
        feed = tokens_fed(ids, np.ones_like(ids), np.zeros_like(ids))
        found, due = halves.run(feed), whole.run(feed)
        for one, other in zip(
            (found.logits, found.attention, found.embedding), (due.logits, due.attention, due.embedding), strict=True
        ):
            assert one is not None
            assert other is not None
            assert np.array_equal(one, other)

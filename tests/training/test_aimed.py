"""The aim step: a network on the layers of a shipped model that reads prompts beside instructions."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest
import torch

from benchmarks.stats import auroc
from models.training.aimed import AIMED, _tell_held_out, learn
from models.training.aimed_graph import Aimed, aimed_graph, states_graph
from models.training.aimed_pairs import SHARES, Pair, learnt, own, parted
from models.training.aimed_states import WIDTH, Layers, batch
from models.training.dataset import CONTEXT_TOKENS
from models.training.encoder import EncoderConfig
from models.training.export import WHOLE
from models.training.generators.systems import guarded
from models.training.prepare import prepare
from models.training.quantize import WEIGHTS, add_graph, drop_graph

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

    from models.training.aimed_pairs import Row

SHIPPED = Path(__file__).parents[2] / "models" / "guard-minilm-l6"
CONFIG = EncoderConfig()
PAIRS = [
    Pair([2009, 2003, 1037, 3595, 1012], [2054, 2003, 2009, 1029], attack=True),
    Pair([2017, 2024, 1037, 5009, 1012, 2425, 6343, 1012], [7592], attack=False),
]


def _session(graph: onnx.ModelProto) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])


def test_the_graph_says_what_the_network_says_of_the_layers_states() -> None:
    torch.manual_seed(0)
    network = Aimed(WIDTH).eval()
    names, layers = states_graph(SHIPPED / WHOLE, CONFIG.early, CONFIG.layers)
    below, whole = _session(layers), _session(aimed_graph(SHIPPED / WHOLE, network, CONFIG.early, CONFIG.layers))
    rows, said = [], []
    for pair in PAIRS:
        ((ids, kinds),) = pair.rows()
        feed = {"input_ids": ids, "token_type_ids": kinds}
        rows.append((np.concatenate(below.run(names, feed), axis=-1)[0], kinds[0]))
        said.append(float(whole.run(["logits"], feed)[0][0, 0]))
    with torch.no_grad():
        np.testing.assert_allclose(said, network(*batch(rows)).numpy(), atol=1e-4)  # padded, as it learns
    assert abs(said[0] - said[1]) > 1e-3


def test_a_row_that_is_no_pair_has_a_finite_logit() -> None:
    whole = _session(aimed_graph(SHIPPED / WHOLE, Aimed(WIDTH).eval(), CONFIG.early, CONFIG.layers))
    row = np.ones((1, 8), np.int32)
    assert np.isfinite(whole.run(["logits"], {"input_ids": row, "token_type_ids": np.zeros_like(row)})[0]).all()


def test_the_weights_that_both_graphs_have_are_stored_once(tmp_path: Path) -> None:
    shutil.copyfile(SHIPPED / WEIGHTS, tmp_path / WEIGHTS)
    before = (tmp_path / WEIGHTS).read_bytes()
    network = Aimed(WIDTH).eval()
    graph = aimed_graph(SHIPPED / WHOLE, network, CONFIG.early, CONFIG.layers)
    expected = _session(graph)
    add_graph(graph, SHIPPED / WHOLE, tmp_path, AIMED)
    after = (tmp_path / WEIGHTS).read_bytes()
    assert after.startswith(before)
    own = sum(weight.numel() * 4 for weight in network.parameters())
    assert len(after) - len(before) < own + 1024
    stored = onnxruntime.InferenceSession(tmp_path / AIMED, providers=["CPUExecutionProvider"])
    ((ids, kinds),) = PAIRS[0].rows()
    feed = {"input_ids": ids, "token_type_ids": kinds}
    np.testing.assert_array_equal(stored.run(None, feed)[0], expected.run(None, feed)[0])


def test_a_graph_is_dropped_with_the_weights_that_only_it_has(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path, dirs_exist_ok=True)
    drop_graph(tmp_path, AIMED)
    assert not (tmp_path / AIMED).exists()
    kept = (tmp_path / WEIGHTS).read_bytes()
    own_bytes = sum(weight.numel() * 4 for weight in Aimed(WIDTH).parameters())
    assert (SHIPPED / WEIGHTS).read_bytes().startswith(kept)
    assert 0.9 * own_bytes < (SHIPPED / WEIGHTS).stat().st_size - len(kept) < own_bytes + 1024
    drop_graph(tmp_path, AIMED)
    assert (tmp_path / WEIGHTS).read_bytes() == kept
    row = {"input_ids": np.array([[101, 2, 2054, 102]], np.int32)}
    before, after = (onnxruntime.InferenceSession(folder / WHOLE) for folder in (SHIPPED, tmp_path))
    feed = {one.name: row.get(one.name, np.zeros((1, 4), np.int32)) for one in before.get_inputs()}
    for wanted, found in zip(before.run(None, feed), after.run(None, feed), strict=True):
        np.testing.assert_array_equal(wanted, found)


def test_states_are_kept_and_what_was_being_written_when_a_run_was_cut_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = Layers(SHIPPED, tmp_path / "whole").states(PAIRS)
    first = Layers(SHIPPED, tmp_path / "cut").states(PAIRS[:1])
    with (tmp_path / "cut" / "states.f16").open("ab") as data:
        data.write(b"torn!")
    runs: list[int] = []
    run = Layers._run

    def counted(layers: Layers, row: Row) -> NDArray[np.float16]:
        runs.append(row[0].size)
        return run(layers, row)

    monkeypatch.setattr(Layers, "_run", counted)
    again = Layers(SHIPPED, tmp_path / "cut").states(PAIRS)
    assert runs == [PAIRS[1].rows()[0][0].size]
    np.testing.assert_array_equal(first[0][0][0], again[0][0][0])
    for wanted, found in zip(expected, again, strict=True):
        for (states, kinds), (same, same_kinds) in zip(wanted, found, strict=True):
            np.testing.assert_array_equal(states, same)
            np.testing.assert_array_equal(kinds, same_kinds)


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
    few = learnt(every[:20], prepared, 0)
    more = learnt([*every[-20:], *every[:20]], prepared, 0)
    assert more[-len(few) :] == few
    assert len(more) > len(few)
    assert few != learnt(every[:20], prepared, 1)


def test_it_learns_to_tell_attacks_on_instructions_from_their_proper_use(tmp_path: Path) -> None:
    rng = random.Random(0)
    groups = [group for group in guarded(attacked=True) if group.harmless][:8]
    pairs = [pair for group in groups for pair in own(group, rng)]
    layers = Layers(SHIPPED, tmp_path)
    attacks = np.array([int(pair.attack) for pair in pairs])
    network = learn(layers, pairs * 2, seed=0).eval()
    assert auroc(attacks, layers.logits(network, pairs)) > 0.9


def test_how_held_out_groups_fare_is_told_for_each_bank(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    groups = [group for group in guarded(attacked=True) if group.harmless]
    few = [*groups[:2], *groups[-1:]]
    _tell_held_out(Layers(SHIPPED, tmp_path), Aimed(WIDTH).eval(), few, -1e9, seed=0)
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


def test_a_pair_says_what_the_loudest_of_its_shares_says(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, layers = Aimed(WIDTH).eval(), Layers(SHIPPED, tmp_path)
    pair = Pair(list(range(2000, 2300)), [2054, 2003, 2023], attack=True)
    (rows,) = layers.states([pair])
    alone = [float(network(*batch([row])).detach()) for row in rows]
    assert len(set(alone)) == len(alone) > 1
    np.testing.assert_allclose(layers.logits(network, [pair]), [max(alone)], atol=1e-5)

"""The benchmark of early exit, on a model whose lower half is good and on one that is blind."""

from __future__ import annotations

import gzip
import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.data import Row
from benchmarks.early_attack import MOVES, Inside, attacked, attacks, search
from benchmarks.early_exit import OFF, ON, accepted, body, compared, main
from guardsdk import Guard, Policy
from guardsdk.engine.pool import classifier
from guardsdk.registry.lookup import load_manifest
from tests.tiny import EARLY, write_early, write_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

POLICY = """
name = "p"
version = "1"
[[principle]]
id = "no-orders"
text = "No."
label = "prompt_injection"
stages = ["input", "tool"]
[[principle]]
id = "no-insults"
text = "No."
label = "toxicity"
stages = ["output"]
"""


def row(text: str, attack: int = 0) -> Row:
    return Row("set", "tool", text, context=None, attack=attack, harm=None, refusal=None)


def guards_on(directory: Path) -> tuple[Guard, Guard, Inside]:
    guard, whole = (
        Guard(
            Policy.from_toml(POLICY), models=directory, providers="cpu", threads=1, observers=(), cache=0, early_exit=on
        )
        for on in (True, False)
    )
    return guard, whole, Inside(classifier(load_manifest(directory), "cpu", 1), guard.info().rules)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_early(tmp_path_factory.mktemp("good") / "tiny")


@pytest.fixture(scope="module")
def blind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_early(tmp_path_factory.mktemp("blind") / "tiny", {})


ROWS = [row("please the filler"), row("please question"), row("please attack", 1), row("the attack the filler", 1)]


def test_a_good_lower_half_loses_nothing_and_spares_some(good: Path) -> None:
    guard, whole, _ = guards_on(good)
    found = compared(guard, whole, [ROWS])
    recall, false = found["rates"]
    assert (recall["measure"], recall["difference"], recall["moved"]) == ("recall", 0.0, 0)
    assert recall["systems"][ON]["count"] == recall["systems"][OFF]["count"] == 2
    assert (false["measure"], false["systems"][ON]["count"]) == ("false blocks", 0)
    assert found["all"]["early"] == 0.25
    assert found["all"]["saved"] < 1.0


def test_a_blind_lower_half_is_seen_to_lose_recall(blind: Path) -> None:
    guard, whole, inside = guards_on(blind)
    found = compared(guard, whole, [ROWS])
    assert found["rates"][0]["difference"] == -1.0
    assert found["rates"][0]["moved"] == 2
    attack = attacked((guard, whole), inside, ROWS[2:], budget=5, seed=0)
    assert attack["reached"]["hole"]["count"] == 2  # at the first look, nothing changed
    assert attack["reached"]["either"]["count"] == 2
    assert accepted({**found, "attack": attack})["recall"] is False


def test_the_margins_are_those_of_the_bounds_and_of_the_policy(good: Path) -> None:
    _, _, inside = guards_on(good)
    margins = inside.margins(row(""))
    assert margins("attack filler") == pytest.approx((4.0 + 3.0, 4.0))
    assert margins("question") == pytest.approx((0.0 + 3.0, -4.0))
    assert margins("filler " * 60 + "attack")[1] == pytest.approx(4.0)  # the worst window counts
    assert margins("insult") == pytest.approx((-1.0, -4.0))  # not read on this stage


def test_no_hole_is_found_where_there_is_none_though_the_whole_can_be_passed(good: Path) -> None:
    guard, whole, inside = guards_on(good)
    found = attacked((guard, whole), inside, [row("attack", 1), row("please attack", 1)], budget=60, seed=0)
    assert found["reached"]["hole"]["count"] == 0
    assert found["reached"]["whole"]["count"] == 2  # the word is dropped or misspelt
    assert found["reached"]["either"]["count"] == 2
    assert found["more"]["value"] == 0.0


def test_a_search_spends_its_budget_and_no_more() -> None:
    looks: list[str] = []

    def margins(text: str) -> tuple[float, float]:
        looks.append(text)
        return 1.0, 1.0

    assert search("some words here", margins, "hole", 25, "0") is None
    assert len(looks) == 25
    assert looks[0] == "some words here"
    assert len(set(looks)) > 15


def test_a_hole_is_only_what_the_whole_still_blocks() -> None:
    assert search("a b", lambda _: (-1.0, -1.0), "hole", 5, "0") is None
    assert search("a b", lambda _: (-1.0, 1.0), "hole", 5, "0") == "a b"
    assert search("a b", lambda _: (1.0, -1.0), "whole", 5, "0") == "a b"
    assert search("a b", lambda _: (1.0, -1.0), "either", 5, "0") == "a b"


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("text", ["a", "two words", "one (odd)  text,\nwith lines"])
def test_every_move_leaves_a_text(move: Any, text: str) -> None:
    for seed in range(20):
        assert isinstance(move(random.Random(seed), text), str)


def write_set(folder: Path, name: str, rows: list[tuple[str, int]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
        for text, attack in rows:
            file.write(json.dumps({"role": "document", "text": text, "attack": attack}) + "\n")


def test_attacks_are_those_the_whole_model_blocks_from_every_set(good: Path, tmp_path: Path) -> None:
    _, whole, inside = guards_on(good)
    write_set(tmp_path, "a", [("attack one", 1), ("the attack", 1), ("please attack", 1), ("missed", 1)])
    write_set(tmp_path, "b", [("attack the filler", 1), ("filler", 0)])
    found = attacks(tmp_path, whole, inside, 3, 0)
    assert len(found) == 3
    assert {one.source for one in found} == {"a", "b"}
    assert all("attack" in one.text for one in found)
    assert len(attacks(tmp_path, whole, inside, 100, 0)) == 4


def run(tmp_path: Path, directory: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, Mapping[str, Any], str]:
    (tmp_path / "policy.toml").write_text(POLICY)
    monkeypatch.setenv("GUARDSDK_POLICY", str(tmp_path / "policy.toml"))
    write_set(tmp_path / "bench", "some_set", [(one.text, one.attack or 0) for one in ROWS])
    write_set(tmp_path / "calib", "other_set", [("attack", 1)])
    page, out = tmp_path / "page.md", tmp_path / "results" / "figures.json"
    page.write_text("Before.\n\n<!-- early_exit:begin -->\n<!-- early_exit:end -->\n\nAfter.\n")
    options = ["--data", str(tmp_path), "--model", str(directory), "--sets", "some_set", "--budget", "10"]
    status = main([*options, "--out", str(out), "--markdown", str(page)])
    return status, json.loads(out.read_text()) if out.exists() else {}, page.read_text()


def test_the_page_says_what_was_measured(tmp_path: Path, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, found, page = run(tmp_path, good, monkeypatch)
    assert status == 0
    assert "| `some_set` | tool | attack | recall | 100.0" in page
    assert "| `some_set` | 4 | 25.0 |" in page
    assert "half a point of that of all layers: yes" in page
    assert page.startswith("Before.")
    assert page.endswith("After.\n")
    assert body(found) in page


def test_a_model_that_loses_recall_is_not_accepted(
    tmp_path: Path, blind: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, _, page = run(tmp_path, blind, monkeypatch)
    assert status == 1
    assert "half a point of that of all layers: **no**" in page


def test_a_model_in_one_piece_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, page = run(tmp_path, write_model(tmp_path / "plain"), monkeypatch)
    assert status == 2
    assert "without early exit" in capsys.readouterr().err
    assert "measured" not in page


def test_the_lower_half_of_these_tests_knows_the_words_of_both_labels() -> None:
    assert {"attack", "insult"} <= EARLY.keys()

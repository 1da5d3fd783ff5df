from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import figures, report, scoring
from benchmarks.data import Row
from benchmarks.floors import FLOORS, QUOTED, floor_values
from benchmarks.quality import aimed, build
from benchmarks.scoring import Measured, Outcome, Store, measure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.data import StageName


def row(index: int, stage: StageName = "input", source: str = "made", **labels: int) -> Row:
    attack, harm, refusal = (labels.get(name) for name in ("attack", "harm", "refusal"))
    return Row(source, stage, f"text {index}", None, attack, harm, refusal)


def said(*fired: str, blocked: bool = False, checked: bool = True, **scores: float) -> Outcome:
    return Outcome(blocked=blocked, checked=checked, fired=fired, scores=scores)


def measured(system: str, pairs: Sequence[tuple[Row, Outcome]]) -> Measured:
    return Measured(system, "1", {one.key: outcome for one, outcome in pairs}, len(pairs), 1.0)


ATTACKS = [row(index, attack=int(index < 2)) for index in range(4)]
OURS = measured(
    "ours",
    [
        (ATTACKS[0], said("prompt_injection", blocked=True, prompt_injection=0.9, jailbreak=0.1)),
        (ATTACKS[1], said(prompt_injection=0.1, jailbreak=0.6)),
        (ATTACKS[2], said("toxicity", prompt_injection=0.2, jailbreak=0.1)),
        (ATTACKS[3], said("jailbreak", blocked=True, checked=False, prompt_injection=0.2, jailbreak=0.7)),
    ],
)
PEER = measured("peer", [(one, said(peer=0.5)) for one in ATTACKS])


def test_rates_count_blocks_and_keep_unchecked_rows_in_sight() -> None:
    recall, blocks = figures.rates(ATTACKS, [OURS, PEER])
    assert (recall["measure"], recall["rows"], recall["systems"]["ours"]["count"]) == ("recall", 2, 1)
    assert (blocks["measure"], blocks["systems"]["ours"]["rate"]) == ("false blocks", 0.5)
    assert (blocks["systems"]["ours"]["unchecked"], recall["systems"]["ours"]["unchecked"]) == (1, 0)
    assert recall["systems"]["peer"]["rate"] == 0.0


def test_ranking_takes_the_highest_relevant_score() -> None:
    (found,) = figures.ranking(ATTACKS, [OURS, PEER])
    # positives .9 and .6, negatives .2 and .7: three of four pairs in order
    assert found["systems"]["ours"]["auroc"] == pytest.approx(0.75)
    assert found["systems"]["peer"]["auroc"] == pytest.approx(0.5)
    assert found["score"] == "prompt_injection or jailbreak"


def test_refusals_are_measured_by_their_flag_and_the_peer_has_none() -> None:
    rows = [row(index, "output", refusal=int(index < 2)) for index in range(4)]
    ours = measured("ours", [(one, said("refusal", refusal=0.8)) for one in rows])
    peer = measured("peer", [(one, said(peer=0.5)) for one in rows])
    recall, false = figures.rates(rows, [ours, peer])
    assert (recall["measure"], recall["systems"]["ours"]["rate"], recall["systems"]["peer"]) == (
        "recall (flag)",
        1.0,
        None,
    )
    assert (false["measure"], false["systems"]["ours"]["rate"]) == ("false flags", 1.0)
    (flag,) = figures.flags(rows, ours)
    assert (flag["decision"], flag["f1"], flag["accuracy"]) == ("refusal fired", pytest.approx(2 / 3), 0.5)
    assert figures.ranking(rows, [ours, peer])[0]["systems"]["peer"] is None


def test_toxic_language_sets_measure_the_flag_and_rank_by_both_scores() -> None:
    rows = [row(index, source="hatecheck", harm=int(index < 2)) for index in range(4)]
    found = [said(*["toxicity"][: index < 2], harmful_request=0.1, toxicity=1 - index / 10) for index in range(4)]
    ours = measured("ours", list(zip(rows, found, strict=True)))
    (flag,) = figures.flags(rows, ours)
    assert (flag["decision"], flag["accuracy"], flag["f1"]) == ("toxicity fired", 1.0, 1.0)
    areas = {entry["score"]: entry["systems"]["ours"]["auroc"] for entry in figures.ranking(rows, [ours])}
    assert areas == {"harmful_request": 0.5, "toxicity": 1.0, "harmful_request or toxicity": 1.0}


def test_figures_of_a_sample_are_of_the_whole_set() -> None:
    """900 harmful and 100 harmless rows, two of each measured, and only one of the harmless taken for harmful."""
    rows = [row(index, source="hatecheck", harm=int(index < 2)) for index in range(4)]
    rows = [replace(one, weight=450.0 if one.harm else 50.0) for one in rows]
    found = [said("toxicity", toxicity=0.9, harmful_request=0.1) for _ in range(3)] + [
        said(toxicity=0.2, harmful_request=0.1)
    ]
    ours = measured("ours", list(zip(rows, found, strict=True)))
    (flag,) = figures.flags(rows, ours)
    assert (flag["rows"], flag["of"], flag["accuracy"]) == (4, 1000, pytest.approx(0.95))
    assert flag["precision"] == pytest.approx(900 / 950)
    assert flag["low"] < 0.95 < flag["high"]
    (toxicity,) = [one["systems"]["ours"] for one in figures.ranking(rows, [ours]) if one["score"] == "toxicity"]
    assert toxicity["auprc"] == pytest.approx(900 / 950)
    recall, _ = figures.rates(rows, [ours])
    assert (recall["rows"], recall["of"]) == (2, 900)
    assert "| 4 of 1,000 |" in report.flags_table({"flags": [flag]})


def test_slices_pool_by_meaning_and_leave_out_the_small_ones() -> None:
    rows = [row(index, attack=0) for index in range(25)] + [row(index, attack=1) for index in range(30, 35)]
    ours = measured("ours", [(one, said(blocked=one.attack == 1)) for one in rows])
    found = figures.slices(rows, [ours], per_set=False)
    assert {(entry["slice"], entry["measure"]) for entry in found} == {
        ("language", "benign, false blocks"),
        ("length (characters)", "benign, false blocks"),
        ("format", "benign, false blocks"),
    }
    assert all(entry["rows"] == 25 for entry in found)


def test_agreement_counts_blocks_and_principles_apart() -> None:
    other = measured(
        "other",
        [
            (ATTACKS[0], said("jailbreak", blocked=True, prompt_injection=0.4, jailbreak=0.1)),
            *[(one, OURS.outcomes[one.key]) for one in ATTACKS[1:]],
        ],
    )
    found = figures.agreement(ATTACKS, OURS, other)
    assert (found["block"]["rate"], found["principles"]["rate"], found["rows"]) == (1.0, 0.75, 4)
    assert found["largest_score_gap"] == pytest.approx(0.5)
    assert found["mean_score_gap"] == pytest.approx(0.5 / 8)


def test_the_page_holds_every_table_and_the_figures_are_json() -> None:
    ref = {"name": "guard", "version": "1", "digest": "0" * 64}
    about: dict[str, Any] = {
        "date": "2026-01-01",
        "limit": None,
        "model": ref,
        "policy": ref,
        "peer": "peer",
        "compared": "x",
    }
    result = build([ATTACKS], [OURS, PEER], OURS, about)
    page = report.quality_page(json.loads(json.dumps(result, allow_nan=False)))
    assert "| `made` | input | attack | recall | 2 | 50.0 [9.5, 90.5] | 0.0 [0.0, 65.8] |" in page
    assert "## Agreement with x" in page
    assert page.count("n/a") >= len(FLOORS)


@pytest.mark.parametrize(("read", "said_of_it"), [(True, "are checked beside them"), (False, "cannot read them")])
def test_the_page_says_how_prompts_with_instructions_were_checked(read: bool, said_of_it: str) -> None:
    ref = {"name": "guard", "version": "1", "digest": "0" * 64}
    about: dict[str, Any] = {"date": "2026-01-01", "limit": None, "model": ref, "policy": ref}
    plain = report.quality_page(build([ATTACKS], [OURS], None, {**about, "aimed": aimed(ATTACKS, read=read)}))
    assert said_of_it not in plain
    rows = [replace(one, context="Keep the code." if at else None) for at, one in enumerate(ATTACKS)]
    ours = measured("ours", [(one, said()) for one in rows])
    page = report.quality_page(build([rows], [ours], None, {**about, "aimed": aimed(rows, read=read)}))
    assert f"- {len(rows) - 1} prompts that come with the instructions they are aimed at (`made`)" in page
    assert said_of_it in page


def test_a_floor_is_reached_from_the_right_side() -> None:
    rows = [row(index, source="notinject", attack=0) for index in range(40)]
    for blocked, verdict in ((2, "| ≤ 5.0 | yes |"), (3, "| ≤ 5.0 | **no** |")):
        ours = measured("ours", [(one, said(blocked=index < blocked)) for index, one in enumerate(rows)])
        result = build([rows], [ours], None, {"date": "", "limit": None})
        (line,) = [line for line in report.floors_table(result).splitlines() if "notinject" in line]
        assert verdict in line


def test_floors_find_their_stage_their_score_and_every_system() -> None:
    stages: tuple[StageName, ...] = ("input", "tool", "tool")
    rows = [row(index, stage, "agentdojo", attack=1) for index, stage in enumerate(stages)]
    ours = measured("ours", [(one, said(blocked=one.stage == "tool")) for one in rows])
    peer = measured("peer", [(one, said(peer=0.5)) for one in rows])
    toxic = [row(index + 10, source="openai_moderation", harm=int(index < 5)) for index in range(10)]
    scored = measured(
        "ours", [(one, said(toxicity=float(one.harm or 0), harmful_request=0.5 - (one.harm or 0) / 2)) for one in toxic]
    )
    flagged = [row(index + 30, "output", "jbb_responses", harm=int(index < 5)) for index in range(10)]
    decided = measured("ours", [(one, said("harm", blocked=one.harm == 1)) for one in flagged])
    result = {
        "systems": ["ours", "peer"],
        "rates": figures.rates(rows, [ours, peer]),
        "ranking": figures.ranking(toxic, [scored, measured("peer", [(one, said(peer=0.5)) for one in toxic])]),
        "flags": figures.flags(flagged, decided),
    }
    found = {(floor.source, floor.kind): floor_values(floor, result) for floor in FLOORS}
    assert [one and one["rate"] for one in found["agentdojo", "recall"]] == [1.0, 0.0]
    areas = found["openai_moderation", "auprc"]
    assert [one and one["rate"] for one in areas] == [1.0, 0.5]
    assert [(one["low"] <= one["rate"] <= one["high"]) for one in areas if one] == [True, True]
    assert found["jbb_responses", "f1"] == [{"rate": 1.0, "low": 1.0, "high": 1.0}, None]
    assert found["llm_past_tense", "recall"] == [None, None]
    table = report.floors_table(result)
    assert "| `agentdojo` tool | recall, % | 100.0 [34.2, 100.0] | 0.0 [0.0, 65.8] | ≥ 90.0 | yes |" in table
    assert "| `jbb_responses` | F1 | 1.000 [1.000, 1.000] | n/a | ≥ .750 | yes |" in table
    assert "| `llm_past_tense` | recall, % | n/a | n/a | report |  |" in table
    assert set(QUOTED) < set(FLOORS)


class Counting:
    name = "counting"
    identity = "1"

    def __init__(self) -> None:
        self.asked = 0

    def decide(self, rows: Sequence[Row]) -> list[Outcome]:
        self.asked += len(rows)
        return [said("a", "b", blocked="1" in one.text, a=0.25) for one in rows]


def test_a_second_run_asks_for_nothing_and_an_interrupted_one_for_the_rest(tmp_path: Path) -> None:
    system = Counting()
    rows = [row(index) for index in range(10)]
    first = measure(system, [*rows, rows[0]], tmp_path)
    assert (system.asked, first.new_rows) == (10, 10)
    assert measure(system, rows, tmp_path).outcomes == first.outcomes
    assert system.asked == 10

    (path,) = tmp_path.iterdir()
    content = path.read_text()
    assert "text" not in content
    path.write_text(content[:-20])
    assert measure(system, rows, tmp_path).outcomes == first.outcomes
    assert system.asked == 11
    assert measure(system, rows, tmp_path, fresh=True).new_rows == 10


def test_outcomes_of_another_version_are_not_used(tmp_path: Path) -> None:
    system = Counting()
    measure(system, [row(1)], tmp_path)
    system.identity = "2"
    assert measure(system, [row(1)], tmp_path).new_rows == 1


def test_a_store_drops_lines_it_cannot_read(tmp_path: Path) -> None:
    path = tmp_path / "store.jsonl"
    path.write_text('{"key": "k"\n[]\n{"key": "only"}\n')
    store = Store(path)
    assert "k" not in store
    assert "only" not in store


def test_a_run_is_stored_in_steps_that_hold_every_row_once() -> None:
    rows = [replace(row(index), text="x" * 40_000 + str(index)) for index in range(7)]
    rows += [row(index) for index in range(10, 600)]
    batches = list(scoring.batches(rows))
    assert sorted(one.text for batch in batches for one in batch) == sorted(one.text for one in rows)
    assert max(map(len, batches)) == 256
    assert max(sum(len(one.text) for one in batch) for batch in batches) <= 100_000

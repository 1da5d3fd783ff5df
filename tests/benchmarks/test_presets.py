"""Figures of the presets: the arithmetic on scores made up, and that every file is ready to take them."""

from __future__ import annotations

import pytest

from benchmarks.data import Row
from benchmarks.presets import Group, everything, figures, filled, header, held_back, own_groups, page
from benchmarks.scoring import Outcome
from guardsdk import Guard, Policy, Stage
from guardsdk.policy import PACKAGED, bind
from guardsdk.policy.files import packaged_file

POLICY = """
name = "p"
version = "1"
[[principle]]
id = "a"
text = "a"
label = "a"
stages = ["input"]
threshold = 0.5
[[principle]]
id = "b"
text = "b"
label = "b"
stages = ["input"]
threshold = 0.5
action = "flag"
"""
POINTS = {("a", Stage.INPUT): {"default": 0.5}, ("b", Stage.INPUT): {"default": 0.5}}


def row(text: str) -> Row:
    return Row("set", "input", text, context=None, attack=0, harm=0, refusal=None)


def outcome(a: float, b: float) -> Outcome:
    return Outcome(blocked=False, checked=True, scores={"a": a, "b": b})


def test_a_text_is_held_back_by_an_action_or_because_it_counts_as_not_checked() -> None:
    plain = bind(Policy.from_toml(POLICY), POINTS)
    degrading = bind(Policy.from_toml(POLICY + "degrades = true\n"), POINTS)
    serving = bind(Policy.from_toml('on_error = "allow"\n' + POLICY + "degrades = true\n"), POINTS)
    assert [held_back(plain, row("x"), outcome(a, 0.9)) for a in (0.4, 0.6)] == [False, True]
    assert held_back(degrading, row("x"), outcome(0.4, 0.9))
    assert not held_back(degrading, row("x"), outcome(0.4, 0.4))
    assert not held_back(serving, row("x"), outcome(0.4, 0.9))


def test_shares_count_the_rows_of_a_group() -> None:
    rows = tuple(row(text) for text in "wxyz")
    outcomes = {one.key: outcome(score, 0.0) for one, score in zip(rows, (0.9, 0.1, 0.1, 0.1), strict=True)}
    found = figures([Group("g", harmless=True, rows=rows)], {"p": bind(Policy.from_toml(POLICY), POINTS)}, outcomes)
    assert (found["p"]["g"]["rate"], found["p"]["g"]["total"]) == (0.25, 4)
    assert found["p"]["g"]["low"] < 0.25 < found["p"]["g"]["high"]


def test_our_own_groups_need_no_data_and_go_one_way_each() -> None:
    found = {group.name: group for group in own_groups()}
    assert found["own hard harmless texts"].harmless
    assert {one.stage for one in found["own documents with orders"].rows} == {"tool"}
    assert all(group.rows for group in found.values())


def test_one_policy_asks_for_every_label(guard: Guard) -> None:
    asked = {(one.label, stage) for one in everything(guard).principles for stage in one.stages}
    assert asked == {(label, stage) for label, stages in guard.info().labels.items() for stage in stages}


def test_page_and_files_take_the_figures() -> None:
    share = {"rate": 0.25, "low": 0.1, "high": 0.4, "total": 4, "successes": 1}
    one = {"calm": share | {"harmless": True}, "bad": share | {"harmless": False}}
    result = {
        "model": {"name": "m", "version": "1", "digest": "d" * 64},
        "date": "2026-01-01",
        "limit": 5,
        "presets": {name: one for name in PACKAGED[1:]},  # noqa: C420  each its own would be the same
        "examples": {"default": {"tried": 3, "misses": ["x 1 (block)"]}},
    }
    written = page(result)
    assert written.count("25.0 [10.0, 40.0]") == 2 * len(PACKAGED[1:])
    assert "| `default` | 3 | x 1 (block) |" in written
    for name in PACKAGED[1:]:
        text = packaged_file(name).read_text(encoding="utf-8")
        again = filled(text, header(result, name))
        assert "#   calm: 25.0 [10.0, 40.0]" in again
        assert Policy.from_toml(again).digest == Policy.preset(name).digest
    with pytest.raises(ValueError, match="once each"):
        filled("no markers", "")

"""Decisions marked by people: what they say to move would have put right what it claims, and what is exported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from guardsdk.calibration.preferences import preferences
from guardsdk.calibration.suggesting import suggestions
from guardsdk.decisions.marks import Mark, add_marks, marked, marks_of, marks_path
from guardsdk.errors import DecisionLogError, InputError

if TYPE_CHECKING:
    from pathlib import Path

    from guardsdk.decisions.marks import Said

LINE = 0.5


def decision(number: int, value: float, *, line: float = LINE, **changes: Any) -> dict[str, Any]:
    fired = value >= line
    return {
        "seq": number,
        "hash": f"{number:064x}",
        "stage": "input",
        "action": "block" if fired else "allow",
        "would_action": None,
        "principle": "a" if fired else None,
        "findings": ["a"] if fired else [],
        "thresholds": {"a": line},
        "margins": {"a": value - line},
        **changes,
    }


def test_wrong_blocks_near_the_line_raise_it_past_them_and_the_log_says_what_that_changes() -> None:
    values = [0.1, 0.2, 0.52, 0.55, 0.6, 0.65, 0.8, 0.9]
    records = [decision(number, value) for number, value in enumerate(values)]
    said: dict[int, Said] = {2: "wrong", 3: "wrong", 6: "right", 7: "right", 0: "right"}
    (found,) = suggestions(records, said)
    assert 0.55 < found.moved <= 0.8
    assert (found.principle_id, found.line, found.put_right, found.put_wrong) == ("a", LINE, 2, 0)
    turned = [value for value in values if (value >= found.moved) is not (value >= LINE)]
    assert (found.changed, found.decisions) == (len(turned), len(values))
    assert "raise a on input from 0.5000" in str(found)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ([0.99996, 0.999961, 0.999962], [0.999982, 0.999984]),
        ([0.9999951, 0.9999952], [0.9999953, 0.9999954]),
        ([0.52, 0.55], [0.8, 0.9]),
        ([1.0 - 3e-16, 1.0 - 2e-16], []),
    ],
)
def test_the_line_that_is_shown_is_the_line_that_was_tried(wrong: list[float], right: list[float]) -> None:
    records = [decision(number, value) for number, value in enumerate([*wrong, *right])]
    said: dict[int, Said] = {number: "wrong" if number < len(wrong) else "right" for number in range(len(records))}
    (found,) = suggestions(records, said)
    shown = float(str(found).split(" to ")[1].split(":")[0])
    assert shown == found.moved
    assert max(wrong) < shown <= min([*right, 1.0])


def test_a_line_at_the_lowest_score_is_reached_by_it_whatever_the_last_digit() -> None:
    line = 0.99560201517368
    values = [0.9, 0.8 + 0.1, 0.3 * 3.0]
    records = [decision(number, value, line=line) for number, value in enumerate(values)]
    (found,) = suggestions(records, dict.fromkeys(range(3), "wrong"))
    assert found.put_right == 3
    assert 0.89 < found.moved <= min(values)


@pytest.mark.parametrize("said", ["wrong", "right"])
def test_what_was_stopped_at_a_lowered_threshold_of_its_actor_moves_no_line(said: Said) -> None:
    held: dict[str, Any] = {"action": "block", "principle": "a", "findings": ["a"]}  # as policy.judge.stricter has it
    records = [decision(0, 0.3, **held), decision(1, 0.35, **held), decision(2, 0.9), decision(3, 0.2)]
    assert suggestions(records, {0: said, 1: said, 2: "right", 3: "right"}) == []
    # Nor does it stand against a line that others speak for.
    missed = [decision(4, 0.3), decision(5, 0.35)]
    (found,) = suggestions([*records, *missed], {0: said, 1: said, 4: "wrong", 5: "wrong"})
    assert (found.put_right, found.put_wrong) == (2, 0)


def test_misses_lower_the_line_of_the_principle_that_came_closest() -> None:
    records = [
        decision(number, value, thresholds={"a": 0.5, "b": 0.5}, margins={"a": value - 0.5, "b": -0.45})
        for number, value in enumerate([0.3, 0.42, 0.45, 0.9])
    ]
    (found,) = suggestions(records, {1: "wrong", 2: "wrong", 0: "right", 3: "right"})
    assert found.principle_id == "a"
    assert 0.3 < found.moved <= 0.42
    assert "lower" in str(found)


def test_a_flagged_text_that_passed_and_should_not_have_speaks_for_the_principle_that_missed_it() -> None:
    records = [
        decision(
            number,
            value,
            action="flag",
            principle="note",
            findings=["note"],
            thresholds={"note": 0.01, "stop": 0.9},
            margins={"note": note - 0.01, "stop": value - 0.9},
        )
        for number, (value, note) in enumerate([(0.85, 0.3), (0.86, 0.4), (0.87, 0.5), (0.2, 0.9)])
    ]
    (found,) = suggestions(records, {0: "wrong", 1: "wrong", 2: "wrong", 3: "right"})
    assert (found.principle_id, found.put_right, found.put_wrong) == ("stop", 3, 0)
    assert 0.2 < found.moved <= 0.85


def test_a_text_that_was_flagged_by_all_and_should_not_have_passed_moves_no_line() -> None:
    records = [decision(number, 0.6, action="flag") for number in range(3)]
    assert suggestions(records, dict.fromkeys(range(3), "wrong")) == []


@pytest.mark.parametrize(
    "said",
    [{}, {2: "wrong"}, {2: "wrong", 3: "wrong", 4: "right", 5: "right", 6: "right"}, {6: "right", 7: "right"}],
)
def test_nothing_is_said_where_no_move_puts_more_right_than_wrong(said: dict[int, Said]) -> None:
    values = [0.1, 0.2, 0.9, 0.95, 0.6, 0.65, 0.7, 0.99]
    assert suggestions([decision(number, value) for number, value in enumerate(values)], said) == []


def test_decisions_by_an_older_line_do_not_count() -> None:
    old = [decision(number, 0.3, line=0.2) for number in range(5)]
    new = [decision(number, 0.6) for number in range(5, 8)]
    said: dict[int, Said] = dict.fromkeys(range(8), "wrong")
    (found,) = suggestions([*old, *new], said)
    assert (found.line, found.put_right, found.decisions) == (LINE, 3, 3)


def test_decisions_by_the_newest_line_count_though_some_by_another_lie_between() -> None:
    records = [decision(number, 0.6, line=0.2 if number % 2 else LINE) for number in range(9)]
    (found,) = suggestions(records, dict.fromkeys(range(9), "wrong"))
    assert (found.line, found.put_right, found.decisions) == (LINE, 5, 5)


def test_in_shadow_mode_it_counts_what_would_have_followed() -> None:
    records = [decision(n, 0.6, action="flag", would_action="block") for n in range(3)]
    (found,) = suggestions(records, dict.fromkeys(range(3), "wrong"))
    assert found.put_right == 3


def test_a_mark_is_not_gone_through_for_every_place_a_line_may_have() -> None:
    class Score(float):
        """A score that counts how often it is compared."""

        compared = 0

        def __lt__(self, other: float) -> bool:
            Score.compared += 1
            return float(self) < float(other)

        def __ge__(self, other: float) -> bool:
            Score.compared += 1
            return float(self) >= float(other)

        def __add__(self, other: float) -> Score:
            return Score(float(self) + float(other))

    def comparisons(marks: int) -> int:
        Score.compared = 0
        records = [decision(number, 0.5 + number / (2 * marks)) for number in range(marks)]
        for record in records:
            record["thresholds"] = {"a": Score(LINE)}
        said: dict[int, Said] = {number: "wrong" if number < marks // 2 else "right" for number in range(marks)}
        (found,) = suggestions(records, said)
        assert found.put_right == marks // 2
        return Score.compared

    assert comparisons(2000) < 3 * comparisons(1000)


def test_marks_are_kept_and_the_last_word_counts(tmp_path: Path) -> None:
    log = tmp_path / "decisions.jsonl"
    assert marks_of(log) == {}
    first = Mark(3, f"{3:064x}", "wrong", "2026-11-26T00:00:00.000000Z", "dana")
    add_marks(log, [first])
    add_marks(log, [Mark(4, "0" * 64, "right", first.time)])
    assert marks_of(log)[3] == first
    add_marks(log, [Mark(3, first.hash, "right", first.time)])
    marks = marks_of(log)
    assert marked(decision(3, 0.9), marks) == "right"
    assert marked(decision(4, 0.9), marks) is None  # said of another line that had the number
    assert marked(decision(5, 0.9), marks) is None
    with marks_path(log).open("a") as stream:
        stream.write('{"seq": 1, "hash": "", "said": "maybe", "time": ""}\n')
    with pytest.raises(DecisionLogError, match=r"marks:4: no mark"):
        marks_of(log)


def test_only_answers_that_were_rightly_stopped_become_pairs() -> None:
    kinds = {
        1: decision(1, 0.9, stage="output"),
        2: decision(2, 0.9, stage="output"),
        3: decision(3, 0.1, stage="output"),
        4: decision(4, 0.9),
        5: decision(5, 0.9, stage="output"),
    }
    rows = [{"seq": n, "prompt": f"p{n}", "answer": f"a{n}", "revised": f"r{n}"} for n in (1, 2, 3, 4, 6)]
    rows.append({"seq": 5, "prompt": "p", "answer": "same", "revised": "same"})
    said: dict[int, Said] = {1: "right", 2: "wrong", 3: "right", 4: "right", 5: "right"}
    answers = [(f"answers:{number}", row) for number, row in enumerate(rows, 1)]
    assert list(preferences(answers, kinds, said)) == [{"prompt": "p1", "chosen": "r1", "rejected": "a1"}]


@pytest.mark.parametrize(
    ("row", "key"), [({"seq": 1, "prompt": "p", "answer": " "}, "answer"), ({"seq": "1"}, "prompt")]
)
def test_a_row_that_lacks_something_is_named(row: dict[str, Any], key: str) -> None:
    with pytest.raises(InputError, match=f"answers:7: {key}"):
        list(preferences([("answers:7", row)], {}, {}))

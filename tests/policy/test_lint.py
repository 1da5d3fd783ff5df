"""What lint finds, one fault at a time, and what it leaves alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from guardsdk.policy import PACKAGED, Policy
from guardsdk.policy.lint import Level, lint, worst
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from pathlib import Path

    from guardsdk import Guard

POINTS = {("attack", stage): {"default": 0.8, "0.001": 0.95, "0.01": 0.7} for stage in (Stage.INPUT, Stage.TOOL)} | {
    ("rule", Stage.INPUT): {"default": 0.5}
}
HEAD = 'name = "mine"\nversion = "1"\n'
_ROWS = [f'{{ expect = "{word}", text = "{word} {number}" }}' for word in ("block", "allow") for number in range(5)]
EXAMPLES = f"examples = [{', '.join(_ROWS)}]\n"
SOUND = (
    '[[principle]]\nid = "one"\ntext = "No."\nrationale = "Because."\nnot_covered = "The rest."\nlabel = "attack"\n'
    'stages = ["input", "tool"]\nrefs = ["OWASP-LLM01:2025"]\nthreshold = "default"\n' + EXAMPLES
)
OUTPUT_NOTE = "stage"


def found(toml: str) -> list[tuple[str, str, str | None, int | None]]:
    problems = lint(Policy.from_toml(toml, source="mine.toml"), POINTS)
    return [
        (one.level.value, one.rule, one.principle_id, one.place.line if one.place else None)
        for one in problems
        if one.rule != OUTPUT_NOTE
    ]


def test_a_principle_that_was_taken_away_is_told_here_and_further_down(tmp_path: Path) -> None:
    base = tmp_path / "base.toml"
    base.write_text(HEAD + SOUND + second(), encoding="utf-8")
    middle = tmp_path / "middle.toml"
    middle.write_text(f'{HEAD}extends = "{base.name}"\nremove = ["two"]\n', encoding="utf-8")
    last = tmp_path / "last.toml"
    last.write_text(f'{HEAD}extends = "{middle.name}"\n', encoding="utf-8")
    for path in (middle, last):
        [problem] = [one for one in lint(Policy.from_file(path), POINTS) if one.rule == "removed"]
        assert (problem.level, str(problem.place)) == (Level.NOTE, f"{middle}:4")
        assert "two" in problem.message
    assert not [one for one in lint(Policy.from_file(base), POINTS) if one.rule == "removed"]


def test_a_sound_policy_has_no_problem() -> None:
    assert found(HEAD + SOUND) == []


def second(*changes: tuple[str, str]) -> str:
    text = SOUND.replace('"one"', '"two"')
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return text


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        (SOUND.replace('"default"', "1.0"), [("warning", "dead", "one", 11)]),
        (SOUND.replace('"default"', "0"), [("warning", "always", "one", 11)]),
        (SOUND.replace('"default"', "0.97"), [("warning", "unmeasured", "one", 11)] * 2),
        (SOUND.replace('"attack"', '"atack"'), [("error", "unknown", "one", 8)]),  # on both stages, said once
        (SOUND.replace('"attack"', '"taught.cooking"'), []),
        (
            SOUND.replace('"attack"', '"taught.cooking"').replace(_ROWS[0] + ", ", ""),
            [("warning", "taught", "one", 12)],
        ),
        (
            SOUND.replace('"attack"', '"taught.cooking"').replace(", " + _ROWS[-1], ""),
            [("warning", "taught", "one", 12)],
        ),
        ('[decision_log]\non_error = "block"\n' + SOUND, [("note", "decision-log", None, 3)]),
        ('[decision_log]\npath = "decisions.jsonl"\n' + SOUND, []),
        (SOUND.replace('"tool"', '"output"'), [("error", "unknown", "one", 8)]),
        (SOUND.replace('"default"', '"fpr:0.3"'), [("error", "unknown", "one", 11)] * 2),
        (SOUND + second(('"default"', "0.9")), [("warning", "dead", "two", 21)]),
        (SOUND + second(), [("warning", "dead", "two", 21)]),
        (second(('"default"', "0.9")) + SOUND, [("warning", "dead", "two", 11)]),
        (SOUND + second(('"default"', "0.6")), [("warning", "dead", "one", 11)]),
        (
            SOUND + second(('"block"', '"flag"'), ('"default"', '"default"\naction = "flag"')),
            [
                ("warning", "dead", "two", 21),
                ("error", "contradiction", "two", 22),
                ("error", "contradiction", "two", 22),
            ],
        ),
        (SOUND + second(('"block"', '"flag"'), ('"default"', '0.75\naction = "flag"')), []),
        (
            'on_error = "allow"\n' + SOUND + "degrades = true\n",
            [("note", "on-error", None, 1), ("warning", "contradiction", "one", 14)],
        ),
        ("shadow = true\n" + SOUND, [("warning", "shadow", None, 1)]),
        (SOUND.replace('refs = ["OWASP-LLM01:2025"]\n', ""), [("warning", "refs", "one", 3)]),
        (SOUND.replace("LLM01:2025", "LLM11:2025"), [("warning", "refs", "one", 10)]),
        (SOUND.replace("OWASP-LLM01:2025", "OWSAP-LLM01:2025"), [("warning", "refs", "one", 10)]),
        (SOUND.replace("OWASP-LLM01:2025", "house-rule-7"), []),
        (SOUND.replace('rationale = "Because."\n', ""), [("note", "words", "one", 3)]),
        (SOUND.replace('not_covered = "The rest."\n', ""), [("note", "words", "one", 3)]),
        (SOUND.replace(EXAMPLES, ""), [("warning", "examples", "one", 3)] * 2),
        (SOUND.replace('"block 4"', '"block 3"'), [("note", "examples", "one", 12)]),
        (SOUND.replace('"allow 0"', '"block 0"'), [("error", "contradiction", "one", 12)]),
    ],
)
def test_each_fault_is_found_where_it_stands_and_nothing_else(
    toml: str, expected: list[tuple[str, str, str | None, int | None]]
) -> None:
    opening = toml.startswith(("on_error", "shadow"))
    first, _, rest = toml.partition("\n") if opening else ("", "", toml)
    text = f"{first}\n{HEAD}{rest}" if opening else HEAD + rest
    assert found(text) == expected


def test_one_label_alone_on_a_stage_has_its_say() -> None:
    other = second(('"attack"', '"rule"'), ('"input", "tool"', '"input"'), ('"default"', "0.9"))
    assert found(HEAD + SOUND + other) == []


def test_a_problem_reads_like_a_compilers_and_quotes_no_example() -> None:
    secret = SOUND.replace('"allow 0"', '"a secret wish"').replace('"block 0"', '"a secret wish"')
    (problem,) = [
        one for one in lint(Policy.from_toml(HEAD + secret, source="mine.toml"), POINTS) if one.rule != "stage"
    ]
    assert str(problem).startswith("mine.toml:12: error: one: examples[")
    assert "secret" not in str(problem)


def test_what_weighs_most_is_told() -> None:
    policy = Policy.from_toml(HEAD + SOUND)
    assert worst(lint(policy, POINTS)) is Level.NOTE  # no principle for the output
    assert worst(()) is None
    assert worst(lint(Policy.from_toml(HEAD + SOUND.replace("attack", "atack")), POINTS)) is Level.ERROR


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_policies_have_nothing_but_notes_on_the_shipped_model(name: str, guard: Guard) -> None:
    offered = guard.info().operating_points
    points = {(label, stage): found for label, stages in offered.items() for stage, found in stages.items()}
    assert [str(one) for one in lint(Policy.preset(name), points) if one.level is not Level.NOTE] == []

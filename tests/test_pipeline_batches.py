"""What is remembered, what is asked once and what is asked in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from guardsdk.errors import ModelError
from guardsdk.surroundings import NOWHERE, Surroundings
from guardsdk.verdict import Action, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.screens.base import Reading


from tests.pipeline_bench import Bench, WordScreen


def test_a_cached_verdict_says_so_and_is_otherwise_the_same() -> None:
    bench = Bench(cache=8)
    first, second = bench.check("so bad"), bench.check("so bad")
    assert (first.cached, second.cached) == (False, True)
    assert len(bench.screen.asked) == 1
    same = {"cached": False, "duration_s": 0.0}
    assert first.model_copy(update=same) == second.model_copy(update=same)
    assert [record.verdict.cached for record in bench.recorder.records] == [False, True]


def test_stage_and_surroundings_are_part_of_what_is_remembered() -> None:
    bench = Bench(cache=8)
    bench.check("fine")
    assert not bench.check("fine", Stage.OUTPUT).cached
    for around in (Surroundings("why"), Surroundings(system="why"), Surroundings("why", "why")):
        assert not bench.run("fine", stage=Stage.OUTPUT, around=[around])[0].cached
        assert bench.run("fine", stage=Stage.OUTPUT, around=[around])[0].cached


@pytest.mark.parametrize("paired", [True, False])
def test_what_is_not_read_keeps_nothing_apart_that_is_remembered(paired: bool) -> None:
    bench = Bench(cache=8, paired=frozenset({Stage.INPUT} if paired else ()))
    first, again, other = (Surroundings(system=system) for system in ("be kind", "be kind", "be brief"))
    cached = [bench.run("fine", around=[around])[0].cached for around in (NOWHERE, first, again, other)]
    assert cached == ([False, False, True, False] if paired else [False, True, True, True])


@pytest.mark.parametrize("text", ["fine and longer than ten", "rude and longer than ten"])
def test_a_degraded_verdict_is_not_remembered(text: str) -> None:
    bench = Bench(cache=8, max_chars=10)
    bench.check(text)
    assert not bench.check(text).cached


def test_a_failed_verdict_is_not_remembered() -> None:
    bench = Bench(WordScreen("bad", "rude", error=ModelError("gone")), cache=8)
    bench.check("fine")
    assert not bench.check("fine").cached
    assert len(bench.screen.asked) == 2


def test_changing_a_verdicts_scores_changes_no_other() -> None:
    bench = Bench(cache=8)
    for _ in range(3):
        verdict = bench.check("fine")
        assert verdict.scores["bad"] == 0.0
        verdict.scores["bad"] = 1.0


@pytest.mark.parametrize("cache", [0, 8])
def test_equal_texts_of_a_batch_are_scored_once_and_order_is_kept(cache: int) -> None:
    bench = Bench(cache=cache)
    verdicts = bench.run("so bad", "fine", "", "so bad", "rude it is")
    assert [text for text, _, _ in bench.screen.asked] == ["so bad", "fine", "rude it is"]
    actions = [Action.BLOCK, Action.ALLOW, Action.ALLOW, Action.BLOCK, Action.FLAG]
    assert [verdict.action for verdict in verdicts] == actions
    assert len(bench.recorder.records) == 5
    assert [record.text_length for record in bench.recorder.records] == [6, 4, 0, 6, 10]
    verdicts[0].scores["bad"] = 0.0
    assert verdicts[3].scores["bad"] == 0.5


def test_a_large_batch_is_scored_in_parts_and_stays_in_order() -> None:
    class Counting(WordScreen):
        def __init__(self) -> None:
            super().__init__("bad", "rude")
            self.sizes: list[int] = []

        def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:
            self.sizes.append(len(texts))
            return super().read(texts, stage, around)

    screen = Counting()
    texts = [f"{number} bad" if number % 3 == 0 else f"{number} fine" for number in range(1200)]
    verdicts = Bench(screen).run(*texts)
    assert [verdict.allowed for verdict in verdicts] == [number % 3 != 0 for number in range(1200)]
    assert sum(screen.sizes) == 1200
    assert max(screen.sizes) < 1200


def test_one_text_with_two_prompts_is_two_questions() -> None:
    bench = Bench()
    bench.run("fine", "fine", "fine", stage=Stage.OUTPUT, around=[Surroundings(prompt) for prompt in "aba"])
    assert [around.prompt for _, _, around in bench.screen.asked] == ["a", "b"]

"""Screens of the user's own beside the packaged ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk import Action, Guard, GuardError, Policy, Principle, Stage, Status
from guardsdk.errors import PolicyError
from guardsdk.screens.base import OperatingPoints, Reading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from guardsdk.observing import CheckRecord
    from guardsdk.surroundings import Surroundings


class Shouting:
    """A rule anyone could write: the share of capital letters."""

    name = "shouting"

    def __init__(self, label: str = "shouting") -> None:
        self._label = label
        self.operating_points: OperatingPoints = {(label, Stage.INPUT): {"default": 0.5}}
        self.asked = 0

    def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:
        assert stage is Stage.INPUT
        assert len(texts) == len(around)
        self.asked += len(texts)
        return [self._read(text) for text in texts]

    def _read(self, text: str) -> Reading:
        capitals = sum(letter.isupper() for letter in text)
        return Reading({self._label: capitals / len(text)}, 1.0, lambda _: ((0, len(text)),))


def policy(*labels: str, stage: Stage = Stage.INPUT) -> Policy:
    principles = tuple(
        Principle(id=f"p{number}", text="No.", label=label, stages=(stage,)) for number, label in enumerate(labels)
    )
    return Policy(name="own", version="1", principles=principles)


def test_a_screen_of_ones_own_decides_by_its_own_label(model_directory: Path) -> None:
    guard = Guard(policy("shouting"), models=model_directory, providers="cpu", observers=(), screens=[Shouting()])
    verdict = guard.check("STOP THAT")
    assert (verdict.action, verdict.status, verdict.principle_id) == (Action.BLOCK, Status.COMPLETE, "p0")
    assert verdict.findings[0].span == (0, 9)
    assert verdict.scores.keys() == {"shouting"}  # the classifier was not asked: no principle needs it
    assert guard.check("Please stop that.")
    assert guard.info().labels["shouting"] == (Stage.INPUT,)


def test_screens_and_observers_may_come_one_by_one(model_directory: Path) -> None:
    class Counting:
        told = 0

        def on_check(self, record: CheckRecord) -> None:
            del record
            self.told += 1

    counting = Counting()
    observers: Any = iter([counting])
    screens: Any = (screen for screen in [Shouting()])
    guard = Guard(policy("shouting"), models=model_directory, providers="cpu", observers=observers, screens=screens)
    assert guard.check("STOP THAT").action is Action.BLOCK
    assert counting.told == 1


@pytest.mark.parametrize("colour", ["\x1b[33m", "\x1b[38;5;214m", r"\u001b[33m", r"\033[1;33m"])
def test_a_value_in_colour_is_found_without_the_colour(model_directory: Path, colour: str) -> None:
    guard = Guard(policy("secret", "personal_data"), models=model_directory, providers="cpu", observers=())
    password, mail = "Maple#Quay77", "dana.meyer@harbourmail.net"
    verdict = guard.check(f"password: {colour}{password} of {colour}{mail}")
    start = len(f"password: {colour}")
    assert sorted(one.span for one in verdict.findings) == [
        (start, start + len(password)),
        (start + len(f"{password} of {colour}"), start + len(f"{password} of {colour}{mail}")),
    ]


def test_a_screen_the_policy_does_not_use_is_never_asked(model_directory: Path) -> None:
    screen = Shouting()
    guard = Guard(policy("toxicity"), models=model_directory, providers="cpu", observers=(), screens=[screen])
    assert "toxicity" in guard.check("STOP THAT").scores
    assert screen.asked == 0


def test_a_label_whose_screen_is_not_there_is_an_error_that_says_what_to_do(model_directory: Path) -> None:
    guard = Guard(policy("shouting"), models=model_directory, providers="cpu", observers=())
    with pytest.raises(PolicyError, match=r"no screen of this guard scores label 'shouting'.*Guard\(screens="):
        guard.check("hello")
    with pytest.raises(PolicyError, match="'shouting' is scored on input, not on output"):
        Guard(
            policy("shouting", stage=Stage.OUTPUT),
            models=model_directory,
            providers="cpu",
            observers=(),
            screens=[Shouting()],
        ).check("hello", stage="output")


def test_a_screen_may_name_its_stage_as_a_policy_does(model_directory: Path) -> None:
    screen = Shouting()
    screen.operating_points = {("shouting", "input"): {"default": 0.5}}  # type: ignore[dict-item]  # on purpose
    guard = Guard(policy("shouting"), models=model_directory, providers="cpu", observers=(), screens=[screen])
    verdict = guard.check("STOP THAT")
    assert (verdict.action, verdict.status, verdict.principle_id) == (Action.BLOCK, Status.COMPLETE, "p0")
    assert screen.asked == 1


@pytest.mark.parametrize("key", [("shouting", "answer"), "shouting", ("shouting", None)])
def test_a_screen_for_a_stage_that_there_is_not_is_an_error(model_directory: Path, key: Any) -> None:
    screen = Shouting()
    screen.operating_points = {key: {"default": 0.5}}
    guard = Guard(policy("shouting"), models=model_directory, providers="cpu", observers=(), screens=[screen])
    with pytest.raises(GuardError, match=r"'shouting' are each for a label and a stage \(input, tool, output\)"):
        guard.warmup()


def test_a_threshold_the_screen_does_not_offer_is_an_error_that_names_those_it_does(model_directory: Path) -> None:
    for points, offered in (({"0.01": 0.5}, '"fpr:0.01"'), ({}, "numbers from 0 to 1")):
        screen = Shouting()
        screen.operating_points = {("shouting", Stage.INPUT): points}
        guard = Guard(policy("shouting"), models=model_directory, providers="cpu", observers=(), screens=[screen])
        with pytest.raises(PolicyError, match=f"no threshold 'default' for label 'shouting' on input, only {offered}"):
            guard.check("STOP THAT")


def test_a_percentage_for_a_threshold_lets_nothing_pass(model_directory: Path) -> None:
    screen = Shouting()
    screen.operating_points = {("shouting", Stage.INPUT): {"default": 50.0}}
    guard = Guard(policy("shouting"), models=model_directory, providers="cpu", observers=(), screens=[screen])
    with pytest.raises(GuardError, match="is no number from 0 to 1"):
        guard.check("STOP THAT")


def test_a_reading_that_cannot_be_used_takes_no_other_text_along(model_directory: Path) -> None:
    class Telling(Shouting):
        def _read(self, text: str) -> Reading:
            return replace(super()._read(text), problems=("half of it",) if "x" in text else ())  # type: ignore[arg-type]  # on purpose

    guard = Guard(policy("shouting"), models=model_directory, providers="cpu", observers=(), screens=[Telling()])
    fine, odd = guard.check_many(["a day", "an x"])
    assert (fine.status, fine.allowed) == (Status.COMPLETE, True)
    assert (odd.status, odd.allowed, odd.incomplete_layers) == (Status.DEGRADED, False, ("shouting",))
    assert odd.degraded_reasons == ("shouting: problems that are no pairs of layer and what went wrong",)


def test_a_check_in_which_nothing_was_scored_says_so(model_directory: Path) -> None:
    class Idle(Shouting):
        def _read(self, text: str) -> Reading:
            return replace(super()._read(text), scores={}, coverage=0.0, settled=True, late=True)

    guard = Guard(policy("shouting"), models=model_directory, providers="cpu", observers=(), screens=[Idle()])
    verdict = guard.check("a day")
    assert (verdict.status, verdict.error) == (Status.FAILED, "nothing was scored")


def test_a_screen_may_not_take_a_label_that_is_taken(model_directory: Path) -> None:
    guard = Guard(
        policy("toxicity"), models=model_directory, providers="cpu", observers=(), screens=[Shouting("toxicity")]
    )
    with pytest.raises(GuardError, match="'shouting' and 'classifier' both score 'toxicity' on input"):
        guard.check("hello")

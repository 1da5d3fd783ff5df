"""Several screens side by side: none overwrites another, and one that fails takes nothing from the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from guardsdk.errors import GuardError, ModelError
from guardsdk.screens.base import OperatingPoints, Reading
from guardsdk.screens.panel import Panel
from guardsdk.surroundings import NOWHERE, Surroundings
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class LengthScreen:
    """Scores one label by how long a text is: a real rule, small enough to foresee."""

    def __init__(self, name: str, label: str, *, full: int = 100, coverage: float = 1.0) -> None:
        self.name = name
        self._label = label
        self._full = full
        self._coverage = coverage
        self.operating_points: OperatingPoints = {(label, Stage.INPUT): {"default": 0.5}}

    def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:
        assert len(texts) == len(around)
        assert stage is Stage.INPUT
        return [self._read(text) for text in texts]

    def _read(self, text: str) -> Reading:
        return Reading({self._label: min(1.0, len(text) / self._full)}, self._coverage, lambda _: ((0, len(text)),))


class ShortSighted(LengthScreen):
    """Cannot score a text longer than ten characters."""

    def __init__(self, name: str, label: str, error: Exception) -> None:
        super().__init__(name, label)
        self._error = error

    def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:
        if any(len(text) > 10 for text in texts):
            raise self._error
        return super().read(texts, stage, around)


class Placed(LengthScreen):
    """Points at two passages, with offsets of a kind of its own."""

    def __init__(self, offset: Callable[[int], Any]) -> None:
        super().__init__("a", "label")
        self._offset = offset

    def _read(self, text: str) -> Reading:
        places = tuple((self._offset(start), self._offset(end)) for start, end in ((2, 5), (7, 9)))
        return replace(super()._read(text), spans=lambda _: places)


def test_two_screens_of_one_class_both_keep_their_result() -> None:
    panel = Panel([LengthScreen("a", "short", full=10), LengthScreen("b", "long", full=1000)])
    (reading,) = panel.read(["x" * 10], Stage.INPUT, [NOWHERE])
    assert reading.scores == {"short": 1.0, "long": 0.01}
    assert reading.spans("short", 10) == reading.spans("long", 10) == ((0, 10),)
    assert set(panel.operating_points) == {("short", Stage.INPUT), ("long", Stage.INPUT)}


@pytest.mark.parametrize(
    ("second", "reason"),
    [(LengthScreen("a", "other"), "named 'a'"), (LengthScreen("b", "same"), "'a' and 'b' both score 'same' on input")],
)
def test_screens_that_could_overwrite_each_other_are_refused(second: LengthScreen, reason: str) -> None:
    with pytest.raises(GuardError, match=reason):
        Panel([LengthScreen("a", "same"), second])


@pytest.mark.parametrize(
    "points",
    [
        None,
        ["label"],
        {"label": {"default": 0.5}},
        {("label", "inputs"): {}},
        {("label", "input"): 0.5},
        {(7, "input"): {"default": 0.5}},
        {("label", "input"): {0.001: 0.5}},
    ],
)
def test_operating_points_that_are_none_are_refused(points: Any) -> None:
    screen = LengthScreen("a", "label")
    screen.operating_points = points
    with pytest.raises(
        GuardError, match=r"the operating points of screen 'a' are each for a label and a stage \(input,"
    ):
        Panel([screen])


@pytest.mark.parametrize("threshold", [50, 1.5, -0.1, float("nan"), float("inf"), "0.5", None, True])
def test_a_threshold_that_no_score_can_be_held_against_is_refused(threshold: Any) -> None:
    screen = LengthScreen("a", "label")
    screen.operating_points = {("label", Stage.INPUT): {"0.001": 0.9, "default": threshold}}
    with pytest.raises(GuardError, match="screen 'a': threshold 'default' of label 'label' on input is no number from"):
        Panel([screen])


def test_a_threshold_of_any_kind_of_number_is_one() -> None:
    screen = LengthScreen("a", "label")
    screen.operating_points = {("label", Stage.INPUT): {"default": cast("float", np.float32(0.5)), "0.1": 1}}
    (points,) = Panel([screen]).operating_points.values()
    assert [(points[name], type(points[name])) for name in points] == [(0.5, float), (1.0, float)]


@pytest.mark.parametrize("kind", [np.int64, np.uint8])
def test_offsets_of_any_whole_number_are_plain_ones(kind: type) -> None:
    (found,) = Panel([Placed(kind)]).read(["x" * 10], Stage.INPUT, [NOWHERE])
    spans = found.spans("label", 10)
    assert (spans, found.problems) == (((2, 5), (7, 9)), [])
    assert {type(at) for span in spans for at in span} == {int}  # as verdicts and logs are written from them


@pytest.mark.parametrize("kind", [np.float64, float, np.bool_, bool, str])
def test_offsets_that_are_none_are_a_problem_and_the_score_stands(kind: type) -> None:
    (found,) = Panel([Placed(kind)]).read(["x" * 10], Stage.INPUT, [NOWHERE])
    assert (found.scores, found.spans("label", 10)) == ({"label": 0.1}, ((0, 10),))
    assert found.layers == ["a"]


def test_what_is_no_list_of_readings_is_named() -> None:
    class Yielding(LengthScreen):
        def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> Any:
            return iter(super().read(texts, stage, around))

    first, second = Panel([Yielding("a", "label")]).read(["x", "xx"], Stage.INPUT, [NOWHERE, NOWHERE])
    assert first.problems == second.problems == ["a: list_iterator in place of a list of readings"]


def test_a_screen_nobody_wants_is_not_asked() -> None:
    panel = Panel([LengthScreen("a", "one"), ShortSighted("b", "two", ModelError("never asked"))])
    (reading,) = panel.serving({("one", Stage.INPUT), ("two", Stage.OUTPUT)}).read(["x" * 50], Stage.INPUT, [NOWHERE])
    assert (reading.scores, reading.problems) == ({"one": 0.5}, [])
    assert panel.read(["x" * 50], Stage.INPUT, [NOWHERE])[0].problems == ["b: ModelError: never asked"]


def test_coverage_is_the_lowest_of_all() -> None:
    panel = Panel([LengthScreen("a", "one"), LengthScreen("b", "two", coverage=0.5)])
    assert panel.read(["x"], Stage.INPUT, [NOWHERE])[0].coverage == 0.5


def test_a_failing_screen_is_reported_and_the_other_still_answers() -> None:
    panel = Panel([ShortSighted("a", "one", ModelError("no memory left")), LengthScreen("b", "two")])
    (reading,) = panel.read(["x" * 50], Stage.INPUT, [NOWHERE])
    assert reading.scores == {"two": 0.5}
    assert reading.problems == ["a: ModelError: no memory left"]
    assert reading.coverage == 0.0  # what one of them has not seen has not been checked


def test_a_text_that_cannot_be_scored_does_not_fail_its_batch() -> None:
    panel = Panel([ShortSighted("a", "one", ModelError("too long"))])
    readings = panel.read(["x" * 5, "x" * 50, "x" * 10], Stage.INPUT, [NOWHERE] * 3)
    assert [reading.scores for reading in readings] == [{"one": 0.05}, {}, {"one": 0.1}]
    assert [reading.coverage for reading in readings] == [1.0, None, 1.0]
    assert readings[1].problems == ["a: ModelError: too long"]


def test_the_message_of_a_strangers_error_is_left_out() -> None:
    panel = Panel([ShortSighted("a", "one", ValueError("cannot parse 'my secret'"))])
    (reading,) = panel.read(["x" * 50], Stage.INPUT, [NOWHERE])
    assert reading.problems == ["a: ValueError"]


def test_a_screen_that_answers_for_fewer_texts_has_failed() -> None:
    class Forgetful(LengthScreen):
        def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:
            return super().read(texts, stage, around)[:-1]

    (reading,) = Panel([Forgetful("a", "one")]).read(["x"], Stage.INPUT, [NOWHERE])
    assert reading.coverage is None
    assert reading.problems == ["a: 0 readings for 1 texts"]


@pytest.mark.parametrize("how", ["reverse", "clear"])
def test_a_screen_that_changes_the_lists_it_is_given_changes_nothing_for_the_others(how: str) -> None:
    class Careless(LengthScreen):
        def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:
            readings = super().read(texts, stage, around)
            for given in (texts, around):
                assert isinstance(given, list)
                getattr(given, how)()
            return readings

    around = [NOWHERE, Surroundings("a question", None)]
    panel = Panel([Careless("a", "any", full=10), LengthScreen("b", "long")])
    first, second = panel.read(["x" * 10, "x"], Stage.INPUT, around)
    assert (first.scores, second.scores) == ({"any": 1.0, "long": 0.1}, {"any": 0.1, "long": 0.01})
    assert first.problems == second.problems == []
    assert around == [NOWHERE, Surroundings("a question", None)]

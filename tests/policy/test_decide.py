"""Binding a policy to a model's thresholds, and deciding by it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardsdk.errors import PolicyError
from guardsdk.policy import Policy, Principle, StageActions, bind, decide
from guardsdk.policy.decide import blocks
from guardsdk.verdict import Action, Stage

POINTS = {
    ("toxicity", Stage.INPUT): {"default": 0.6, "0.001": 0.9, "0.01": 0.7},
    ("toxicity", Stage.OUTPUT): {"default": 0.4},
    ("jailbreak", Stage.INPUT): {"default": 0.5},
}


def principle(  # one principle with what a test wants to vary
    identifier: str = "one",
    label: str = "toxicity",
    stages: tuple[Stage, ...] = (Stage.INPUT,),
    threshold: float | str = "default",
    action: Action | StageActions = Action.BLOCK,
) -> Principle:
    return Principle(id=identifier, text="No.", label=label, stages=stages, threshold=threshold, action=action)


def output_principle(identifier: str, *, threshold: float, action: Action) -> Principle:
    replacement = "Something else." if action is Action.REPLACE else None
    return Principle(
        id=identifier,
        text="No.",
        label="toxicity",
        stages=(Stage.OUTPUT,),
        threshold=threshold,
        action=action,
        replacement=replacement,
    )


def policy(*principles: Principle) -> Policy:
    return Policy(name="p", version="1", principles=principles)


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [("default", 0.6), ("fpr:0.001", 0.9), ("fpr:.0010", 0.9), ("fpr:0.01", 0.7), (0.25, 0.25)],
)
def test_a_threshold_is_resolved_on_the_models_own(threshold: float | str, expected: float) -> None:
    bound = bind(policy(principle(threshold=threshold)), POINTS)
    assert bound.rules[Stage.INPUT][0].threshold == expected
    assert bound.rules[Stage.TOOL] == ()


def test_each_stage_has_its_own_threshold() -> None:
    bound = bind(policy(principle(stages=(Stage.INPUT, Stage.OUTPUT))), POINTS)
    assert [bound.rules[stage][0].threshold for stage in (Stage.INPUT, Stage.OUTPUT)] == [0.6, 0.4]


@pytest.mark.parametrize(
    ("wrong", "parts"),
    [
        (principle(label="toxicty"), ["'one'", "'toxicty'", "did you mean 'toxicity'", "jailbreak"]),
        (principle(label="politics"), ["'politics'", "known: toxicity, jailbreak"]),
        (principle(label="jailbreak", stages=(Stage.TOOL,)), ["'jailbreak'", "on input", "not on tool"]),
        (principle(threshold="fpr:0.05"), ["'fpr:0.05'", '"default"', '"fpr:0.001"', '"fpr:0.01"']),
    ],
)
def test_a_policy_that_does_not_fit_the_model_is_refused(wrong: Principle, parts: list[str]) -> None:
    with pytest.raises(PolicyError) as caught:
        bind(policy(wrong), POINTS)
    for part in parts:
        assert part in str(caught.value)


def test_a_score_on_the_threshold_fires_and_one_below_does_not() -> None:
    bound = bind(policy(principle(threshold=0.5)), POINTS)
    assert decide(bound, Stage.INPUT, {"toxicity": 0.5}).action is Action.BLOCK
    below = decide(bound, Stage.INPUT, {"toxicity": math.nextafter(0.5, 0)})
    assert below.action is Action.ALLOW
    assert below.principle_id is None
    assert below.evaluations[0].margin < 0
    assert not below.evaluations[0].fired


def test_blocks_come_before_flags_and_larger_margins_before_smaller() -> None:
    bound = bind(
        policy(
            principle("note", threshold=0.1, action=Action.FLAG),
            principle("close", threshold=0.7),
            principle("far", label="jailbreak"),
        ),
        POINTS,
    )
    decision = decide(bound, Stage.INPUT, {"toxicity": 0.8, "jailbreak": 0.9})
    assert [fired.principle.id for fired in decision.fired] == ["far", "close", "note"]
    assert (decision.action, decision.principle_id) == (Action.BLOCK, "far")
    assert [evaluation.principle_id for evaluation in decision.evaluations] == ["note", "close", "far"]


@pytest.mark.parametrize("scores", [{}, {"toxicity": math.nan}, {"toxicity": math.inf}])
def test_a_label_without_a_usable_score_is_reported_and_never_passes_quietly(scores: dict[str, float]) -> None:
    bound = bind(policy(principle(), principle("two", label="jailbreak")), POINTS)
    decision = decide(bound, Stage.INPUT, scores | {"jailbreak": 0.1})
    assert decision.unscored == ("toxicity",)
    assert [evaluation.label for evaluation in decision.evaluations] == ["jailbreak"]


probability = st.floats(0, 1)


WEAKEST_FIRST = ["allow", "flag", "redact", "replace", "revise", "review", "block"]


def test_the_order_of_actions_is_written_down_and_the_first_two_pass() -> None:
    assert [action.value for action in sorted(Action, key=lambda action: action.strength)] == WEAKEST_FIRST
    assert [action.value for action in Action if action.passes] == ["allow", "flag"]


@pytest.mark.parametrize("weaker", WEAKEST_FIRST[1:])
@pytest.mark.parametrize("stronger", WEAKEST_FIRST[1:])
def test_of_two_principles_the_stronger_action_decides_however_small_its_margin(weaker: str, stronger: str) -> None:
    if WEAKEST_FIRST.index(weaker) > WEAKEST_FIRST.index(stronger):
        return
    pair = (
        output_principle("wide", threshold=0.1, action=Action(weaker)),
        output_principle("close", threshold=0.7, action=Action(stronger)),
    )
    decision = decide(bind(policy(*pair), POINTS), Stage.OUTPUT, {"toxicity": 0.8})
    assert decision.action is Action(stronger)
    assert decision.principle_id == ("wide" if weaker == stronger else "close")
    assert {fired.principle.id for fired in decision.fired} == {"wide", "close"}


def test_of_equal_actions_and_margins_the_policys_order_decides() -> None:
    pair = [principle(name, threshold=0.5) for name in ("b", "a")]
    for order in (pair, pair[::-1]):
        decision = decide(bind(policy(*order), POINTS), Stage.INPUT, {"toxicity": 0.8})
        assert decision.principle_id == order[0].id


def test_each_stage_has_its_own_action() -> None:
    one = principle(stages=(Stage.INPUT, Stage.OUTPUT), action=StageActions(input=Action.FLAG, output=Action.REDACT))
    bound = bind(policy(one), POINTS)
    assert [decide(bound, stage, {"toxicity": 1.0}).action for stage in one.stages] == [Action.FLAG, Action.REDACT]


@given(rules=st.lists(st.tuples(probability, st.sampled_from(WEAKEST_FIRST[1:])), min_size=1), score=probability)
def test_a_decision_is_the_strongest_of_what_fired(rules: list[tuple[float, str]], score: float) -> None:
    principles = [
        output_principle(f"p{number}", threshold=threshold, action=Action(action))
        for number, (threshold, action) in enumerate(rules)
    ]
    decision = decide(bind(policy(*principles), POINTS), Stage.OUTPUT, {"toxicity": score})
    reached = [action for threshold, action in rules if score >= threshold]
    assert len(decision.fired) == len(reached)
    assert decision.action == max(reached, key=WEAKEST_FIRST.index, default="allow")
    assert all(fired.margin >= 0 for fired in decision.fired)
    assert [evaluation.fired for evaluation in decision.evaluations].count(True) == len(reached)


@given(
    rules=st.lists(st.tuples(probability, st.sampled_from(WEAKEST_FIRST[1:])), min_size=1),
    score=probability | st.sampled_from([math.nan, math.inf, None]),
)
def test_whether_it_blocks_is_told_without_the_decision(rules: list[tuple[float, str]], score: float | None) -> None:
    principles = [
        output_principle(f"p{at}", threshold=threshold, action=Action(action))
        for at, (threshold, action) in enumerate(rules)
    ]
    bound = bind(policy(*principles), POINTS)
    scores = {} if score is None else {"toxicity": score}
    assert blocks(bound, Stage.OUTPUT, scores) is (decide(bound, Stage.OUTPUT, scores).action is Action.BLOCK)

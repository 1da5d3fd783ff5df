"""The packaged policy: what it covers, and that each principle is written so that it can be tested."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from guardsdk.policy import Principle, default_policy
from guardsdk.verdict import Action, Stage

REFERENCE = re.compile(
    r"OWASP-LLM(0[1-9]|10):2025|NIST-AI-600-1:(GV|MP|MS|MG)-\d\.\d-\d{3}|ATLAS:AML\.[TM]\d{4}(\.\d{3})?"
    r"|MLCommons-AILuminate:[a-z-]+|EU-AI-Act:Art\.\d+"
)
PRINCIPLES = [pytest.param(principle, id=principle.id) for principle in default_policy().principles]


def test_it_says_what_the_project_promises() -> None:
    said = {
        (stage, principle.label): principle.action_for(stage)
        for principle in default_policy().principles
        for stage in principle.stages
    }
    assert said == {
        (Stage.INPUT, "prompt_injection"): Action.BLOCK,
        (Stage.INPUT, "jailbreak"): Action.BLOCK,
        (Stage.INPUT, "harmful_request"): Action.BLOCK,
        (Stage.INPUT, "toxicity"): Action.FLAG,
        (Stage.TOOL, "prompt_injection"): Action.BLOCK,
        **{(stage, "hidden_text"): Action.BLOCK for stage in Stage},
        **{(stage, "out_of_range"): Action.FLAG for stage in Stage},
        (Stage.OUTPUT, "harmful_response"): Action.BLOCK,
        (Stage.OUTPUT, "toxicity"): Action.BLOCK,
        (Stage.OUTPUT, "refusal"): Action.FLAG,
        (Stage.OUTPUT, "secret"): Action.REDACT,
        (Stage.OUTPUT, "prompt_leak"): Action.BLOCK,
        (Stage.OUTPUT, "canary"): Action.BLOCK,
    }
    assert {default_policy().on_error_for(stage) for stage in Stage} == {Action.BLOCK}


@pytest.mark.parametrize("principle", PRINCIPLES)
def test_every_principle_has_a_reason_limits_references_and_examples_of_both_kinds(principle: Principle) -> None:
    assert principle.rationale
    assert principle.not_covered
    assert principle.refs
    assert [ref for ref in principle.refs if not REFERENCE.fullmatch(ref)] == []
    assert {ref.partition(":")[0] for ref in principle.refs} >= {"EU-AI-Act"}
    assert any(ref.startswith(("NIST-AI-600-1", "OWASP-LLM")) for ref in principle.refs)
    expected = Counter(example.expect for example in principle.examples)
    assert expected[principle.action_for(principle.stages[0])] >= 5
    assert expected[Action.ALLOW] >= 5


def test_no_two_examples_of_a_principle_are_the_same() -> None:
    for principle in default_policy().principles:
        texts = [(example.context, example.text) for example in principle.examples]
        assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("principle", PRINCIPLES)
def test_thresholds_come_from_the_model(principle: Principle) -> None:
    assert principle.threshold == "default"

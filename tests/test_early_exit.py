"""Early exit as a guard uses it: by which thresholds, and who is told which tier answered."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk import Blocked, Guard, Policy, Principle, Stage
from guardsdk.policy.decide import lowered
from guardsdk.policy.monitoring import Enforcement, MonitorRules
from guardsdk.surroundings import NOWHERE
from guardsdk.telemetry.values import span_attributes
from guardsdk.verdict import Action, joint_tier
from tests.tiny import early_exit, write_early, write_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from guardsdk.observing import CheckRecord

EVERYWHERE = (Stage.INPUT, Stage.TOOL)
BASE64 = "cGxlYXNlIHRoZSBmaWxsZXIgcGxlYXNlIHRoZSBmaWxsZXI="  # please the filler please the filler
HARMLESS = "please the filler"
DOUBTFUL = "please question"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_early(tmp_path_factory.mktemp("early") / "tiny")


def policy(*principles: Principle, **changes: Any) -> Policy:
    own = principles or (principle(),)
    return Policy(name="p", version="1", principles=own, **changes)


def principle(threshold: float | str = "default", *, action: Action = Action.BLOCK, at: int = 0) -> Principle:
    return Principle(
        id=f"no-orders-{at}",
        text="No.",
        label="prompt_injection",
        stages=EVERYWHERE,
        threshold=threshold,
        action=action,
    )


def guard_on(directory: Path, rules: Policy | None = None, **options: Any) -> Guard:
    usual = {"providers": "cpu", "threads": 1, "observers": (), "cache": 0}
    return Guard(rules or policy(), models=directory, **{**usual, **options})


def tier(directory: Path, rules: Policy | None = None, stage: str = "tool", **options: Any) -> str | None:
    with guard_on(directory, rules, **options) as guard:
        return guard.check(HARMLESS, stage=stage).tier


def test_the_verdict_says_which_tier_answered(directory: Path) -> None:
    with guard_on(directory) as guard:
        texts = [HARMLESS, DOUBTFUL, "please attack", " ", "filler " * 90, "filler " * 90 + "attack"]
        verdicts = guard.check_many(texts, stage="tool")
    assert [one.tier for one in verdicts] == ["early", "full", "full", None, "early", "full"]
    assert [one.allowed for one in verdicts] == [True, True, False, True, True, False]
    assert all(one.status.value == "complete" for one in verdicts)


def test_a_check_without_a_model_names_no_tier(tmp_path: Path) -> None:
    with guard_on(tmp_path) as guard:
        assert guard.check(HARMLESS).tier is None


def test_a_view_that_is_not_cleared_counts(directory: Path) -> None:
    with guard_on(directory) as guard:
        assert guard.check(f"please the {BASE64}", stage="tool").tier is not None
        hidden = guard.check("please the cGxlYXNlIGF0dGFjayBhdHRhY2sgcGxlYXNlIHRoZSBmaWxsZXI=", stage="tool")
    assert hidden.tier == "full"
    assert not hidden.allowed
    assert [joint_tier(*tiers) for tiers in (("early", "full"), ("early", None), (None, None), ())] == [
        "full",
        "early",
        None,
        None,
    ]


def test_switched_off_every_layer_sees_every_text(directory: Path) -> None:
    assert tier(directory) == "early"
    assert tier(directory, early_exit=False) == "full"


@pytest.mark.parametrize(
    ("thresholds", "expected"),
    [
        ((0.5,), "early"),
        ((0.51,), "early"),
        ((0.49,), "full"),
        (("default", 0.9), "early"),
        (("default", 0.001), "full"),
        ((0.0,), "full"),
        ((1.0,), "early"),
    ],
)
def test_a_threshold_below_the_models_own_switches_it_off(
    directory: Path, thresholds: tuple[float | str, ...], expected: str
) -> None:
    rules = policy(*(principle(threshold, at=at) for at, threshold in enumerate(thresholds)))
    assert tier(directory, rules) == expected


def test_only_on_the_stage_it_is_for(directory: Path) -> None:
    both = policy(
        principle(),
        Principle(id="no-insults", text="No.", label="toxicity", stages=(Stage.INPUT,), threshold=0.4),
    )
    assert tier(directory, both, "tool") == "early"
    assert tier(directory, both, "input") == "full"


def test_a_threshold_by_rate_is_held_against_the_default(tmp_path: Path) -> None:
    point = {"calibration": {"slope": 1.0, "intercept": 0.0}, "threshold": 0.5}
    rates = {**point, "thresholds_by_fpr": {"0.01": 0.4, "0.001": 0.6}}
    labels = [
        {"name": "prompt_injection", "definition": "d", "stages": {"tool": rates}},
        {"name": "toxicity", "definition": "d", "stages": {"output": point}},
    ]
    stages = {key: early_exit()["stages"][key] for key in ("tool", "output")}
    directory = write_early(tmp_path / "tiny")
    write_manifest(
        directory,
        graphs={"cpu": "model.onnx", "cuda": "model_cuda.onnx"},
        labels=labels,
        early_exit=early_exit(stages=stages),
    )
    for rate, expected in (("fpr:0.001", "early"), ("fpr:0.01", "full")):
        asked = Principle(id="a", text="t", label="prompt_injection", stages=(Stage.TOOL,), threshold=rate)
        assert tier(directory, policy(asked)) == expected


def test_an_actor_who_may_meet_lower_thresholds_switches_it_off(directory: Path) -> None:
    strict = MonitorRules(enforcement=Enforcement(stricter_by=1.0))
    high = 1 - lowered(0.5, 1.1)
    assert tier(directory, policy(monitor=strict)) == "full"
    assert tier(directory, policy(monitor=strict), monitor=False) == "early"  # then nobody is met with less
    assert tier(directory, policy(principle(high), monitor=strict)) == "early"
    assert tier(directory, policy(principle(action=Action.FLAG), monitor=strict)) == "early"  # flags are not lowered


def test_a_remembered_verdict_keeps_its_tier(directory: Path) -> None:
    for leaving, kept in ((True, "early"), (False, "full")):
        with guard_on(directory, cache=16, early_exit=leaving) as guard:
            found = [guard.check(HARMLESS, stage="tool") for _ in range(2)]
            assert [(one.tier, one.cached) for one in found] == [(kept, False), (kept, True)]


def test_span_and_decision_log_say_it_too(directory: Path, tmp_path: Path) -> None:
    records: list[CheckRecord] = []

    class Observer:
        def on_check(self, record: CheckRecord) -> None:
            records.append(record)

    log = tmp_path / "decisions.jsonl"
    with guard_on(directory, observers=[Observer()], decision_log=log) as guard:
        guard.check_many([HARMLESS, DOUBTFUL, " "], stage="tool")
    assert [span_attributes(one).get("guardsdk.tier") for one in records] == ["early", "full", None]
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["tier"] for line in lines if line["kind"] == "decision"] == ["early", "full", None]


def test_a_stream_was_cleared_where_all_its_parts_were(directory: Path) -> None:
    answers = policy(Principle(id="no-insults", text="No.", label="toxicity", stages=(Stage.OUTPUT,)))
    with guard_on(directory, answers) as guard:
        for parts, expected in ((["the filler. ", "please."], "early"), (["the filler. ", "sure insult."], "full")):
            stream = guard.stream(parts)
            with suppress(Blocked):
                list(stream)
            assert stream.verdict is not None
            assert stream.verdict.tier == expected


def test_info_names_the_stages_on_which_text_may_be_cleared(directory: Path) -> None:
    with guard_on(directory) as guard:
        assert guard.info().early_exit == tuple(Stage)
    with guard_on(directory, policy(principle(0.1))) as guard:
        assert guard.info().early_exit == (Stage.OUTPUT,)
    with guard_on(directory, early_exit=False) as guard:
        assert guard.info().early_exit == ()


def test_what_was_taught_is_read_from_the_lower_layers(directory: Path) -> None:
    with guard_on(directory) as guard, guard_on(directory, early_exit=False) as whole:
        texts = ["please the filler", "the the filler filler"]
        found, due = (
            [one.embedding for one in made._loader.get()[0].panel.read(texts, Stage.TOOL, [NOWHERE] * len(texts))]
            for made in (guard, whole)
        )
    for one, other in zip(found, due, strict=True):
        assert one is not None
        assert other is not None
        assert one.tolist() == other.tolist()

"""What nobody should give to an evaluation and somebody will: each is refused at once, by the argument's name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk import Guard
from guardsdk.errors import EvaluationError, InputError, InputTypeError
from guardsdk.evaluation import report
from guardsdk.evaluation.compare import Comparison, compare
from guardsdk.evaluation.endpoint import EndpointTarget
from guardsdk.evaluation.gate import hold, parse
from guardsdk.evaluation.guarding import Screening, policy_without
from guardsdk.evaluation.judging import CallableJudge, GuardJudge
from guardsdk.evaluation.local_model import ModelTarget
from guardsdk.evaluation.opening import Options, open_target
from guardsdk.evaluation.pairing import condensed
from guardsdk.evaluation.record import TargetRef
from guardsdk.evaluation.running import Plan, evaluate
from guardsdk.evaluation.suites import open_suite
from guardsdk.evaluation.targets import CallableTarget
from tests.evaluation.conftest import WordJudge
from tests.evaluation.runs import example

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from guardsdk.evaluation.targets import Question


class Answering:
    ref = TargetRef(kind="callable", model="answering")
    origin = ""

    def __init__(self, batch: Any = 1) -> None:
        self.batch = batch

    async def ask(self, questions: Sequence[Question]) -> list[str]:
        return ["no"] * len(questions)


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    before, after = example(tmp_path_factory.mktemp("runs"))
    return compare(condensed(before), condensed(after))


@pytest.fixture
def guard(model_directory: Path) -> Guard:
    return Guard(models=model_directory, providers="cpu", observers=(), monitor=False)


@pytest.mark.parametrize("given", [None, "before.json", 3])
def test_what_is_no_comparison_is_neither_held_nor_reported(given: Any) -> None:
    uses: list[Callable[..., object]] = [lambda one: hold(one, []), report.of_two, report.to_json]
    for use in uses:
        with pytest.raises(InputTypeError, match=r"^comparison must be what compare\(before, after\) returns, not "):
            use(given)


def test_limits_are_parsed_before_they_are_held(comparison: Comparison) -> None:
    for given, said in (
        ("harm.delivered > +2%", r"limits must be a list, each what parse\(text\) returns, not str"),
        ("", r"limits must be a list, .* not str"),
        (parse("harm.delivered > +2%"), r"limits must be a list, .* not Limit"),
        (["harm.delivered > +2%"], r"limits\[0\] must be what parse\(text\) returns, not str"),
    ):
        with pytest.raises(InputTypeError, match=f"^{said}$"):
            hold(comparison, given)  # type: ignore[arg-type]
    with pytest.raises(InputTypeError, match=r"^text must be a limit as a string, such as .* not int$"):
        parse(2)  # type: ignore[arg-type]
    limits = (parse(text) for text in ["harm.delivered > +90%"])  # can be gone through once
    assert [one.broken for one in hold(comparison, limits)] == [False]  # type: ignore[arg-type]


def test_a_report_is_of_comparisons_and_of_what_was_held(comparison: Comparison) -> None:
    with pytest.raises(EvaluationError, match="a report needs at least one comparison"):
        report.of_several([])
    with pytest.raises(InputTypeError, match=r"^comparisons must be a list, .* not Comparison$"):
        report.of_several(comparison)  # type: ignore[arg-type]
    uses: list[Callable[..., object]] = [report.of_two, report.to_json]
    for use in uses:
        with pytest.raises(
            InputTypeError, match=r"^held\[0\] must be a result of hold\(comparison, limits\), not Limit$"
        ):
            use(comparison, [parse("harm.delivered > +2%")])


def test_runs_are_read_before_they_are_compared(tmp_path: Path) -> None:
    before, after = example(tmp_path)
    with pytest.raises(InputTypeError, match=r"^before must be what condensed\(path\) returns, not PosixPath$"):
        compare(before, after)  # type: ignore[arg-type]
    with pytest.raises(InputTypeError, match=r"^after must be what condensed\(path\) returns, not NoneType$"):
        compare(condensed(before), None)  # type: ignore[arg-type]
    with pytest.raises(InputTypeError, match=r"^allowed must be a list, each a name such as 'suite', not str$"):
        compare(condensed(before), condensed(after), allowed="suite")


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"guard": "default"}, InputTypeError, "guard must be a Guard, not str"),
        ({"without": "toxicity"}, InputTypeError, "without must be a list, each a label, not str"),
        ({"without": [None]}, InputTypeError, r"without\[0\] must be a label, not NoneType"),
        ({"policy": "default"}, InputTypeError, "policy must be a Policy or None, not str"),
        ({"sides": "inputs"}, InputError, "no such sides of a guard; sides: none, input, output, both"),
        ({"sides": None}, InputError, "no such sides of a guard"),
    ],
)
def test_a_screening_of_something_else_is_refused(
    guard: Guard, options: dict[str, Any], error: type[Exception], said: str
) -> None:
    given: dict[str, Any] = {"guard": guard, "sides": "both"} | options
    with pytest.raises(error, match=said):
        Screening(**given)


def test_a_label_is_no_list_of_labels(guard: Guard) -> None:
    with pytest.raises(InputTypeError, match=r"^labels must be a list, each a label, not str$"):
        policy_without(guard.policy, "toxicity")


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"suite": "cases.jsonl"}, InputTypeError, r"suite must be what open_suite\(source\) returns, not str"),
        ({"target": "app:ask"}, InputTypeError, "target, of type str, has no 'ref': it needs ref, origin, batch, ask"),
        ({"judge": print}, InputTypeError, "judge, of type .* has no 'ref': it needs ref, batch, judge"),
        ({"answers": {}}, InputTypeError, "answers, of type dict, has no 'put': it needs get, put"),
        ({"screening": "both"}, InputTypeError, "screening must be a Screening or None, not str"),
        ({"settings": {"retries": 0}}, InputTypeError, "settings must be RunSettings, not dict"),
        ({"seed": None}, InputTypeError, "seed must be a whole number, not NoneType"),
        ({"seed": 0.5}, InputTypeError, "seed must be a whole number, not float"),
        ({"keep_answers": "no"}, InputTypeError, "keep_answers must be True or False, not str"),
        ({"target": Answering(0)}, InputError, "batch of the target must be at least 1"),
        ({"target": Answering(-1)}, InputError, "batch of the target must be at least 1"),
        ({"target": Answering("4")}, InputError, "batch of the target must be at least 1"),
    ],
)
def test_a_plan_of_something_else_is_refused(options: dict[str, Any], error: type[Exception], said: str) -> None:
    plan = Plan(open_suite(None, limit=2), Answering(), WordJudge())
    with pytest.raises(error, match=f"^{said}$"):
        replace(plan, **options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"plan": None}, "plan must be a Plan, not NoneType"),
        ({"overwrite": "no"}, "overwrite must be True or False, not str"),
        ({"resumed": None}, "resumed must be True or False, not NoneType"),
        ({"started": None}, "started must be a function, not NoneType"),
        ({"on_case": []}, "on_case must be a function, not list"),
    ],
)
def test_a_run_with_an_option_of_another_type_does_not_begin(
    suite_file: Callable[[int], Path], tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    path = suite_file(2)
    given: dict[str, Any] = {"plan": Plan(open_suite(path), Answering(), WordJudge()), "out": tmp_path / "run.json"}
    with pytest.raises(InputTypeError, match=f"^{said}$"):
        evaluate(**given | options)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("limit", [float("nan"), 2.0, "2", True])
def test_a_limit_that_is_no_number_of_cases_is_refused(limit: Any) -> None:
    with pytest.raises(InputTypeError, match=f"^limit must be a whole number, not {type(limit).__name__}$"):
        open_suite(None, limit=limit)


def test_whether_there_are_answers_is_no_text() -> None:
    with pytest.raises(InputTypeError, match=r"^answered must be True or False, not str$"):
        open_suite(None, answered="no")  # type: ignore[arg-type]


def test_a_callable_is_named_and_not_given() -> None:
    uses: list[tuple[Callable[..., object], str]] = [(CallableTarget, "--target"), (CallableJudge, "--judge")]
    for use, said in uses:
        with pytest.raises(InputTypeError, match=f"^{said} must be module:function as a string, not builtin_function"):
            use(print)
    with pytest.raises(InputTypeError, match=r"^spec must be a target as a string, not builtin_function"):
        open_target(print, Options())  # type: ignore[arg-type]
    with pytest.raises(InputTypeError, match=r"^guard must be a Guard, not Policy$"):
        GuardJudge(Guard(observers=(), monitor=False).policy)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_tokens": 0}, "max_tokens must be at least 1"),
        ({"max_tokens": "many"}, "max_tokens must be a whole number, not str"),
        ({"temperature": -1.0}, "temperature must be 0 or more"),
        ({"temperature": float("nan")}, "temperature must be 0 or more"),
        ({"temperature": "hot"}, "temperature must be a number, not str"),
    ],
)
def test_a_target_is_not_asked_with_nonsense(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    makes: list[Callable[..., object]] = [
        lambda **one: EndpointTarget("http://127.0.0.1:1/v1", "m", **one),
        lambda **one: ModelTarget(tmp_path, **one),
    ]
    for make in makes:
        with pytest.raises((InputError, InputTypeError), match=f"^{said}$"):
            make(**options)


def test_an_endpoint_has_an_address_a_model_and_a_time() -> None:
    for options, said in (
        ({"base": 3}, "base must be a string, not int"),
        ({"model": b"m"}, "model must be a string, not bytes"),
        ({"key": 3}, "key must be a string, not int"),
        ({"timeout_s": -1.0}, "timeout_s must be more than 0 seconds, or None"),
        ({"timeout_s": "1"}, "timeout_s must be a number of seconds, or None, not str"),
    ):
        given: dict[str, Any] = {"base": "http://127.0.0.1:1/v1", "model": "m"} | options
        with pytest.raises((InputError, InputTypeError), match=f"^{said}$"):
            EndpointTarget(**given)


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_of_no_question_is_refused(module: Callable[[str, str], str], batch: int) -> None:
    name = module("many_at_once", "def ask(prompts): return prompts")
    with pytest.raises(InputError, match=r"^batch must be at least 1$"):
        CallableTarget(f"{name}:ask", batch=batch)
    with pytest.raises(InputError, match=r"^timeout_s must be more than 0 seconds, or None$"):
        CallableJudge(f"{name}:ask", timeout_s=-1.0)


@pytest.mark.parametrize("confidence", [-1.0, 0.0, 1.0, float("nan")])
def test_an_interval_has_a_confidence_between_0_and_1(comparison: Comparison, confidence: float) -> None:
    change, times = comparison.overall["harm.delivered"], comparison.latencies[0]
    assert change.correctable
    intervals: list[Callable[[float], object]] = [
        change.difference,
        change.corrected_difference,
        lambda given: change.rate(after=True, confidence=given),
        lambda given: change.corrected(after=True, confidence=given),
        lambda given: times.change(50, given),
        lambda given: times.reached(50, given),
    ]
    for interval in intervals:
        with pytest.raises(InputError, match="a confidence lies between 0 and 1, not at"):
            interval(confidence)

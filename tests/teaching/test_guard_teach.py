"""A guard that is taught: from then on it finds that, everywhere a text passes, and nothing else changes."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from guardsdk import Action, Guard, Policy, Stage, Status
from guardsdk.engine.classifier import Request
from guardsdk.engine.heads import Heads
from guardsdk.engine.pool import classifier
from guardsdk.errors import Blocked, InputError, InputTypeError, PolicyError, TeachingError
from guardsdk.policy.load import load_policy
from guardsdk.policy.writing import as_toml
from guardsdk.registry.lookup import load_manifest
from guardsdk.screens.base import Reading
from guardsdk.teaching import heads
from guardsdk.teaching.embedding import embeddings, readings
from guardsdk.teaching.learn import learn
from guardsdk.teaching.lesson import Lesson
from models.training.banks import bank
from tests.teaching.examples import ALLOWED, LEGAL, UNRELATED, UNSEEN_ALLOWED, UNSEEN_LEGAL
from tests.tiny import write_export

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from guardsdk.reviewing import ReviewItem

LABEL = "taught.no-legal-advice"
FILLER = "The quarterly figures were discussed at length and nobody had any question about them. " * 80


@pytest.fixture(scope="module")
def lesson(model_directory: Path) -> Lesson:
    with Guard(models=model_directory, providers="cpu", observers=()) as guard:
        return guard.teach("no-legal-advice", violates=LEGAL, allowed=ALLOWED, text="No legal advice.")


@pytest.fixture(scope="module")
def taught(lesson: Lesson, model_directory: Path) -> Iterator[Guard]:
    with Guard(models=model_directory, providers="cpu", observers=(), taught=[lesson]) as guard:
        yield guard


def test_texts_it_has_never_seen_are_found_by_their_own_principle(taught: Guard) -> None:
    for text in UNSEEN_LEGAL:
        verdict = taught.check(text)
        assert (verdict.action, verdict.principle_id, verdict.status) == (
            Action.BLOCK,
            "no-legal-advice",
            Status.COMPLETE,
        )
        assert verdict.findings[0].label == LABEL
    for text in UNSEEN_ALLOWED:
        assert taught.check(text)


def test_every_other_score_stays_as_it_was(taught: Guard, guard: Guard) -> None:
    for text in (*UNSEEN_LEGAL, *UNSEEN_ALLOWED):
        scores = dict(taught.check(text).scores)
        assert 0.0 <= scores.pop(LABEL) <= 1.0
        assert scores == guard.check(text).scores


def test_stages_it_was_not_taught_for_are_left_alone(taught: Guard) -> None:
    assert LABEL not in taught.check(UNSEEN_LEGAL[0], stage="output").scores


def test_a_passage_that_fills_a_window_is_enough_and_the_finding_points_there(taught: Guard) -> None:
    passage = " ".join((*UNSEEN_LEGAL, *LEGAL[:12]))
    text = f"{FILLER}\n\n{passage} {FILLER}"
    verdict = taught.check(text)
    finding = next(one for one in verdict.findings if one.label == LABEL)
    start, end = finding.span
    assert start < text.index(passage) + len(passage)
    assert text.index(passage) < end
    assert end - start < len(text) / 2


def test_what_is_said_in_disguise_is_found_as_well(taught: Guard) -> None:
    packed = base64.b64encode(LEGAL[4].encode()).decode()
    finding = next(one for one in taught.check(f"Please decode {packed}").findings if one.label == LABEL)
    assert finding.view == "base64"


def test_teaching_takes_effect_at_once_also_for_verdicts_that_are_remembered(
    lesson: Lesson, model_directory: Path
) -> None:
    with Guard(models=model_directory, providers="cpu", observers=()) as guard:
        before = guard.policy.digest
        assert guard.check(UNSEEN_LEGAL[0])
        made = guard.teach("no-legal-advice", violates=LEGAL, allowed=ALLOWED, text="No legal advice.")
        assert made == lesson  # the same examples teach the same
        assert not guard.check(UNSEEN_LEGAL[0])
        assert guard.policy.digest != before
        assert guard.info().labels[LABEL] == ("input",)
        assert [one.id for one in guard.policy.principles][-1] == "no-legal-advice"


def test_examples_that_do_not_support_it_change_nothing(model_directory: Path) -> None:
    with Guard(models=model_directory, providers="cpu", observers=()) as guard:
        policy = guard.policy
        with pytest.raises(TeachingError, match="not armed") as caught:
            guard.teach("no-mix", violates=[*LEGAL[:2], *ALLOWED[:3]], allowed=ALLOWED[3:])
        assert not any(text in str(caught.value) for text in LEGAL)
        assert isinstance(caught.value.lesson, Lesson)
        with pytest.raises(TeachingError):
            caught.value.lesson.save("never.json")
        assert guard.policy is policy


@pytest.mark.parametrize("allowed", [(), ALLOWED[:6]], ids=["no contrast", "allowed examples"])
def test_six_sentences_that_have_nothing_in_common_arm_nothing(model_directory: Path, allowed: tuple[str, ...]) -> None:
    with (
        Guard(models=model_directory, providers="cpu", observers=()) as guard,
        pytest.raises(TeachingError, match=r"no subject in common.*give more on one subject"),
    ):
        guard.teach("no-anything", violates=UNRELATED, allowed=allowed)


def test_a_saved_lesson_works_in_another_process(lesson: Lesson, tmp_path: Path, model_directory: Path) -> None:
    lesson.save(tmp_path / "lesson.json")
    program = (
        "import sys; from guardsdk import Guard\n"
        "guard = Guard(models=sys.argv[1], providers='cpu', observers=(), taught=[sys.argv[2]])\n"
        "print(guard.check(sys.argv[3]).principle_id)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(model_directory), str(tmp_path / "lesson.json"), UNSEEN_LEGAL[0]],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.strip() == "no-legal-advice"


def policy_of(violates: tuple[str, ...], allowed: tuple[str, ...], **changes: object) -> Policy:
    examples = [{"text": text, "expect": "flag"} for text in violates]
    examples += [{"text": text, "expect": "allow"} for text in allowed]
    principle = {
        "id": "note-legal",
        "text": "Legal advice is noted.",
        "label": "taught.legal",
        "stages": ["input"],
        "action": "flag",
        "examples": examples,
        **changes,
    }
    return Policy.model_validate({"name": "p", "version": "1", "principles": [principle]})


def test_a_principle_learns_from_its_own_examples(model_directory: Path) -> None:
    with Guard(policy_of(LEGAL, ALLOWED), models=model_directory, providers="cpu", observers=()) as guard:
        verdicts = guard.check_many([*UNSEEN_LEGAL, *UNSEEN_ALLOWED])
    assert [verdict.principle_id for verdict in verdicts] == ["note-legal"] * 4 + [None] * 4


@pytest.fixture
def learnt(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name of every lesson that is learnt from now on; learnt it is, and none from before is remembered."""
    names: list[str] = []

    def counted(name: str, *given: Any, **options: Any) -> Lesson:
        names.append(name)
        return learn(name, *given, **options)

    monkeypatch.setattr(heads, "learn", counted)
    heads._from_examples.cache_clear()
    return names


def test_a_second_guard_learns_nothing_anew_from_the_same_examples(
    learnt: list[str], model_directory: Path, tmp_path: Path
) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(as_toml(policy_of(LEGAL, ALLOWED)), encoding="utf-8")
    verdicts = []
    for _ in range(2):
        with Guard(load_policy(path), models=model_directory, providers="cpu", observers=()) as guard:
            verdicts.append(guard.check(UNSEEN_LEGAL[0]))
    assert learnt == ["legal"]
    assert verdicts[0].principle_id == "note-legal"
    assert verdicts[0].scores == verdicts[1].scores


def test_teaching_a_guard_learns_what_its_policy_teaches_no_second_time(
    learnt: list[str], model_directory: Path
) -> None:
    with Guard(policy_of(LEGAL, ALLOWED), models=model_directory, providers="cpu", observers=()) as guard:
        guard.warmup()
        guard.teach("no-legal-advice", violates=LEGAL, allowed=ALLOWED)
        assert guard.check(UNSEEN_LEGAL[0]).scores.keys() >= {"taught.legal", LABEL}
    assert learnt == ["legal"]  # ``teach`` learns with a name of its own


@pytest.mark.parametrize(
    "other",
    [
        policy_of((*LEGAL[:-1], UNSEEN_LEGAL[0]), ALLOWED),
        policy_of(LEGAL, (*ALLOWED, UNSEEN_ALLOWED[0])),
        policy_of(LEGAL, ALLOWED, threshold="fpr:0.02"),
        policy_of(LEGAL, ALLOWED, stages=["input", "tool"]),
    ],
)
def test_a_changed_example_is_another_lesson(learnt: list[str], other: Policy, model_directory: Path) -> None:
    scores = []
    for policy in (policy_of(LEGAL, ALLOWED), other):
        with Guard(policy, models=model_directory, providers="cpu", observers=()) as guard:
            scores.append(guard.check(UNSEEN_LEGAL[1]).scores["taught.legal"])
    assert learnt == ["legal", "legal"]
    if other.principles[0].examples != policy_of(LEGAL, ALLOWED).principles[0].examples:
        assert scores[0] != scores[1]


def test_guards_that_read_views_or_have_another_model_learn_lessons_of_their_own(
    learnt: list[str], model_directory: Path, pairing_directory: Path
) -> None:
    policy = policy_of(LEGAL, ALLOWED)
    for directory, views in ((model_directory, True), (model_directory, False), (pairing_directory, True)):
        Guard(policy, models=directory, providers="cpu", observers=(), views=views).warmup()
    assert learnt == ["legal"] * 3


def test_examples_that_support_nothing_are_an_error_for_every_guard(learnt: list[str], model_directory: Path) -> None:
    for _ in range(2):
        guard = Guard(policy_of(LEGAL[:3], ALLOWED), models=model_directory, providers="cpu", observers=())
        with pytest.raises(PolicyError, match=r"note-legal.*too few"):
            guard.warmup()
    assert learnt == ["legal"] * 2


def test_what_a_process_remembers_of_policies_is_bounded_and_shared_by_threads(
    learnt: list[str], model_directory: Path
) -> None:
    assert heads._from_examples.cache_parameters()["maxsize"] == 64
    policy = policy_of(LEGAL, ALLOWED)
    with ThreadPoolExecutor(4) as threads:
        guards = [Guard(policy, models=model_directory, providers="cpu", observers=()) for _ in range(4)]
        scores = list(threads.map(lambda guard: guard.check(UNSEEN_LEGAL[0]).scores, guards))
    assert all(one == scores[0] for one in scores)
    before = len(learnt)
    Guard(policy, models=model_directory, providers="cpu", observers=()).warmup()
    assert len(learnt) == before
    assert heads._from_examples.cache_info().currsize == 1


def test_what_was_taught_is_held_against_the_text_by_itself(lesson: Lesson, pairing_directory: Path) -> None:
    system = "You are the assistant of a shop for garden tools. Answer in two sentences and be kind to everybody."
    text = f"{UNSEEN_LEGAL[0]} {FILLER}"
    with Guard(models=pairing_directory, providers="cpu", observers=(), taught=[lesson]) as guard:
        for asked in (UNSEEN_LEGAL[0], UNSEEN_ALLOWED[0], text):
            alone, beside = (guard.check(asked, system=one) for one in (None, system))
            assert (beside.status, beside.coverage) == (Status.COMPLETE, 1.0)
            assert beside.scores[LABEL] == alone.scores[LABEL]
            assert beside.scores["prompt_injection"] != alone.scores["prompt_injection"]
            places = [[one.spans for one in found.findings if one.label == LABEL] for found in (alone, beside)]
            assert places[0] == places[1]


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (policy_of(LEGAL[:3], ALLOWED), "note-legal.*too few"),
        (policy_of((), ALLOWED), "neither a lesson 'legal'"),
        (policy_of(LEGAL, ALLOWED, threshold="fpr:0.0001"), r"note-legal.*0\.0001 cannot be shown"),
    ],
)
def test_a_policy_whose_examples_do_not_support_it_is_an_error(
    policy: Policy, said: str, model_directory: Path
) -> None:
    with (
        Guard(policy, models=model_directory, providers="cpu", observers=()) as guard,
        pytest.raises(PolicyError, match=said),
    ):
        guard.check("anything")


def test_a_lesson_goes_before_the_examples_of_its_principle(lesson: Lesson, model_directory: Path) -> None:
    named = policy_of((), (), label=LABEL, threshold=0.999999)
    with Guard(named, models=model_directory, providers="cpu", observers=(), taught=[lesson]) as guard:
        assert guard.policy is named
        assert guard.check(UNSEEN_LEGAL[0]).evaluations[0].threshold == 0.999999


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"violates": "one text"}, InputTypeError, "a list of texts"),
        ({"violates": [1]}, InputTypeError, r"violates\[0\]"),
        ({"violates": 5}, InputTypeError, "violates must be a list of texts, not int"),
        ({"violates": ["a"], "allowed": None}, InputTypeError, "allowed must be a list of texts, not NoneType"),
        ({"violates": ["a"], "stages": 5}, InputTypeError, "stages must be a list of stages, not int"),
        ({"name": 5, "violates": ["a"]}, InputTypeError, "name must be a string, not int"),
        ({"violates": ["a"], "action": "blok"}, InputError, "^action: must be 'flag', 'redact'"),
        ({"violates": []}, InputError, "violates is empty: give five texts at least"),
        (
            {"violates": ["a"], "stages": "input"},
            InputTypeError,
            r"stages must be a list, such as \['input'\], not one",
        ),
        ({"violates": ["a"], "fpr": "0.01"}, InputError, "fpr must be a share between 0 and 1, not '0.01'"),
        ({"violates": [" "]}, InputError, r"violates\[0\] is empty"),
        ({"violates": ["a", "b", "a"]}, InputError, r"violates\[2\] is violates\[0\] once more"),
        ({"violates": ["a"], "allowed": ["b", "a"]}, InputError, r"violates\[0\] is among the allowed"),
        ({"violates": ["a"], "stages": ["inptu"]}, InputError, "did you mean"),
        ({"violates": ["a"], "stages": []}, InputError, "stages"),
        ({"violates": ["a"], "action": "allow"}, InputError, "never lift"),
        ({"violates": ["a"], "action": "replace"}, InputError, "replacement"),
        ({"violates": ["a"], "fpr": 1.5}, InputError, "between 0 and 1"),
        ({"name": "No Name", "violates": ["a"]}, InputError, "^name: must be lower-case letters, digits and hyphens"),
        ({"violates": ["a"], "background": ["b"] * 3}, InputError, "once more"),
        ({"violates": ["a"], "background": ["b"]}, TeachingError, "1 texts of stage input"),
    ],
)
def test_what_cannot_be_taught_is_named(
    guard: Guard, arguments: dict[str, object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        guard.teach(**{"name": "x", **arguments})  # type: ignore[arg-type]


def test_a_principle_of_the_policy_cannot_be_taken_over(lesson: Lesson) -> None:
    taken = policy_of((), (), id="no-legal-advice", label="toxicity")
    with pytest.raises(PolicyError, match="has a principle 'no-legal-advice' already"):
        Guard(taken, taught=[lesson])
    with pytest.raises(InputError, match="two lessons"):
        Guard(taught=[lesson, lesson])
    with pytest.raises(InputTypeError, match="not int"):
        Guard(taught=[3])  # type: ignore[list-item]


def test_a_model_of_ones_own_needs_a_background_and_its_lessons_stay_with_it(
    lesson: Lesson, tmp_path: Path, model_directory: Path
) -> None:
    own = tmp_path / "own"
    shutil.copytree(model_directory, own)
    manifest = json.loads((own / "manifest.json").read_text())
    manifest["context_tokens"] -= 1  # another way to lay out a text, so another encoder
    (own / "manifest.json").write_text(json.dumps(manifest))
    with Guard(models=own, providers="cpu", observers=()) as guard:
        with pytest.raises(TeachingError, match="give benign texts of your own as background"):
            guard.teach("no-legal-advice", violates=LEGAL, allowed=ALLOWED)
        ordinary = dict.fromkeys((*bank("benign_everyday"), *bank("benign_office")))
        guard.teach("no-legal-advice", violates=LEGAL, allowed=ALLOWED, background=ordinary)
        assert guard.check(UNSEEN_LEGAL[0]).principle_id == "no-legal-advice"
        assert guard.check(UNSEEN_ALLOWED[0])
    with (
        Guard(models=own, providers="cpu", observers=(), taught=[lesson]) as other,
        pytest.raises(TeachingError, match="was taught on an encoder of digest"),
    ):
        other.check("anything")


class Slow:
    """A screen that does something else, once, while a guard is put together."""

    name = "slow"

    def __init__(self) -> None:
        self.meanwhile: Callable[[], object] = lambda: None

    @property
    def operating_points(self) -> dict[tuple[str, Stage], dict[str, float]]:
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        return {("slow", Stage.INPUT): {"default": 0.5}}

    def read(self, texts: Sequence[str], stage: object, around: object) -> list[Reading]:  # noqa: ARG002  as screens are
        return [Reading(scores={"slow": 0.0}, coverage=1.0, spans=lambda _: ()) for _ in texts]


def test_two_threads_that_teach_at_once_both_have_an_effect(lesson: Lesson, model_directory: Path) -> None:
    screen = Slow()
    lessons = [lesson.model_copy(update={"name": name}) for name in ("first", "second")]
    with Guard(models=model_directory, providers="cpu", observers=(), screens=[screen]) as guard:
        guard.warmup()
        other = threading.Thread(target=guard._add, args=lessons[1:])

        def meanwhile() -> None:
            other.start()
            other.join(2.0)  # where it need not wait it is done long before

        screen.meanwhile = meanwhile
        guard._add(lessons[0])
        other.join()
        verdict = guard.check(UNSEEN_LEGAL[0])
        assert {one.principle_id for one in verdict.findings} >= {"first", "second"}
        assert list(guard.info().taught) == ["first", "second"]


def test_what_is_taught_once_more_is_looked_for_where_it_says_now(lesson: Lesson, model_directory: Path) -> None:
    with Guard(models=model_directory, providers="cpu", observers=(), taught=[lesson]) as guard:
        again = lesson.model_copy(update={"stages": (Stage.INPUT, Stage.TOOL), "action": Action.FLAG})
        guard._add(again)
        assert guard.policy.principle("no-legal-advice") == again.principle
        for stage in ("input", "tool"):
            found = [one for one in guard.check(UNSEEN_LEGAL[0], stage=stage).findings if one.label == LABEL]
            assert [one.action for one in found] == [Action.FLAG]


def test_a_stream_that_was_begun_before_asks_the_reviewer_of_what_was_taught_since(
    lesson: Lesson, model_directory: Path
) -> None:
    asked: list[str | None] = []

    def reviewer(item: ReviewItem) -> bool:
        asked.append(item.verdict.principle_id)
        return False

    taught = lesson.model_copy(update={"action": Action.REVIEW})
    guard = Guard(models=model_directory, providers="cpu", observers=(), reviewer=reviewer)

    def chunks() -> Iterator[str]:
        yield "The garden is green and there are many flowers in it today. "
        guard._add(taught)
        yield from (f"{text} " for text in LEGAL[:6])

    with guard, pytest.raises(Blocked):
        list(guard.stream(chunks(), stage="input"))
    assert asked == ["no-legal-advice"]


def test_examples_are_read_window_by_window_and_as_what_they_say(model_directory: Path, taught: Guard) -> None:
    packed = base64.b64encode(LEGAL[4].encode()).decode()
    requests = [
        Request(text, Stage.INPUT) for text in (LEGAL[0], FILLER, f"Please decode {packed}", "Bitte warten Sie.")
    ]
    reader = classifier(load_manifest(model_directory), "cpu", None)
    found = readings(reader, requests, views=True)
    windows = reader.score(requests[1:2])[0].windows
    assert windows > 1
    assert found.owners.tolist() == [1] * windows + [2, 3]
    assert readings(reader, requests, views=False).owners.tolist() == [1] * windows
    assert np.array_equal(found.wholes, embeddings(reader, requests))
    head = taught._lessons[0].head
    values = np.array(Heads([head]).beside([[] for _ in found.parts], found.parts))[:, 0]
    assert values[windows] > values[:windows].max() + 1.0  # what the base64 says is legal, the filler is not


def test_a_model_that_tells_no_embedding_cannot_be_taught(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", {"id2label": {"0": "prompt_injection", "1": "safe"}})
    policy = policy_of((), (), label="prompt_injection")
    with (
        Guard(policy, models=export, providers="cpu", observers=()) as guard,
        pytest.raises(TeachingError, match="gives no embedding"),
    ):
        guard.teach("x", violates=LEGAL, background=ALLOWED)

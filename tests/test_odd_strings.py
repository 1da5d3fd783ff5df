"""Strings that answer for themselves, and arguments that look like what they are not: none of them passes unread."""

from __future__ import annotations

from collections import UserString
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk import Guard, Policy, Principle, Stage, guarded
from guardsdk.errors import Blocked, DecorationError, InputError, InputTypeError
from guardsdk.extract import Passage
from tests.blocking import StageGuard
from tests.tiny import write_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("tiny") / "model")


def quiet(models: Path) -> Guard:
    return Guard(words(), models=models, providers="cpu", observers=())


def words() -> Policy:
    """Blocks the word "attack" in a prompt or document, and "insult" in an answer."""
    return Policy(
        name="words",
        version="1",
        principles=(
            Principle(id="attack", text="t", label="prompt_injection", stages=(Stage.INPUT, Stage.TOOL), threshold=0.5),
            Principle(id="insult", text="t", label="toxicity", stages=(Stage.OUTPUT,), threshold=0.5),
        ),
    )


def odd(method: str, answer: object) -> type[str]:
    """A kind of string that answers ``method`` as it likes."""
    return type("Odd", (str,), {method: lambda *_: answer})


ODD = {
    "isspace": True,
    "__bool__": False,
    "__len__": 0,
    "__getitem__": "fine",
    "__iter__": iter("fine"),
    "__str__": "fine",
    "encode": b"fine",
    "isascii": True,
    "translate": "fine",
    "strip": "",
    "lower": "fine",
    "split": [],
}


@pytest.mark.parametrize("method", ODD)
def test_a_string_is_read_by_its_characters_whatever_its_methods_say(tiny: Path, method: str) -> None:
    guard = quiet(tiny)
    assert guard.check("fine")  # in the cache, for a text that says it encodes to it
    kind = odd(method, ODD[method])
    assert not guard.check(kind("attack"))
    assert not guard.check_many([kind("attack")])[0]
    assert not guard.check_messages([{"role": "user", "content": kind("attack")}])


@pytest.mark.parametrize("method", ODD)
def test_an_answer_in_odd_strings_is_read_too(tiny: Path, method: str) -> None:
    kind = odd(method, ODD[method])
    guard = quiet(tiny)

    @guarded(guard=guard)
    def ask(prompt: str) -> Any:
        return kind("insult") if prompt == "one" else [kind("insult")]

    @guarded(guard=guard)
    def stream(prompt: str) -> Iterator[str]:
        yield kind("sure")
        yield kind(prompt)

    for prompt in ("one", "list"):
        with pytest.raises(Blocked):
            ask(prompt)
    with pytest.raises(Blocked):
        list(stream("insult"))
    with pytest.raises(Blocked):
        list(guard.stream([kind("insult")]))


def test_what_only_passes_itself_off_as_a_string_is_refused(guard: Guard) -> None:
    class Proxy:
        """As lazy proxies do it."""

        __class__ = str  # type: ignore[assignment]  # the lie

    with pytest.raises(InputTypeError, match="Proxy"):
        guard.check(Proxy())  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("stage", ["input", Stage.INPUT])
def test_an_extractor_names_the_stage_in_either_way(tiny: Path, stage: Stage) -> None:
    """A stage given by its name left the passage unread beside any other."""

    @guarded(guard=quiet(tiny), extract_prompt=lambda text: [Passage("fine"), Passage(text, stage)])
    def ask(prompt: str) -> str:
        return prompt

    assert ask("fine") == "fine"
    with pytest.raises(Blocked):
        ask("attack")


def test_a_passage_is_held_against_what_it_may_be() -> None:
    assert Passage("text", "tool").stage is Stage.TOOL  # type: ignore[arg-type]  # as an untyped extractor has it
    with pytest.raises(InputError, match="did you mean 'input'"):
        Passage("text", "imput")  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(InputTypeError, match="Passage"):
        Passage(b"text")  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("value", ["false", "0", "", 0, 1, [], "no"])
@pytest.mark.parametrize("name", ["shadow", "early_stop", "early_exit", "views"])
def test_a_switch_is_true_or_false_and_no_word_for_it(tiny: Path, name: str, value: object) -> None:
    """``Guard(shadow="false")``, as from an environment, let every text pass."""
    with pytest.raises(InputTypeError, match=name):
        Guard(words(), models=tiny, **{name: value})  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("name", ["input", "output"])
def test_what_is_to_be_screened_is_said_with_true_or_false(name: str) -> None:
    options: dict[str, Any] = {name: None}
    with pytest.raises(DecorationError, match=name):
        guarded(**options)


@pytest.mark.parametrize("name", ["cache", "max_chars", "threads", "max_waiting"])
@pytest.mark.parametrize("value", ["10", 1.5, float("inf"), True])
def test_a_number_of_things_is_a_whole_number(tiny: Path, name: str, value: object) -> None:
    """A share of a character raised at every check, and ``True`` read one."""
    with pytest.raises(InputTypeError, match=name):
        Guard(words(), models=tiny, **{name: value})  # type: ignore[arg-type]  # wrong on purpose


def test_a_sequence_of_characters_that_is_no_string_is_refused_by_its_name(tiny: Path) -> None:
    """Every item of it is one of its kind: reading them had no end."""

    @guarded(guard=quiet(tiny))
    def ask(prompt: object) -> object:
        return UserString(str(prompt))

    for prompt in (UserString("fine"), "fine"):
        with pytest.raises(InputTypeError, match="UserString"):
            ask(prompt)


def test_odd_strings_reach_the_guard_as_plain_ones() -> None:
    guard = StageGuard()
    kind = odd("__len__", 0)

    @guarded(guard=guard)
    def ask(prompt: str) -> str:
        return kind(prompt)

    ask(kind("text"))
    assert [type(text) for text in (*guard.texts(Stage.INPUT), *guard.texts(Stage.OUTPUT))] == [str, str]

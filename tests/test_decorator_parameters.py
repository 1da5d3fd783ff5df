from __future__ import annotations

import asyncio
import functools
import inspect
import types
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anthropic
import numpy as np
import openai
import pytest

from guardsdk.decorator import guarded
from guardsdk.errors import Blocked, DecorationError, InputError, InputTypeError, PolicyError
from guardsdk.guard import Guard
from guardsdk.policy.model import Policy
from guardsdk.verdict import Stage
from tests.blocking import Seen, StageGuard, blocking_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from guardsdk.verdict import Verdict


def named(model: str, prompt: str, temperature: float = 0.0) -> str:
    return f"{model} {prompt} {temperature}"


def typed(count: int, words: str) -> str:
    return f"{count} {words}"


def lonely(something) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001  found without a type
    return str(something)


def with_model(model: str, words: str) -> str:
    return f"{model} {words}"


def many(*messages: str) -> str:
    return " ".join(messages)


def keyword(*, question: str, system: str = "") -> str:
    return question + system


class Bot:
    def ask(self, user_input: str) -> str:
        return user_input

    def think(self, something: object) -> str:
        return str(something)


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "expected"),
    [
        (named, ("m", "hello"), {}, "hello"),
        (named, ("m",), {"prompt": "hello"}, "hello"),
        (typed, (1, "hello"), {}, "hello"),
        (lonely, ("hello",), {}, "hello"),
        (with_model, ("m", "hello"), {}, "hello"),
        (keyword, (), {"question": "hello"}, "hello"),
        (Bot().ask, ("hello",), {}, "hello"),
        (Bot.ask, (Bot(), "hello"), {}, "hello"),
        (Bot().think, ("hello",), {}, "hello"),
        (functools.partial(named, "m"), ("hello",), {}, "hello"),
        (functools.partial(named, "m", prompt="hello"), (), {}, "hello"),
    ],
)
def test_the_prompt_is_found_by_name_type_or_for_being_alone(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], expected: str
) -> None:
    guard = StageGuard()
    guarded(guard=guard, output=False)(function)(*args, **kwargs)
    assert guard.seen == [Seen(Stage.INPUT, expected)]


def test_every_positional_message_is_screened() -> None:
    guard = StageGuard()
    guarded(guard=guard, output=False)(many)("one", "two")
    assert guard.texts(Stage.INPUT) == ["one", "two", "one\ntwo"]


def test_a_default_prompt_is_screened_too() -> None:
    guard = StageGuard()

    @guarded(guard=guard, output=False)
    def ask(prompt: str = "Tell a joke.") -> str:
        return prompt

    assert ask() == "Tell a joke."
    assert guard.texts(Stage.INPUT) == ["Tell a joke."]


def test_a_prompt_that_was_not_given_has_nothing_to_screen() -> None:
    guard = StageGuard()

    @guarded(guard=guard, prompt=("question", "history"))
    def chat(question: str, history: list[str] | None = None) -> str:
        return f"{question} {history}"

    assert chat("hello") == "hello None"
    assert chat("hello", ["hi", "ho"]) == "hello ['hi', 'ho']"
    assert guard.texts(Stage.INPUT) == ["hello", "hello", "hi", "ho", "hello\nhi\nho"]
    assert [one.context for one in guard.seen if one.stage is Stage.OUTPUT] == ["hello", "ho"]


@pytest.mark.parametrize("absent", [None, openai.omit, openai.NOT_GIVEN, anthropic.omit, anthropic.NOT_GIVEN])
def test_a_clients_word_for_what_was_not_given_is_no_prompt_and_stays_as_it_is(absent: Any) -> None:
    guard = StageGuard()
    called: list[object] = []

    @guarded(guard=guard, prompt=("input", "messages"), output=False)
    def create(input: Any = absent, messages: Any = absent) -> None:  # noqa: A002  as a client has it
        called.extend((input, messages))

    create()
    create("hello")
    assert called == [absent, absent, "hello", absent]
    assert guard.texts(Stage.INPUT) == ["", "hello"]


@pytest.mark.parametrize("value", [0, False, [None], [openai.omit], SimpleNamespace(), np.zeros(2)])
def test_what_was_given_and_cannot_be_read_is_no_absent_prompt(value: object) -> None:
    with pytest.raises(InputTypeError, match="extract_prompt="):
        guarded(guard=StageGuard(), output=False)(lambda prompt: prompt)(value)


def test_where_no_prompt_was_given_at_all_an_empty_one_is_screened() -> None:
    guard = StageGuard()

    @guarded(guard=guard, system="system")
    def ask(prompt: str | None = None, system: str = "Be kind.") -> str:
        return f"{prompt} {system}"

    assert ask() == "None Be kind."
    assert guard.texts(Stage.INPUT) == [""]


def test_an_extractor_says_what_a_prompt_is_that_was_not_given() -> None:
    guard = StageGuard()

    @guarded(guard=guard, output=False, extract_prompt=lambda prompt: prompt or "Tell a joke.")
    def ask(prompt: str | None = None) -> str | None:
        return prompt

    assert ask() is None
    assert guard.texts(Stage.INPUT) == ["Tell a joke."]


def test_parameters_can_be_named_one_or_several() -> None:
    guard = StageGuard()

    def both(text: str, prompt: str) -> str:
        return text + prompt

    guarded(guard=guard, prompt="text", output=False)(both)("document", "question")
    guarded(guard=guard, prompt=["text", "prompt"], output=False)(both)("document", "question")
    assert guard.texts(Stage.INPUT) == ["document", "document", "question", "document\nquestion"]


def test_a_name_behind_double_star_arguments_can_be_given() -> None:
    guard = StageGuard()

    @guarded(guard=guard, prompt="messages", actor="user")
    def create(**options: Any) -> str:
        return str(len(options))

    assert create(messages=[{"role": "user", "content": "hello"}], user="ann") == "2"
    assert create(messages="hello") == "1"
    assert [(seen.text, seen.actor) for seen in guard.seen if seen.stage is Stage.INPUT] == [
        ("hello", "ann"),
        ("hello", None),
    ]
    with pytest.raises(InputError, match="no argument 'messages'"):
        create(model="m")


def ambiguous_names(text: str, prompt: str) -> str:
    return text + prompt


def ambiguous_types(first: str, second: str) -> str:
    return first + second


def untyped_beside(first: str, second) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001  the point
    return first + str(second)


def only_model(model: str, count: int) -> str:
    return model * count


def keywords_only(**options: object) -> str:
    return str(options)


def nothing() -> str:
    return ""


@pytest.mark.parametrize("function", [ambiguous_names, ambiguous_types, untyped_beside, only_model, keywords_only])
def test_where_the_prompt_is_not_obvious_the_error_says_how_to_name_it(function: Callable[..., Any]) -> None:
    with pytest.raises(DecorationError, match=rf"{function.__name__} \(parameters: .*@guarded\(prompt='"):
        guarded(function)


def test_a_parameter_that_does_not_exist_is_an_error_that_lists_those_that_do() -> None:
    with pytest.raises(DecorationError, match="no parameter 'promt'; its parameters: model, prompt, temperature"):
        guarded(prompt="promt")(named)
    with pytest.raises(DecorationError, match="no parameter 'user'"):
        guarded(actor="user")(named)
    with pytest.raises(DecorationError, match="empty"):
        guarded(prompt=())(named)


@pytest.mark.parametrize("wrong", ["", "Say {prompt}", 5, [""], ["prompt", None]])
@pytest.mark.parametrize("option", ["prompt", "actor"])
def test_what_can_be_no_name_is_refused_at_decoration(option: str, wrong: Any) -> None:
    """Also where ``**kwargs`` would take any: such a call has no argument of that name, ever."""

    def passed_on(prompt: str, **more: object) -> str:
        return f"{prompt} {more}"

    with pytest.raises(DecorationError, match=f"{option}= takes the name of a parameter, such as"):
        guarded(**{option: wrong})(passed_on)


def test_where_any_arguments_are_taken_the_prompt_by_name_does_not_pass_for_one_by_place() -> None:
    asked: list[object] = []

    def ask(*args: object, **kwargs: object) -> str:
        asked.append((args, kwargs))
        return "an answer"

    guard = StageGuard(Stage.INPUT)
    call = guarded(guard=guard, prompt="args")(ask)
    with pytest.raises(Blocked):
        call("an attack")
    with pytest.raises(InputError, match="the call has no argument 'args'"):
        call(prompt="an attack")
    assert asked == []
    assert guarded(guard=StageGuard(), prompt="args")(ask)("hello", model="m") == "an answer"
    assert guarded(guard=StageGuard())(many)() == ""


def test_a_function_without_parameters_is_told_what_can_be_screened() -> None:
    with pytest.raises(
        DecorationError, match=r"nothing takes no prompt; screen its answers only: @guarded\(input=False"
    ):
        guarded(nothing)
    assert guarded(guard=StageGuard(), input=False)(nothing)() == ""


def test_of_many_parameters_the_error_names_those_that_could_be_the_prompt() -> None:
    def create(*, background: bool, conversation: str, input: str, model: str) -> None: ...  # noqa: A002  as a client has it

    with pytest.raises(
        DecorationError,
        match=r"^conversation, input could each be the prompt of .*create \(parameters:.*or the one",
    ):
        guarded(create)


def test_a_method_does_not_take_itself_for_the_prompt() -> None:
    def method(self: object) -> str:
        return str(self)

    with pytest.raises(DecorationError, match="method takes no prompt"):
        guarded(method)


@types.coroutine
def old_style(prompt: str) -> Generator[Any, Any, str]:
    yield
    return prompt


class StaticCall:
    @staticmethod
    def __call__(prompt: str) -> str:
        return prompt


class ObjectCall:
    __call__ = functools.partial(named, "m")


@pytest.mark.parametrize(
    "thing",
    [Bot, property(lambda prompt: prompt), "text", None.__class__, old_style, StaticCall(), ObjectCall(), 7],
    ids=lambda thing: type(thing).__name__,
)
def test_what_cannot_be_classified_is_refused_at_decoration(thing: Any) -> None:
    with pytest.raises(DecorationError):
        guarded()(thing)


def test_options_that_contradict_are_refused_at_decoration() -> None:
    with pytest.raises(DecorationError, match="nothing to screen"):
        guarded(input=False, output=False)
    with pytest.raises(DecorationError, match="not both"):
        guarded(guard=StageGuard(), policy=blocking_policy())

    async def explain(verdict: Verdict) -> str:
        await asyncio.sleep(0)
        return verdict.stage.value

    with pytest.raises(DecorationError, match="on_block is async"):
        guarded(on_block=explain)(named)


@pytest.mark.parametrize("option", ["extract_prompt", "extract_response"])
def test_an_async_extractor_is_refused_at_decoration(option: str) -> None:
    """A call was refused, with advice to give the extractor that was given."""

    async def extract(value: object) -> str:
        await asyncio.sleep(0)
        return str(value)

    with pytest.raises(DecorationError, match=f"{option} is async"):
        guarded(**{option: extract})  # type: ignore[call-overload]


@pytest.mark.parametrize("option", ["extract_prompt", "extract_response", "on_replace", "revise_prompt"])
def test_an_option_that_cannot_be_called_is_refused_at_decoration(option: str) -> None:
    """It was a bare ``TypeError`` in a call: with ``on_replace`` in the first one whose answer was replaced."""
    with pytest.raises(DecorationError, match=f"{option} must be a function, not str"):
        guarded(**{option: "a text"})  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("option", "given"),
    [
        ("on_block", "verdict"),
        ("on_replace", "verdict"),
        ("extract_prompt", "prompt"),
        ("extract_response", "response"),
        ("revise_prompt", "prompt, message, verdict"),
    ],
)
def test_a_function_that_cannot_be_called_as_it_will_be_is_refused_at_decoration(option: str, given: str) -> None:
    def nothing() -> str:
        return "Sorry."

    with pytest.raises(DecorationError, match=rf"{option} is called with {given}, and .*nothing does not take that"):
        guarded(**{option: nothing})  # type: ignore[call-overload]
    guarded(**{option: lambda *given: given[0]})  # type: ignore[call-overload]
    guarded(**{option: max})  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("given", "kind"), [("strict", "str"), (Guard, "the class Guard"), (Policy.default(), "Policy")]
)
def test_what_is_no_guard_is_refused_at_decoration_and_told_where_a_policy_goes(given: object, kind: str) -> None:
    with pytest.raises(DecorationError, match=rf"guard must be a guard .* not {kind}; a policy is given as policy="):
        guarded(guard=given)  # type: ignore[call-overload]


def test_a_policy_that_cannot_be_read_is_an_error_at_decoration(tmp_path: Path) -> None:
    with pytest.raises(PolicyError):
        guarded(policy=tmp_path / "none.toml")


def test_an_actor_is_told_by_more_than_where_an_object_lies_in_memory() -> None:
    """Every request has a new one, so that no two of them would be of the same actor."""

    class User:
        pass

    class Named:
        def __str__(self) -> str:
            return "user-17"

    @guarded(guard=(guard := StageGuard()), actor="user")
    def ask(prompt: str, user: object) -> str:
        return f"{prompt} {user}"

    with pytest.raises(InputTypeError, match=r"the actor is a .*User, which has no name of its own"):
        ask("hello", User())
    assert guard.seen == []
    for user in (Named(), 17, None):
        ask("hello", user)
    assert [seen.actor for seen in guard.seen if seen.stage is Stage.INPUT] == ["user-17", "17", None]


def test_a_call_with_wrong_arguments_is_the_type_error_it_would_have_been() -> None:
    with pytest.raises(TypeError, match="missing a required argument"):
        guarded(guard=StageGuard())(named)("m")  # type: ignore[call-arg]


def with_client(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(prompt: str) -> Any:
        return function("client", prompt)

    return call


def without_client(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(client: str, *args: Any, **kwargs: Any) -> Any:
        assert client == "client"
        return function(*args, **kwargs)

    return call


def with_first(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(prompt: str, *args: Any, **kwargs: Any) -> Any:
        return function("client", prompt, *args, **kwargs)

    return call


def by_keyword(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(client: str, **kwargs: Any) -> Any:
        assert client == "client"
        return function(**kwargs)

    return call


def in_time(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, timeout_s: float = 1.0, **kwargs: Any) -> Any:
        assert timeout_s == 2.0
        return function(*args, **kwargs)

    return call


def passing(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


def renaming(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(one: Any, other: Any) -> Any:
        return function(one, other)

    return call


@pytest.mark.parametrize(
    ("decorate", "function", "call"),
    [
        (with_client, lambda client, prompt="none": f"{client} {prompt}", lambda ask: ask("hello")),
        (with_client, lambda client, prompt: f"{client} {prompt}", lambda ask: ask(prompt="hello")),
        (
            lambda ask: passing(with_client(ask)),
            lambda client, prompt="none": client + prompt,
            lambda ask: ask("hello"),
        ),
        (without_client, lambda prompt, tone="dry": prompt + tone, lambda ask: ask("client", "hello", tone="kind")),
        (
            with_first,
            lambda client, prompt="none", tone="dry": client + prompt + tone,
            lambda ask: ask("hello", "kind"),
        ),
        (by_keyword, lambda prompt, tone="dry": prompt + tone, lambda ask: ask("client", prompt="hello")),
        (in_time, lambda prompt: prompt, lambda ask: ask("hello", timeout_s=2.0)),
        (renaming, lambda prompt, tone: prompt + tone, lambda ask: ask("hello", "kind")),
        (
            passing,
            lambda model, *messages, tone="dry": f"{model} {messages} {tone}",
            lambda ask: ask("m", "hello", tone="kind"),
        ),
        (functools.lru_cache, lambda prompt: prompt, lambda ask: ask("hello")),
    ],
)
@pytest.mark.parametrize("given", [lambda one: one, functools.partial])
def test_a_decorator_beneath_that_has_parameters_of_its_own_says_what_the_call_is_made_with(
    decorate: Callable[..., Any], function: Callable[..., Any], call: Callable[..., Any], given: Callable[..., Any]
) -> None:
    guard = StageGuard()
    ask = guarded(guard=guard)(given(decorate(function)))
    assert "hello" in call(ask)
    assert guard.texts(Stage.INPUT) == ["hello"]


def test_a_method_beneath_decorators_is_called_as_its_outermost_says() -> None:
    class Shop:
        @passing
        @in_time
        def ask(self, model: str, prompt: str = "none") -> str:
            return f"{self.__class__.__name__} {model} {prompt}"

    guard = StageGuard()
    ask: Any = guarded(guard=guard)(Shop().ask)
    assert list(inspect.signature(ask).parameters) == ["model", "prompt", "timeout_s"]
    assert ask("m", "hello", timeout_s=2.0) == "Shop m hello"
    assert guard.texts(Stage.INPUT) == ["hello"]


def test_a_decorator_beneath_that_hides_the_prompt_is_refused() -> None:
    @functools.wraps(named)
    def call(request: object) -> str:
        return named("m", str(request))

    with pytest.raises(DecorationError, match="has no parameter 'prompt'; its parameters: request"):
        guarded(prompt="prompt")(call)
    assert list(inspect.signature(guarded(prompt="request")(call)).parameters) == ["request"]


class Answerer:
    """Answers questions."""

    def __init__(self) -> None:
        self.state = "its own"

    async def __call__(self, prompt: str, *, tone: str = "kind") -> str:
        return prompt + tone


def test_name_documentation_and_signature_are_kept() -> None:
    def documented(prompt: str, *, tone: str = "kind") -> str:
        """Answer in a tone."""
        return prompt + tone

    documented.mark = "kept"  # type: ignore[attr-defined]
    function: Any = guarded(documented)
    assert (function.__name__, function.__doc__, function.mark) == ("documented", "Answer in a tone.", "kept")
    assert inspect.signature(function) == inspect.signature(documented)
    assert function.__wrapped__ is documented
    answerer = Answerer()
    wrapper: Any = guarded(answerer)
    assert (wrapper.__name__, wrapper.__doc__) == ("Answerer", "Answers questions.")
    assert inspect.signature(wrapper) == inspect.signature(answerer)
    assert inspect.iscoroutinefunction(wrapper)
    assert not hasattr(wrapper, "state")
    partial: Any = guarded(functools.partial(documented, tone="dry"))
    assert (partial.__name__, partial.__doc__) == ("documented", "Answer in a tone.")
    assert inspect.signature(partial).parameters["tone"].default == "dry"


def test_annotations_that_are_strings_are_read_where_they_were_written() -> None:
    """Command lines, tools and endpoints are made from them."""
    answerer = Answerer()
    for guardable in (answerer, answerer.__call__, functools.partial(answerer.__call__, tone="dry")):
        signature = inspect.signature(guarded(guardable), eval_str=True)
        assert signature == inspect.signature(guardable, eval_str=True)
        assert signature.parameters["prompt"].annotation is str
    method: Any = guarded(guarded(answerer.__call__))
    assert list(inspect.signature(method).parameters) == ["prompt", "tone"]


def test_a_guarded_callable_is_of_the_kind_it_wraps() -> None:
    async def coroutine(prompt: str) -> str:
        return prompt

    def generator(prompt: str) -> Generator[str]:
        yield prompt

    async def async_generator(prompt: str) -> Any:
        yield prompt

    assert inspect.iscoroutinefunction(guarded(coroutine))
    assert inspect.isgeneratorfunction(guarded(generator))
    assert inspect.isasyncgenfunction(guarded(async_generator))
    assert inspect.isasyncgenfunction(guarded(output=False)(async_generator))
    assert not inspect.iscoroutinefunction(guarded(named))

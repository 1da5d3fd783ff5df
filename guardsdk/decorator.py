"""``@guarded``: screen what goes into a callable and what comes out of it."""

# ruff: noqa: PLC0415  the name is fetched with ``Guard`` by those who only check

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, overload

from guardsdk.calling.callables import Arguments, kind_of, require_functions
from guardsdk.errors import DecorationError
from guardsdk.parts.recording import reviewer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from guardsdk.guard import Guard
    from guardsdk.policy.model import Policy
    from guardsdk.verdict import Verdict

_T = TypeVar("_T")
_P = ParamSpec("_P")
_R = TypeVar("_R")


class _Decorator(Protocol):
    @overload
    def __call__(self, function: classmethod[_T, _P, _R], /) -> classmethod[_T, _P, _R]: ...
    @overload
    def __call__(self, function: staticmethod[_P, _R], /) -> staticmethod[_P, _R]: ...
    @overload
    def __call__(self, function: Callable[_P, _R], /) -> Callable[_P, _R]: ...


@overload
def guarded(function: classmethod[_T, _P, _R], /) -> classmethod[_T, _P, _R]: ...
@overload
def guarded(function: staticmethod[_P, _R], /) -> staticmethod[_P, _R]: ...
@overload
def guarded(function: Callable[_P, _R], /) -> Callable[_P, _R]: ...
@overload
def guarded(
    *,
    guard: Guard | None = None,
    policy: Policy | str | Path | None = None,
    prompt: str | Sequence[str] | None = None,
    system: str | Sequence[str] | None = None,
    input: bool = True,
    output: bool = True,
    on_block: object = "raise",
    on_replace: Callable[[Verdict], object] | None = None,
    reviewer: object = None,
    revise_prompt: Callable[[Any, str, Verdict], object] | None = None,
    extract_prompt: Callable[[Any], object] | None = None,
    extract_response: Callable[[Any], object] | None = None,
    actor: str | None = None,
) -> _Decorator: ...
def guarded(
    function: Any = None,
    /,
    *,
    guard: Guard | None = None,
    policy: Policy | str | Path | None = None,
    prompt: str | Sequence[str] | None = None,
    system: str | Sequence[str] | None = None,
    input: bool = True,  # noqa: A002  the word for the stage
    output: bool = True,
    on_block: object = "raise",
    on_replace: Callable[[Verdict], object] | None = None,
    reviewer: object = None,
    revise_prompt: Callable[[Any, str, Verdict], object] | None = None,
    extract_prompt: Callable[[Any], object] | None = None,
    extract_response: Callable[[Any], object] | None = None,
    actor: str | None = None,
) -> Any:
    """Screen the prompt before the call and the response after it; bare, or with options.

    Works on functions, coroutine functions, generators and async generators, methods in either order with
    ``@classmethod`` and ``@staticmethod``, partials and objects with a (possibly async) ``__call__``. A blocked prompt
    never reaches the callable; what is redacted from it comes back in the response (``docs/actions.md`` says what each
    action does). What a generator yields comes out as soon as it is checked (``docs/streaming.md``); ``send`` and
    ``throw`` reach it, and what is sent is not screened. It belongs beneath a decorator that takes ``*args`` and adds
    or takes away arguments: above one, the signature that ``functools.wraps`` shows is that of another call, and the
    prompt may be missed. Where such a decorator has parameters of its own, these say what the call is made with.

    Args:
        function: The callable, when used bare.
        guard: The guard that checks; the default one of the process where neither this nor ``policy`` is given.
        policy: A policy, the path of its file or the name of a preset, for a guard of its own.
        prompt: The parameter (or parameters) that carry the prompt: a string, messages, or what ``extract_prompt``
            takes. Without it the parameter is found by its usual name, its type, or for being the only one. A name
            behind ``**kwargs`` may be given. Other parameters are not screened.
        system: The parameter (or parameters) that carry the system text, beside that of messages: a string, a text
            block or message, a list of these, or what has them as its ``system_instruction``. Without it they are found
            by their usual names (``docs/applications.md``), and what holds no text there is taken for something else;
            ``()`` says that there are none.
        input: Whether to screen the prompt; see ``guardsdk.extract.prompt_passages`` for what is read of it.
        output: Whether to screen the response, with the prompt as context; see ``guardsdk.extract.ResponseText``.
            Models, dataclasses and dictionaries of yours are read whole (``docs/coverage.md``).
        on_block: ``"raise"`` to raise ``Blocked``; else what to return (or, in a generator, to yield) instead: a value,
            or a callable that gets the verdict; awaited around async callables. It should fit the callable's type.
        on_replace: Computes, from the verdict, what to give with action ``replace``, in place of the policy's text;
            awaited around async callables.
        reviewer: Who decides with action ``review``: a callable or queue, see ``guardsdk.reviewing.Reviewer``; the
            guard's own when left out.
        revise_prompt: Gets the prompt parameter's value, the message that quotes the principle, and the verdict, and
            returns the value to ask again with, or ``None``; for prompts other than strings and lists of messages.
        extract_prompt: Turns the prompt parameter's value into a string, messages or ``Passage`` objects.
        extract_response: Turns the response, or each item of a generator, into a string or a known response.
        actor: The name of the parameter that says on whose behalf the call is made, as for ``Guard.check``; of what is
            no string, ``str`` is taken.

    Raises:
        DecorationError: At decoration: the callable or its prompt parameter cannot be told, a parameter that was named
            does not exist, options contradict or are of no use, or an extractor is async.
        PolicyError: At decoration: ``policy`` cannot be read.
        Blocked: From the call: the policy blocks the prompt or the response.
        CheckFailedError: From the call: it could not be checked, and the policy's ``on_error`` blocks. ``on_block``
            does not apply: a broken guard must not look like a refused prompt.
        InputTypeError: From the call: the prompt, the response or a named system text is of a type that cannot be read,
            or the actor an object without a name.
        InputError: From the call: the messages of the prompt, or the response, were changed by others while they were
            checked.
    """
    from guardsdk.calling.checking import Checker
    from guardsdk.calling.handling import Means
    from guardsdk.calling.wrapping import Plan

    for name, given in (("input", input), ("output", output)):
        if not isinstance(given, bool):
            msg = f"{name} must be True or False, not {type(given).__name__}"
            raise DecorationError(msg)
    if not (input or output):
        msg = "input=False and output=False leave nothing to screen"
        raise DecorationError(msg)
    require_functions(
        extract_prompt=extract_prompt,
        extract_response=extract_response,
        on_block=on_block,
        on_replace=on_replace,
        revise_prompt=revise_prompt,
    )
    checker = Checker(guard, policy, extract_prompt)
    means = Means(
        on_block=on_block,
        on_replace=on_replace,
        reviewer=reviewer_of(reviewer) or checker.reviewer,
        revise_prompt=revise_prompt,
    )

    def decorate(target: Any) -> Any:  # noqa: ANN401  the overloads say what goes in and out
        inner = target.__func__ if isinstance(target, classmethod | staticmethod) else target
        plan = Plan(
            checker=checker,
            kind=kind_of(inner),
            arguments=Arguments(
                inner,
                prompt=prompt,
                system=system,
                actor=actor,
                prompt_needed=input,
                skip_first=isinstance(target, classmethod),
            ),
            screen_input=input,
            screen_output=output,
            means=means,
            extract_response=extract_response,
        )
        wrapper = plan.wrap(inner)
        return type(target)(wrapper) if isinstance(target, classmethod | staticmethod) else wrapper

    return decorate if function is None else decorate(function)

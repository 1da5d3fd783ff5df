"""``@guarded``: screen what goes into a callable and what comes out of it."""

# ruff: noqa: PLC0415  imported where used: those who only check never need them

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
    input: bool = True,  # noqa: A002  named after the stage
    output: bool = True,
    on_block: object = "raise",
    on_replace: Callable[[Verdict], object] | None = None,
    reviewer: object = None,
    revise_prompt: Callable[[Any, str, Verdict], object] | None = None,
    extract_prompt: Callable[[Any], object] | None = None,
    extract_response: Callable[[Any], object] | None = None,
    actor: str | None = None,
) -> Any:
    """Screen the prompt before the call and the response after it. Use it bare or with options.

    Works on functions, coroutine functions, generators and async generators, methods in either order with
    ``@classmethod`` and ``@staticmethod``, partials and objects with a (possibly async) ``__call__``. A blocked prompt
    never reaches the callable; what is redacted from it is restored in the response (``docs/actions.md`` describes each
    action). Items of a generator are released as soon as they are checked (``docs/streaming.md``). ``send`` and
    ``throw`` reach the generator, and what is sent is not screened.

    Put it beneath a decorator that takes ``*args`` and adds or removes arguments. Above one, the signature shown by
    ``functools.wraps`` is not that of the actual call, and the prompt may be missed. If such a decorator declares
    parameters of its own, they are taken to be those of the call.

    Args:
        function: The callable, when used bare.
        guard: The guard that checks. Defaults to the process-wide guard if ``policy`` is not given either.
        policy: A policy, the path of a policy file or the name of a preset, to create a separate guard from.
        prompt: The parameter, or parameters, that carry the prompt: a string, messages, or whatever ``extract_prompt``
            accepts. By default it is found by its usual name, by its type, or as the only parameter. May also name a
            keyword passed through ``**kwargs``. Other parameters are not screened.
        system: The parameter, or parameters, that carry the system prompt, in addition to system messages: a string, a
            text block or message, a list of these, or an object with them as its ``system_instruction``. By default
            they are found by their usual names (``docs/applications.md``); a value there without text is ignored.
            ``()`` means that there are none.
        input: Whether to screen the prompt; ``guardsdk.extract.prompt_passages`` says what is read of it.
        output: Whether to screen the response, with the prompt as context; see ``guardsdk.extract.ResponseText``.
            Your own models, dataclasses and dictionaries are read whole (``docs/coverage.md``).
        on_block: ``"raise"`` to raise ``Blocked``, else what to return (or, in a generator, to yield) instead: a
            value, or a callable that is given the verdict and awaited around async callables. It should match the
            callable's return type.
        on_replace: Computes, from the verdict, what to return for action ``replace`` in place of the policy's text;
            awaited around async callables.
        reviewer: Who decides on action ``review``: a callable or a queue, see ``guardsdk.reviewing.Reviewer``.
            Defaults to the guard's own.
        revise_prompt: Given the prompt parameter's value, the message that quotes the principle, and the verdict,
            returns the value to ask again with, or ``None``. For prompts other than strings and lists of messages.
        extract_prompt: Turns the prompt parameter's value into a string, messages or ``Passage`` objects.
        extract_response: Turns the response, or each item of a generator, into a string or a known response.
        actor: The name of the parameter that says on whose behalf the call is made, as in ``Guard.check``. Values
            that are not strings are converted with ``str``.

    Raises:
        DecorationError: At decoration: the kind of callable or its prompt parameter cannot be determined, a named
            parameter does not exist, options contradict each other or have no effect, or an extractor is async.
        PolicyError: At decoration: ``policy`` cannot be read.
        Blocked: From the call: the policy blocks the prompt or the response.
        CheckFailedError: From the call: it could not be checked, and the policy's ``on_error`` blocks. ``on_block``
            does not apply, as a broken guard must not look like a refused prompt.
        InputTypeError: From the call: the prompt, the response or a named system prompt has a type that cannot be
            read, or the actor is an object without a name.
        InputError: From the call: the messages of the prompt, or the response, were modified while being checked.
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

    def decorate(target: Any) -> Any:  # noqa: ANN401  the overloads declare the types
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

"""The wrappers behind ``@guarded``, one per kind of callable, chosen at decoration."""

# ruff: noqa: PLC0415  imported once a callable is decorated, not with the package

from __future__ import annotations

import contextlib
import functools
import inspect
from typing import TYPE_CHECKING, Any

from guardsdk.calling.callables import Arguments, Kind, needs_await
from guardsdk.calling.handling import Instead, Means
from guardsdk.calling.steps import adrive, drive
from guardsdk.errors import DecorationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from guardsdk.calling.calls import Call
    from guardsdk.calling.checking import Checker


class Plan:
    """Everything decided at decoration. Read-only for calls."""

    def __init__(
        self,
        *,
        checker: Checker,
        kind: Kind,
        arguments: Arguments,
        screen_input: bool,
        screen_output: bool,
        means: Means,
        extract_response: Callable[[Any], object] | None,
    ) -> None:
        """Raise ``DecorationError`` if ``means`` has something async that would never be awaited."""
        self.checker = checker
        self.kind = kind
        self.arguments = arguments
        self.screen_input = screen_input
        self.screen_output = screen_output
        self.means = means
        self.extract_response = extract_response
        if kind in (Kind.ASYNC, Kind.ASYNC_GENERATOR):
            return
        for name in ("on_block", "on_replace", "revise_prompt"):
            if needs_await(getattr(means, name)):
                msg = f"{name} is async and the guarded callable is not; give a plain function or a value"
                raise DecorationError(msg)
        if means.reviewer is not None and means.reviewer.needs_loop:
            msg = "the reviewer is async and the guarded callable is not; give a plain function or a queue.Queue"
            raise DecorationError(msg)

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the wrapper for this kind of callable, with the name, docstring and signature of ``function``."""
        from guardsdk.calling.calls import Call

        wrap = {
            Kind.SYNC: _wrap_sync,
            Kind.ASYNC: _wrap_async,
            Kind.GENERATOR: _wrap_generator,
            Kind.ASYNC_GENERATOR: _wrap_async_generator,
        }[self.kind]
        return _named_like(wrap(self, function, Call), function, self.arguments.signature)


def _wrap_sync(plan: Plan, function: Callable[..., Any], begin: type[Call]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  passes through
        answer = drive(begin(plan, args, kwargs).answer(), function)
        return answer.value if isinstance(answer, Instead) else answer

    return wrapper


def _wrap_async(plan: Plan, function: Callable[..., Any], begin: type[Call]) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  passes through
        answer = await adrive(begin(plan, args, kwargs).answer(), function)
        return answer.value if isinstance(answer, Instead) else answer

    return wrapper


def _wrap_generator(plan: Plan, function: Callable[..., Any], begin: type[Call]) -> Callable[..., Any]:
    from guardsdk.streaming import GuardedStream

    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        call = begin(plan, args, kwargs)
        with call.vault:
            if (instead := drive(call.before())) is not None:
                yield instead.value
                return None
            if plan.screen_output:
                return (yield from call.streamed(GuardedStream, function))
            return (yield from function(*call.args, **call.kwargs))

    return wrapper


def _wrap_async_generator(plan: Plan, function: Callable[..., Any], begin: type[Call]) -> Callable[..., Any]:
    """Delegate as ``yield from`` does, which async lacks (PEP 380)."""
    from guardsdk.streaming import AsyncGuardedStream

    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        call = begin(plan, args, kwargs)
        with call.vault:
            if (instead := await adrive(call.before())) is not None:
                yield instead.value
                return
            screened = plan.screen_output
            items = call.streamed(AsyncGuardedStream, function) if screened else function(*call.args, **call.kwargs)
            async with contextlib.aclosing(items) as generator:
                step = generator.__anext__()
                while True:
                    try:
                        item = await step
                    except StopAsyncIteration:
                        return
                    try:
                        step = generator.asend((yield item))
                    except GeneratorExit:
                        raise
                    except BaseException as error:  # noqa: BLE001  whatever was thrown in is for the generator
                        step = generator.athrow(error)

    return wrapper


def _named_like(
    wrapper: Callable[..., Any], function: Callable[..., Any], signature: inspect.Signature
) -> Callable[..., Any]:
    """Give ``wrapper`` the name, docstring, annotations and signature of ``function``."""
    described = function
    while isinstance(described, functools.partial):
        described = described.func
    if inspect.isroutine(described):
        functools.update_wrapper(wrapper, described)
    else:  # an object: its own __dict__ is state, not function attributes
        functools.update_wrapper(wrapper, described, updated=())
        wrapper.__name__, wrapper.__qualname__ = type(described).__name__, type(described).__qualname__
        wrapper.__annotations__ = dict(inspect.get_annotations(type(described).__call__))
    wrapper.__wrapped__ = function  # type: ignore[attr-defined]  # set as by functools.wraps, and followed by inspect
    if inspect.signature(wrapper) != signature:  # otherwise left to inspect, which can read string annotations
        wrapper.__signature__ = signature  # type: ignore[attr-defined]
    return wrapper

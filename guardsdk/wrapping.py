"""The wrappers behind ``@guarded``, one per kind of callable; which one is settled at decoration."""

from __future__ import annotations

import contextlib
import functools
import inspect
from typing import TYPE_CHECKING, Any

from guardsdk.callables import Arguments, Kind, needs_await
from guardsdk.calls import Call, Collected
from guardsdk.errors import DecorationError, InputError
from guardsdk.handling import Instead, Means
from guardsdk.steps import adrive, drive

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from guardsdk.enforce import Enforcer

_NOT_SENT = "a guarded generator is read to its end before its output is checked, so nothing can be sent into it"


class Plan:
    """All that was settled at decoration. Calls only read it."""

    def __init__(
        self,
        *,
        enforcer: Enforcer,
        kind: Kind,
        arguments: Arguments,
        screen_input: bool,
        screen_output: bool,
        means: Means,
        extract_response: Callable[[Any], object] | None,
    ) -> None:
        """Raise ``DecorationError`` where something async of ``means`` would be waited for by nobody."""
        self.enforcer = enforcer
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
        """Return the wrapper for this kind of callable, with the name, documentation and signature of ``function``."""
        wrap = {
            Kind.SYNC: _wrap_sync,
            Kind.ASYNC: _wrap_async,
            Kind.GENERATOR: _wrap_generator if self.screen_output else _wrap_passing,
            Kind.ASYNC_GENERATOR: _wrap_async_generator if self.screen_output else _wrap_async_passing,
        }[self.kind]
        return _named_like(wrap(self, function), function, self.arguments.signature)


def _wrap_sync(plan: Plan, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  passes through
        answer = drive(Call(plan, args, kwargs).answer(), function)
        return answer.value if isinstance(answer, Instead) else answer

    return wrapper


def _wrap_async(plan: Plan, function: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  passes through
        answer = await adrive(Call(plan, args, kwargs).answer(), function)
        return answer.value if isinstance(answer, Instead) else answer

    return wrapper


def _wrap_generator(plan: Plan, function: Callable[..., Any]) -> Callable[..., Any]:
    def collect(*args: Any, **kwargs: Any) -> Collected:  # noqa: ANN401  passes through
        generator = function(*args, **kwargs)
        items: list[Any] = []
        while True:
            try:
                items.append(next(generator))
            except StopIteration as stop:
                return Collected(items, stop.value)

    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:  # noqa: ANN401  passes through
        answer = drive(Call(plan, args, kwargs).answer(), collect)
        collected = Collected([answer.value]) if isinstance(answer, Instead) else answer
        for item in collected.items:
            if (yield item) is not None:
                raise InputError(_NOT_SENT)
        return collected.returned

    return wrapper


def _wrap_passing(plan: Plan, function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a generator whose items pass unscreened."""

    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:  # noqa: ANN401  passes through
        call = Call(plan, args, kwargs)
        if (instead := drive(call.before())) is None:
            return (yield from function(*call.args, **call.kwargs))
        yield instead.value
        return None

    return wrapper


def _wrap_async_generator(plan: Plan, function: Callable[..., Any]) -> Callable[..., Any]:
    async def collect(*args: Any, **kwargs: Any) -> Collected:  # noqa: ANN401  passes through
        async with contextlib.aclosing(function(*args, **kwargs)) as generator:
            return Collected([item async for item in generator])

    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:  # noqa: ANN401  passes through
        answer = await adrive(Call(plan, args, kwargs).answer(), collect)
        for item in [answer.value] if isinstance(answer, Instead) else answer.items:
            if (yield item) is not None:
                raise InputError(_NOT_SENT)

    return wrapper


def _wrap_async_passing(plan: Plan, function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap an async generator whose items pass unscreened: what ``yield from`` does, which async lacks (PEP 380)."""

    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:  # noqa: ANN401  passes through
        call = Call(plan, args, kwargs)
        if (instead := await adrive(call.before())) is not None:
            yield instead.value
            return
        async with contextlib.aclosing(function(*call.args, **call.kwargs)) as generator:
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
                except BaseException as error:  # noqa: BLE001  whatever was thrown in belongs to the generator
                    step = generator.athrow(error)

    return wrapper


def _named_like(wrapper: Callable[..., Any], function: Any, signature: inspect.Signature) -> Callable[..., Any]:  # noqa: ANN401  any callable
    """Give ``wrapper`` the name, documentation, annotations and signature of ``function``."""
    described = function
    while isinstance(described, functools.partial):
        described = described.func
    if inspect.isroutine(described):
        functools.update_wrapper(wrapper, described)
    else:  # an object: its own __dict__ is state, not attributes of a function
        functools.update_wrapper(wrapper, described, updated=())
        wrapper.__name__, wrapper.__qualname__ = type(described).__name__, type(described).__qualname__
        wrapper.__annotations__ = dict(inspect.get_annotations(type(described).__call__))
    wrapper.__wrapped__ = function  # type: ignore[attr-defined]  # what functools.wraps sets, and inspect follows
    wrapper.__signature__ = signature  # type: ignore[attr-defined]
    return wrapper

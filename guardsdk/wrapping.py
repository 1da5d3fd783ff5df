"""The wrappers behind ``@guarded``, one per kind of callable; which one is settled at decoration."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
from typing import TYPE_CHECKING, Any

from guardsdk.callables import Arguments, Kind, needs_await
from guardsdk.errors import Blocked, DecorationError, InputError, InputTypeError
from guardsdk.extract import Passage, ResponseText, context_of, system_of

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
        on_block: object,
        extract_response: Callable[[Any], object] | None,
    ) -> None:
        """Raise ``DecorationError`` where an async ``on_block`` would be waited for by nobody."""
        self.enforcer = enforcer
        self.kind = kind
        self.arguments = arguments
        self.screen_input = screen_input
        self.screen_output = screen_output
        self.on_block = on_block
        self.extract_response = extract_response
        is_async = kind in (Kind.ASYNC, Kind.ASYNC_GENERATOR)
        if not is_async and needs_await(on_block):
            msg = "on_block is async and the guarded callable is not; give a plain function or a value"
            raise DecorationError(msg)

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the wrapper for this kind of callable, with the name, documentation and signature of ``function``."""
        wrap = {
            Kind.SYNC: _wrap_sync,
            Kind.ASYNC: _wrap_async,
            Kind.GENERATOR: _wrap_generator,
            Kind.ASYNC_GENERATOR: _wrap_async_generator if self.screen_output else _wrap_async_passing,
        }[self.kind]
        return _named_like(wrap(self, function), function, self.arguments.signature)

    def replace(self, blocked: Blocked) -> Any:  # noqa: ANN401  a fallback of the user's choice
        """Raise ``blocked`` or return what stands in for the response."""
        if isinstance(self.on_block, str) and self.on_block == "raise":
            raise blocked
        return self.on_block(blocked.verdict) if callable(self.on_block) else self.on_block

    async def areplace(self, blocked: Blocked) -> Any:  # noqa: ANN401  a fallback of the user's choice
        """As ``replace``, waiting for a fallback that has to be awaited."""
        fallback = self.replace(blocked)
        return await fallback if inspect.isawaitable(fallback) else fallback


class _Call:
    """One call: made in the wrapper, gone with it. Its checks return ``Blocked`` instead of raising it."""

    def __init__(self, plan: Plan, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        self._plan = plan
        values, self._actor = plan.arguments.read(args, kwargs)
        self._passages: list[Passage] = []
        for value in values:
            # Unscreened prompts still serve as context, as far as they can be read.
            with contextlib.nullcontext() if plan.screen_input else contextlib.suppress(InputTypeError):
                self._passages += plan.enforcer.passages(value)

    def check_input(self) -> Blocked | None:
        if not self._plan.screen_input:
            return None
        try:
            self._plan.enforcer.check(self._passages, self._actor)
        except Blocked as blocked:
            return blocked
        return None

    def check_output(self, *items: object) -> Blocked | None:
        """Check a response, given whole or as the items of a generator."""
        if not self._plan.screen_output:
            return None
        response = ResponseText(self._plan.extract_response)
        for item in items:
            try:
                response.add(item)
            except InputTypeError:
                if inspect.iscoroutine(item):
                    item.close()  # refused here, so nobody will await it
                raise
        try:
            self._plan.enforcer.check_response(
                response.texts(), context_of(self._passages), self._actor, system=system_of(self._passages)
            )
        except Blocked as blocked:
            return blocked
        return None


def _wrap_sync(plan: Plan, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  passes through
        call = _Call(plan, args, kwargs)
        if (blocked := call.check_input()) is None:
            response = function(*args, **kwargs)
            if (blocked := call.check_output(response)) is None:
                return response
        return plan.replace(blocked)

    return wrapper


def _wrap_async(plan: Plan, function: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  passes through
        call = _Call(plan, args, kwargs)
        if (blocked := await asyncio.to_thread(call.check_input)) is None:
            response = await function(*args, **kwargs)
            if (blocked := await asyncio.to_thread(call.check_output, response)) is None:
                return response
        return await plan.areplace(blocked)

    return wrapper


def _wrap_generator(plan: Plan, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:  # noqa: ANN401  passes through
        call = _Call(plan, args, kwargs)
        if (blocked := call.check_input()) is None:
            generator = function(*args, **kwargs)
            if not plan.screen_output:
                return (yield from generator)
            items, returned = _collect(generator)
            if (blocked := call.check_output(*items, returned)) is None:
                for item in items:
                    if (yield item) is not None:
                        raise InputError(_NOT_SENT)
                return returned
        yield plan.replace(blocked)
        return None

    return wrapper


def _collect(generator: Generator[Any, Any, Any]) -> tuple[list[Any], Any]:
    items: list[Any] = []
    while True:
        try:
            items.append(next(generator))
        except StopIteration as stop:
            return items, stop.value


def _wrap_async_generator(plan: Plan, function: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:  # noqa: ANN401  passes through
        call = _Call(plan, args, kwargs)
        if (blocked := await asyncio.to_thread(call.check_input)) is None:
            async with contextlib.aclosing(function(*args, **kwargs)) as generator:
                items = [item async for item in generator]
            if (blocked := await asyncio.to_thread(call.check_output, *items)) is None:
                for item in items:
                    if (yield item) is not None:
                        raise InputError(_NOT_SENT)
                return
        yield await plan.areplace(blocked)

    return wrapper


def _wrap_async_passing(plan: Plan, function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap an async generator whose items pass unscreened: what ``yield from`` does, which async lacks (PEP 380)."""

    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:  # noqa: ANN401  passes through
        call = _Call(plan, args, kwargs)
        if (blocked := await asyncio.to_thread(call.check_input)) is not None:
            yield await plan.areplace(blocked)
            return
        async with contextlib.aclosing(function(*args, **kwargs)) as generator:
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

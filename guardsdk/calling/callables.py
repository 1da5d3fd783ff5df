"""What ``@guarded`` needs to know about a callable, determined once, at decoration."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable
from enum import Enum, auto
from inspect import Parameter
from typing import TYPE_CHECKING, Any

from guardsdk.calling.signatures import signature_of
from guardsdk.errors import DecorationError, InputError, InputTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

_PROMPT_NAMES = frozenset(
    {
        "chat_history",
        "content",
        "contents",
        "conversation",
        "input",
        "input_text",
        "inputs",
        "instruction",
        "message",
        "messages",
        "prompt",
        "prompts",
        "query",
        "question",
        "text",
        "user_input",
        "user_message",
        "user_prompt",
        "user_query",
        "utterance",
    }
)
_SYSTEM_NAMES = ("system", "system_prompt", "system_message", "system_instruction", "system_instructions")
_ALSO_SYSTEM = ("instructions", "config")
"""Names that may hold the system prompt, or the prompt if no other parameter can be it."""
# Text written by developers or labels of a call: never taken as the prompt unless named explicitly.
_OTHER_NAMES = frozenset(
    {
        "actor",
        "api_key",
        "language",
        "locale",
        "model",
        "model_name",
        "role",
        "session_id",
        "tenant",
        "thread_id",
        "user",
        "user_id",
        *_SYSTEM_NAMES,
    }
)
_GIVEN = {
    "actor": ("runtime",),
    "extract_prompt": ("prompt",),
    "extract_response": ("response",),
    "revise_prompt": ("prompt", "message", "verdict"),
}
"""Arguments that options are called with, other than the verdict."""
_UNAWAITED = ("actor", "extract_prompt", "extract_response")
"""Options that are called synchronously."""
_VALUES = ("actor", "on_block")
"""Options that may also be a plain value."""
_NAMED = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_ONLY)


class Kind(Enum):
    """How a callable returns its result."""

    SYNC = auto()
    ASYNC = auto()
    GENERATOR = auto()
    ASYNC_GENERATOR = auto()


def kind_of(function: object) -> Kind:
    """Classify a callable by the code that will run, looking inside partials and objects with ``__call__``.

    Raises ``DecorationError`` if the kind cannot be determined, since the wrong wrapper would let text pass unchecked.
    """
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isclass(function) or not callable(function):
        msg = f"@guarded wraps functions and callable objects, not {name_of(function)}; decorate the method that calls"
        raise DecorationError(msg)
    if not (inspect.isroutine(function) or inspect.iscoroutinefunction(function)):
        call = inspect.getattr_static(type(function), "__call__")
        if not inspect.isroutine(call) or isinstance(call, staticmethod | classmethod):
            msg = f"cannot tell how {name_of(function)} answers: its __call__ is not a method; wrap it in a function"
            raise DecorationError(msg)
        function = call
    code = getattr(inspect.unwrap(function, stop=lambda _: True), "__code__", None)
    if code is not None and code.co_flags & inspect.CO_ITERABLE_COROUTINE:
        msg = f"{name_of(function)} is a generator-based coroutine; write it as async def"
        raise DecorationError(msg)
    if inspect.isasyncgenfunction(function):
        return Kind.ASYNC_GENERATOR
    if inspect.iscoroutinefunction(function):
        return Kind.ASYNC
    return Kind.GENERATOR if inspect.isgeneratorfunction(function) else Kind.SYNC


def needs_await(function: object) -> bool:
    """Return whether calling ``function`` returns a coroutine, as far as can be told without calling it."""
    while isinstance(function, functools.partial):
        function = function.func
    call = type(function).__call__ if callable(function) else None
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def takes(function: Callable[..., object], count: int) -> bool:
    """Return whether ``function`` accepts ``count`` positional arguments; true if that cannot be told."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions written in C have no signature
        return True
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def require_functions(**options: object) -> None:
    """Raise ``DecorationError`` for an option that cannot be called as it will be, perhaps weeks later."""
    for name, one in options.items():
        if one is None or (name in _VALUES and not callable(one)):
            continue
        if not callable(one):
            msg = f"{name} must be a function, not {type(one).__name__}"
            raise DecorationError(msg)
        if name in _UNAWAITED and needs_await(one):
            msg = f"{name} is async, and it is called where nobody awaits; give a plain function"
            raise DecorationError(msg)
        given = _GIVEN.get(name, ("verdict",))
        if not takes(one, len(given)):
            msg = f"{name} is called with {', '.join(given)}, and {name_of(one)} does not take that"
            raise DecorationError(msg)


class Arguments:
    """Finds the prompt, the system prompt and the actor among the arguments of a call."""

    def __init__(
        self,
        function: Callable[..., object],
        *,
        prompt: str | Sequence[str] | None,
        system: str | Sequence[str] | None,
        actor: str | None,
        prompt_needed: bool,
        skip_first: bool = False,
    ) -> None:
        """Read the signature of ``function`` and determine the relevant parameters.

        Raises ``DecorationError`` if the signature cannot be read, a named parameter does not exist or is named for two
        purposes, or none is named and there is not exactly one candidate for the prompt.
        """
        try:
            self.signature = signature_of(function)
        except (TypeError, ValueError):
            msg = f"{name_of(function)} has no signature that can be read; wrap it in a function"
            raise DecorationError(msg) from None
        parameters = list(self.signature.parameters.values())
        if parameters and (skip_first or parameters[0].name in ("self", "cls")):
            del parameters[0]
        self.names_system = system is not None
        """Whether the system prompt's parameters were named, rather than found by their usual names."""
        self._systems = () if system is None else _names_in(system)
        _require_names("system", self._systems, "not the text; a text of yours can be the parameter's default")
        self._prompts: tuple[str, ...]
        if prompt is None:
            self._prompts = _obvious(parameters, function, {*_OTHER_NAMES, *self._systems}, needed=prompt_needed)
        else:
            self._prompts = _names_in(prompt)
            if not self._prompts:
                msg = "prompt= is empty; name at least one parameter"
                raise DecorationError(msg)
            _require_names("prompt", self._prompts, "such as 'question'")
        _require_names("actor", () if actor is None else (actor,), "such as 'user_id'")
        self._actor = actor
        self._keywords = next((p.name for p in parameters if p.kind is Parameter.VAR_KEYWORD), None)
        places = next((p.name for p in parameters if p.kind is Parameter.VAR_POSITIONAL), None)
        self._places = None if self._keywords is None else places
        """``*args`` next to ``**kwargs``: if it is empty, arguments may be passed by name instead."""
        self._fixed = _fixed(function)
        names = {parameter.name for parameter in parameters}
        there = names | self._fixed.keys()
        unknown = [name for name in (*self._prompts, actor) if name and name not in names]
        unknown += [name for name in self._systems if name not in there]
        if unknown and self._keywords is None:
            known = ", ".join(p.name for p in parameters) or "none"
            msg = f"{name_of(function)} has no parameter {unknown[0]!r}; its parameters: {known}"
            raise DecorationError(msg)
        if both := set(self._prompts).intersection(self._systems):
            msg = f"{', '.join(sorted(both))} cannot be the prompt and the system text: one is screened, one trusted"
            raise DecorationError(msg)
        if system is None:
            usual = [name for name in _SYSTEM_NAMES + _ALSO_SYSTEM if self._keywords or name in there]
            self._systems = tuple(name for name in usual if name not in (*self._prompts, actor))

    def read(
        self, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> tuple[list[object], dict[str, object], str | None]:
        """Return the prompt values, possible system prompts by name, and the actor; defaults included.

        Raises ``TypeError`` as the call itself would, ``InputError`` if a prompt is missing, inside ``*args`` or
        ``**kwargs``, and ``InputTypeError`` if the actor has no name.
        """
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        actor = None if self._actor is None else self._value(bound.arguments, self._actor)
        values = [self._value(bound.arguments, name) for name in self._prompts]
        extra = bound.arguments[self._keywords] if self._keywords is not None else {}
        given = {**self._fixed, **extra, **bound.arguments}
        systems = {name: given[name] for name in self._systems if name in given}
        return values, systems, None if actor is None else _named(actor)

    def replaced(
        self,
        args: tuple[object, ...],
        kwargs: dict[str, object],
        values: Sequence[object],
        systems: Mapping[str, object],
    ) -> tuple[tuple[object, ...], dict[str, object]]:
        """Return the arguments of a call with other prompt values, one for each that ``read`` returned.

        ``systems`` are system prompts by name. One that a partial binds positionally is not changed.
        """
        bound = self.signature.bind(*args, **kwargs)
        defaults = self.signature.bind(*args, **kwargs)
        defaults.apply_defaults()
        extra = defaults.arguments[self._keywords] if self._keywords is not None else {}
        there = {name: value for name, value in systems.items() if name in defaults.arguments or name in extra}
        for name, value in (*zip(self._prompts, values, strict=True), *there.items()):
            if name in defaults.arguments and name != self._keywords:
                bound.arguments[name] = value
            else:
                bound.arguments[str(self._keywords)] = {**bound.arguments[str(self._keywords)], name: value}
        for name, parameter in self.signature.parameters.items():
            # Leaving one out would shift the positions of those after it.
            if parameter.kind is Parameter.POSITIONAL_ONLY:
                bound.arguments.setdefault(name, defaults.arguments[name])
        return bound.args, bound.kwargs

    def _value(self, arguments: Mapping[str, Any], name: str) -> object:
        if name in arguments and (name != self._places or arguments[name]):
            return arguments[name]
        extra = arguments[self._keywords] if self._keywords is not None else {}
        if name in extra:
            return extra[name]
        if name == self._actor:
            return None
        msg = f"the call has no argument {name!r}, which @guarded was told to screen"
        raise InputError(msg)


def _named(actor: object) -> str:
    """Return the name of ``actor``. Raises ``InputTypeError`` for an object identified only by its address."""
    kind = type(actor)
    if kind.__str__ is object.__str__ and kind.__repr__ is object.__repr__:
        msg = f"the actor is a {kind.__qualname__}, which has no name of its own; give its name or number instead"
        raise InputTypeError(msg)
    return str(actor)


def _names_in(names: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(names) if isinstance(names, Iterable) and not isinstance(names, str) else (names,)


def _require_names(option: str, names: Sequence[object], hint: str) -> None:
    """Raise ``DecorationError``, with ``hint``, if one of ``names`` cannot be a parameter name."""
    if not all(isinstance(name, str) and name.isidentifier() for name in names):
        msg = f"{option}= takes the name of a parameter, {hint}"
        raise DecorationError(msg)


def _fixed(function: object) -> dict[str, object]:
    """Return the arguments that a partial binds: its signature does not show all of them."""
    if not isinstance(function, functools.partial):
        return {}
    return {**signature_of(function.func).bind_partial(*function.args).arguments, **function.keywords}


def _obvious(parameters: list[Parameter], function: object, others: Container[str], *, needed: bool) -> tuple[str, ...]:
    """Return the name of the one parameter that must be the prompt: by name, by type, or as the only one."""
    named = [p.name for p in parameters if p.name.lower() in _PROMPT_NAMES and p.name not in others]
    possible = [p for p in parameters if p.kind in _NAMED and p.name not in others]
    annotated = all(p.annotation is not Parameter.empty for p in possible)
    texts = [p.name for p in possible if p.annotation in (str, "str")]
    if len(named) == 1:
        return (named[0],)
    if not named and len(texts) == 1 and annotated:
        return (texts[0],)
    if not named and len(parameters) == len(possible) == 1:
        return (possible[0].name,)
    if not needed:
        return ()
    if not parameters:
        msg = f"{name_of(function)} takes no prompt; screen its answers only: @guarded(input=False)"
        raise DecorationError(msg)
    likely = named if len(named) > 1 else texts if len(texts) > 1 else []
    why = f"{', '.join(likely)} could each be" if likely else "no parameter is obviously"
    candidates = ", ".join(p.name for p in parameters) or "none"
    example = (named or texts or ["name"])[0]
    way = f"@guarded(prompt={example!r}){', or the one it is; a list for several' if likely else ''}"
    msg = f"{why} the prompt of {name_of(function)} (parameters: {candidates}); say {way}"
    raise DecorationError(msg)


def name_of(function: object) -> str:
    """Return the name of ``function`` in messages."""
    return str(getattr(function, "__qualname__", None) or f"a {type(function).__qualname__} object")

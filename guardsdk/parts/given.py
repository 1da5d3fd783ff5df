"""Validation of a guard's arguments. Error messages name the argument and never quote a text."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Iterable, Mapping
from os import PathLike
from types import FunctionType
from typing import TYPE_CHECKING, TypeVar

from guardsdk.errors import InputError, InputTypeError, PolicyError, reject_type
from guardsdk.policy.load import default_policy, load_policy
from guardsdk.policy.model import Policy
from guardsdk.policy.reading import meant
from guardsdk.settings import MOST_THREADS, Settings
from guardsdk.surroundings import NOWHERE, Surroundings
from guardsdk.text.clean import exact
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from guardsdk.screens.base import Screen

T = TypeVar("T")


def chosen_policy(given: Policy | str | Path | None, settings: Settings, *, shadow: bool | None) -> Policy:
    """Return the policy to use. Raises ``PolicyError`` if it cannot be read, ``InputTypeError`` for other types."""
    if shadow is not None:
        require_flags(shadow=shadow)
    policy = _read(given, settings)
    return policy if shadow in (None, policy.shadow) else policy.model_copy(update={"shadow": shadow})


def _read(given: Policy | str | Path | None, settings: Settings) -> Policy:
    if isinstance(given, Policy):
        return given
    if not isinstance(given, str | PathLike | None):
        reject_type("policy", "a Policy, the path of a policy file or the name of a preset", given)
    require(given != "", "policy is an empty text; leave it out for the default policy")
    if given is not None:
        return load_policy(given)
    if settings.policy is None:
        return default_policy()
    try:
        return load_policy(settings.policy)
    except PolicyError as error:
        msg = f"the policy named by the settings (GUARDSDK_POLICY): {error}"
        raise PolicyError(msg) from None


def settings_of(given: object) -> Settings:
    """Return the given settings, by default those of the environment. Raises ``InputTypeError`` for anything else."""
    if given is None:
        return Settings.from_environment()
    if not isinstance(given, Settings):
        reject_type("settings", "guardsdk.settings.Settings", given)
    return given


def stage_of(given: Stage | str) -> Stage:
    """Return the stage of that name. Raises ``InputError`` if there is none."""
    if isinstance(given, Stage):
        return given
    try:
        return Stage(given)
    except ValueError:
        known = [stage.value for stage in Stage]
        hint = meant(given, known) if isinstance(given, str) else ""
        msg = f"there is no such stage; {hint}stages: {', '.join(known)}"
        raise InputError(msg) from None


def require(holds: bool, otherwise: str) -> None:  # noqa: FBT001  the call reads as a sentence
    """Raise ``InputError`` with the message ``otherwise`` unless ``holds``."""
    if not holds:
        raise InputError(otherwise)


def require_options(  # noqa: PLR0917  the options of a guard
    models: str | Path | None,
    cache: int | None,
    cache_ttl_s: float,
    max_chars: int | None,
    threads: int | None,
    providers: str | None,
    max_waiting: int | None,
    deadline_s: float | None,
) -> None:
    """Raise ``InputError`` or ``InputTypeError`` unless a guard's options are valid."""
    require_seconds(deadline_s, "deadline_s")
    if models is not None and not isinstance(models, str | PathLike):
        reject_type("models", "the path of a model's folder", models)
    if cache is None:  # for the other numbers ``None`` means no limit
        msg = "cache must be a whole number, not NoneType; 0 keeps no verdict"
        raise InputTypeError(msg)
    require_whole(cache=cache, max_chars=max_chars, threads=threads, max_waiting=max_waiting)
    if isinstance(cache_ttl_s, bool) or not isinstance(cache_ttl_s, int | float):
        reject_type("cache_ttl_s", "a number of seconds", cache_ttl_s)
    forever = cache_ttl_s > sys.float_info.max and cache_ttl_s != math.inf  # an integer too large for a float
    require(not forever, "cache_ttl_s is more seconds than a clock counts; math.inf keeps verdicts for good")
    require(cache >= 0, "cache must be 0 (off) or more verdicts")
    require(cache_ttl_s > 0, "cache_ttl_s must be more than 0 seconds")
    require(max_chars is None or max_chars >= 1, "max_chars must be at least 1, or None")
    require(max_waiting is None or max_waiting >= 0, "max_waiting must be at least 0, or None")
    require(threads is None or 1 <= threads <= MOST_THREADS, f"threads must be from 1 to {MOST_THREADS}")
    require(providers in (None, "auto", "cpu", "cuda"), 'providers must be "auto", "cpu" or "cuda"')


def parts_of(given: Iterable[T], name: str, *parts: str, methods: Iterable[str]) -> tuple[T, ...]:
    """Return all of ``given``, which is gone through once: of an iterator nothing would be left to use.

    Raises ``InputTypeError`` where it is no list, or that names the place of the first that lacks one of ``parts``, or
    whose ``methods`` give nobody an answer: those of a class, which are its objects', and async ones.
    """
    if not isinstance(given, Iterable):
        msg = f"{name} must be a list of them, not one {type(given).__name__}"
        raise InputTypeError(msg)
    found = tuple(given)
    for place, one in enumerate(found):
        for part in parts:
            if not hasattr(type(one), part) and not hasattr(one, part):  # evaluates no property
                kind = type(one).__name__
                msg = f"{name}[{place}], of type {kind}, has no {part!r}: it needs {', '.join(parts)}"
                raise InputTypeError(msg)
        for method in methods:
            _require_method(one, method, f"{name}[{place}]")
    return found


def list_of(kind: type[T], given: Iterable[T], name: str, due: str) -> list[T]:
    """Return all of ``given``. Raises ``InputTypeError`` unless it is a list of ``kind``, which ``due`` describes.

    A single text is no list of texts: each of its letters would be one.
    """
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        reject_type(name, f"a list, each {due}", given)
    found = list(given)
    for place, one in enumerate(found):
        if not isinstance(one, kind):
            reject_type(f"{name}[{place}]", due, one)
    return found


def screens_of(given: Iterable[Screen]) -> tuple[Screen, ...]:
    """Return the screens given. Raises ``InputTypeError`` that names the place of what is none."""
    return parts_of(given, "screens", "name", "operating_points", "read", methods=("read", "read_within"))


def _require_method(one: object, method: str, where: str) -> None:
    """Raise ``InputTypeError`` unless ``method``, where ``one`` has it, can be called as it stands and answers."""
    if isinstance(one, type) and isinstance(inspect.getattr_static(one, method, None), FunctionType):
        msg = f"{where} is the class {one.__name__}; give an object of it, such as {one.__name__}()"
        raise InputTypeError(msg)
    called = getattr(one, method, None)
    if inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called):
        msg = f"{method} of {where} is async, and nobody awaits it; give one with a plain method"
        raise InputTypeError(msg)


def text_of(given: object, name: str) -> str:
    """Return ``given`` as a plain ``str``. Raises ``InputTypeError`` if it is not a string."""
    if type(given) is str:
        return given
    if not issubclass(type(given), str):  # not isinstance, which trusts what an object claims to be
        reject_type(name, "a string", given)
    return exact(given)  # type: ignore[arg-type]  # just checked


def text_or_none(given: object, name: str) -> str | None:
    """As ``text_of``, but ``None`` is allowed."""
    return None if given is None else text_of(given, name)


def require_flags(**given: object) -> None:
    """Raise ``InputTypeError`` unless every argument is a bool: the string "false" would count as true."""
    for name, one in given.items():
        if not isinstance(one, bool):
            reject_type(name, "True or False", one)


def require_whole(**given: object) -> None:
    """Raise ``InputTypeError`` unless every argument is ``None`` or an integer."""
    for name, one in given.items():
        if one is not None and (isinstance(one, bool) or not hasattr(type(one), "__index__")):
            reject_type(name, "a whole number", one)


def require_seconds(given: object, name: str) -> None:
    """Raise ``InputTypeError`` unless ``given`` is ``None`` or a number, ``InputError`` unless it is above 0.

    Infinity is allowed.
    """
    if given is None:
        return
    if isinstance(given, bool) or not isinstance(given, int | float):
        reject_type(name, "a number of seconds, or None", given)
    require(given > 0, f"{name} must be more than 0 seconds, or None")


def surroundings_of(context: str | None, system: str | None) -> Surroundings:
    """Return the surroundings of one text. Raises ``InputTypeError`` if either is neither a string nor ``None``."""
    if context is None and system is None:
        return NOWHERE
    return Surroundings(text_or_none(context, "context"), text_or_none(system, "system"))


def texts_of(texts: Iterable[str], contexts: Sequence[str | None] | None) -> tuple[list[str], list[str | None]]:
    """Return the texts and one context each. Raises ``InputTypeError`` or ``InputError``, naming the position."""
    if isinstance(texts, str | bytes):
        msg = f"texts must be an iterable of strings, not one {type(texts).__name__}"
        raise InputTypeError(msg)
    if isinstance(texts, Mapping):  # its keys would be checked while its values seem to be
        msg = f"texts must be an iterable of strings, not a {type(texts).__name__}; give its values()"
        raise InputTypeError(msg)
    if not isinstance(texts, Iterable):
        reject_type("texts", "an iterable of strings", texts)
    items = [text_of(text, f"texts[{place}]") for place, text in enumerate(texts)]
    if contexts is None:
        return items, [None] * len(items)
    if isinstance(contexts, str):  # each character would be a context
        msg = "contexts must be a list with one for each text, not one string"
        raise InputTypeError(msg)
    if not isinstance(contexts, Iterable):
        reject_type("contexts", "a list with one for each text", contexts)
    surroundings = [text_or_none(context, f"contexts[{place}]") for place, context in enumerate(contexts)]
    require(len(surroundings) == len(items), f"{len(items)} texts and {len(surroundings)} contexts")
    return items, surroundings


def require_each(count: int, uncovered: Sequence[Sequence[str]], again: Sequence[bool]) -> None:
    """Raise ``InputError`` unless both are empty or have one entry for each of ``count`` texts.

    Raises ``InputTypeError`` if either is not a list, or an entry of ``uncovered`` is not: each letter of a word would
    be a kind.
    """
    for name, given in (("uncovered", uncovered), ("again", again)):
        if isinstance(given, str) or not hasattr(type(given), "__len__"):
            reject_type(name, "a list with one entry for each text", given)
        require(len(given) in (0, count), f"{count} texts and {len(given)} entries of {name}")
    for place, kinds in enumerate(uncovered):
        if isinstance(kinds, str):
            msg = f"uncovered[{place}] must be a list of kinds, such as ['image'], not one string"
            raise InputTypeError(msg)
        if not isinstance(kinds, Iterable):
            reject_type(f"uncovered[{place}]", "a list of kinds, such as ['image']", kinds)

"""The text in plain data: its strings, and its keys where those say something."""

from __future__ import annotations

import json
import re
import sys
from array import array
from collections import UserString
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, ValuesView
from collections.abc import Set as AbstractSet
from dataclasses import is_dataclass
from enum import Enum
from types import SimpleNamespace
from typing import Any, Final

from pydantic_core import ValidationError

from guardsdk.errors import InputTypeError
from guardsdk.extract.named import called, with_name
from guardsdk.extract.shapes import field, fields_of, is_list, role_of

_FIELD_NAME: Final = re.compile(r"[A-Za-z0-9_.$-]{1,24}")
_NUMBER: Final = 9
"""Digits from which a key is an account or card number rather than a field name; a date has eight."""
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_SENTENCE: Final = 4
"""Words from which a field name is read as text, such as ``ignore_all_earlier_orders``."""
_FEWEST: Final = 3
"""Words from which names of fields without text are read together, ``{"ignore": 1, "all": 1, ...}``."""
ONCE: Final = (Iterator, AsyncIterator, Awaitable)
"""Types that can be read only once, by their consumer."""
_CODE: Final = re.compile(r"\s*[!-~]*\s*")
"""A string without white space or non-ASCII letters: an identifier, an address, a digest."""

_KEY: Final = " key"
"""Path element that refers to a key itself."""
_CODES: Final = frozenset(
    {
        _KEY,
        *("blockreason", "donereason", "finishreason", "nativefinishreason", "stopreason", "stopsequence"),
        *("callid", "containerid", "eventid", "fileid", "id", "itemid", "messageid", "previousresponseid", "requestid"),
        *("responseid", "toolcallid", "toolid", "toolname", "tooluseid"),
        *("createdat", "createtime", "phase", "status", "timestamp"),
        *("encryptedcontent", "fingerprint", "obfuscation", "signature", "systemfingerprint", "thoughtsignature"),
        *("model", "modelid", "modelname", "modelprovider", "modelversion", "provider", "servicetier"),
        *("chunkposition", "kind", "name", "object", "role", "type"),
        *("uri", "url"),
    }
)
"""Fields, by name without underscores and in lower case, in which providers put identifiers and the like."""
_PARSED: Final = ("parsed", "parsed_arguments")
"""Fields in which OpenAI's package puts parsed JSON, next to the original."""
_JSON: Final = ("content", "text", "arguments")
"""Fields with the original JSON."""
_Place = tuple[tuple[object, ...], object]
"""A value in data, preceded by its path."""
_METADATA: Final = frozenset(
    {
        "additional_kwargs",  # read where its words are
        "generation_info",
        "llm_output",
        "logprobs",
        *_PARSED,
        "prompt_logprobs",
        "response_metadata",
        "usage",
        "usage_metadata",
    }
)
"""Metadata that libraries add to a message or response."""


class _Pairs(list[tuple[str, object]]):
    """A JSON object as pairs, so that both values of a duplicate key are kept."""


class _Fields(list[tuple[str, object]]):
    """The fields of an object; their names are the host's and not text."""


class _Entry:
    """The plain name of a field, and whether there is text below it."""

    __slots__ = ("above", "name", "speaks")

    def __init__(self, name: str, above: _Entry | None) -> None:
        self.name = name
        self.above = above
        self.speaks = False


def parsed(arguments: str) -> object:
    """Return the data in tool-call arguments, or the arguments unchanged if they are not JSON."""
    try:
        return json.loads(arguments, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return arguments  # a chunk, or not JSON at all: still text


def spoken(arguments: str) -> str:
    """Return the text in tool-call arguments, one string per line."""
    return "\n".join(leaves(parsed(arguments)))


def leaves(value: object, aside: Callable[[object], bool] | None = None) -> list[str]:
    """Return the strings inside plain data, in order; the ``str`` of objects, and nothing for numbers and null.

    For arrays, tables, models, dataclasses and members of an enumeration, their content is read. Raises
    ``InputTypeError`` for an iterator. ``aside`` is called with anything that is neither a string nor a number; it may
    raise, and returns whether the value is read elsewhere.

    A key is read if it is longer than field names are, has anything but plain letters, digits and ``_.$-``, has nine
    digits or more, or consists of four words or more. Keys without any text below them are read together, as a last
    line, if they have three words or more, as they are then the content. Field names of a model or dataclass are not
    read, as they are the host's.

    A value whose field name identifies it as a password, a key or somebody's number is repeated after that name, in a
    line at the end, as it would not be recognised by itself.
    """
    found: list[str] = []
    named: dict[str | None, None] = {}
    entries: list[_Entry] = []
    stack: list[tuple[object, str | None, _Entry | None, object]] = [(value, None, None, None)]
    seen: dict[int, object] = {}  # kept alive: an id may be reused once its object is gone
    while stack:
        item, name, entry, title = stack.pop()
        if name is not None:
            entry = _Entry(name, entry)
            entries.append(entry)
        if isinstance(item, str):
            found.append(item)
            named[with_name(title, item)] = None
            _speak(entry if item else None)
        elif item is None or isinstance(item, int | float):
            continue
        elif id(item) in seen:  # data may contain itself
            _speak(entry)
        elif aside is not None and aside(item):
            seen[id(item)] = item
            _speak(entry)
        elif isinstance(item, Mapping | list | tuple) or (_is_many(item) and not is_record(item)):
            seen[id(item)] = item
            stack.extend(reversed([(one, name, entry, called(own, title)) for one, name, own in _inside(item)]))
        elif isinstance(text := getattr(item, "page_content", None), str):
            found.append(text)
            _speak(entry)
            stack.append((field(item, "metadata"), None, None, None))  # shown to the model with the page
        else:
            seen[id(item)] = item
            inside, told = _told(item)
            stack.append((inside, None, entry, title))
            if told:
                found.append(str(item))
                _speak(entry)
    names = [word for entry in entries if not entry.speaks for word in _WORD.findall(entry.name)]
    return [*found, *([" ".join(names)] if len(names) >= _FEWEST else ()), *filter(None, named)]


def _told(item: object) -> tuple[object, bool]:
    """Return the data that an object holds, and whether its ``str`` has something that is not in there.

    The ``str`` of a long array or table omits its middle, and that of some objects what it was told to. Raises
    ``InputTypeError`` for what can be read only once.
    """
    if isinstance(item, Enum):
        return item.value, True  # its name is shown, and its value next to it wherever data is printed
    if isinstance(item, memoryview):
        return str(item.tobytes()), False
    if isinstance(item, ONCE):
        kind = f"{type(item).__module__}.{type(item).__qualname__}"
        msg = f"{kind} can be read only once, by the one it is for; give the list of what it yields"
        raise InputTypeError(msg)
    if isinstance(item, BaseException):
        return _of_error(item), str(item) not in item.args
    if is_record(item):  # by its fields, as its own representation may omit some
        written = type(item).__str__
        extra = getattr(item, "__pydantic_extra__", None) or {}
        declared = [(name, value) for name, value in fields_of(item).items() if name not in extra]
        declared += [(name, getattr(item, name)) for name in getattr(type(item), "__pydantic_computed_fields__", ())]
        inside = _Fields([*declared, ("", extra)])
        return inside, written is not object.__str__ and not written.__module__.startswith("pydantic")
    for name in ("tolist", "to_dict"):
        if callable(getattr(type(item), name, None)):
            return getattr(item, name)(), False
    return None, True


def _of_error(item: BaseException) -> list[object]:
    """Return the text and data in an error that its ``str`` does not show, and the errors that caused it.

    Other objects it carries, such as the request and response of a client, are not shown to anybody.
    """
    carried = (*item.args, *getattr(item, "__dict__", {}).values())
    wrong = item.errors(include_url=False) if isinstance(item, ValidationError) else None  # ``str`` cuts its inputs
    own = [one for one in carried if isinstance(one, str | Mapping | list | tuple)]
    return [*own, wrong, item.__cause__, item.__context__]


def is_record(item: object) -> bool:
    """Whether ``item`` is a data container: a pydantic model or a dataclass."""
    return hasattr(type(item), "__pydantic_fields__") or (is_dataclass(item) and not isinstance(item, type))


def _speak(entry: _Entry | None) -> None:
    while entry is not None and not entry.speaks:
        entry.speaks = True
        entry = entry.above


def _inside(data: Any) -> Iterator[tuple[object, str | None, object]]:  # noqa: ANN401  a mapping or a collection
    """Yield the values inside, each with its plain field name, and the name that identifies it.

    A key that is more than a name is yielded first.
    """
    if isinstance(data, _Fields):
        yield from ((item, None, name) for name, item in data)
        return
    if not isinstance(data, Mapping | _Pairs):
        yield from ((item, None, None) for item in data)
        return
    for key, item in data if isinstance(data, _Pairs) else data.items():
        plain = isinstance(key, str) and names_field(key)
        if not plain and key is not None and not isinstance(key, int | float):
            yield key, None, None  # a text, or a tuple or the like that contains some
        elif plain and len(words := _WORD.findall(key)) >= _SENTENCE:
            yield " ".join(words), None, None
        else:
            yield item, key if plain else None, key
            continue
        yield item, None, key


def names_field(key: str) -> bool:
    """Whether ``key`` looks like a field name: short, plain, and not a long number."""
    return _FIELD_NAME.fullmatch(key) is not None and sum(map(str.isdigit, key)) < _NUMBER


def is_code(text: str) -> bool:
    """Whether ``text`` is an identifier, an address or a digest rather than text."""
    return _CODE.fullmatch(text) is not None


def beside(value: object, *read: str) -> str:
    """Return the text in the fields of a message or response other than those ``read``, one per line.

    A structure of the host's may look like a known one and say more: a quiz has ``choices``, and a ``question``.
    Identifiers, addresses and known library metadata are left out.
    """
    return "\n".join(text for _, text in strings_beside(value, *read) if not is_code(text))


def strings_beside(value: object, *read: str) -> Iterator[tuple[tuple[object, ...], str]]:
    """Yield the strings that ``beside`` considers, in order, each with its path.

    Strings that look like identifiers are included unless they are keys or in a known identifier field: in a stream,
    they may be single words of a text.
    """
    return _strings(_inside_of(value, (), *read))


def parsed_beside(value: object, source: object) -> str:
    """Return the text of JSON-parsed fields of ``value`` that is not all in ``source``."""
    said = [text for name in _PARSED for where, text in _strings([((), field(value, name))]) if where[-1:] != (_KEY,)]
    written = [field(source, name) for name in _JSON] if said else []
    known = {text for one in written if isinstance(one, str) for _, text in _strings([((), parsed(one))])}
    return "" if known.issuperset(said) else "\n".join(said)


def _strings(items: list[_Place]) -> Iterator[tuple[tuple[object, ...], str]]:
    """Yield the strings in data and data containers, in order, with the path of each."""
    stack = items[::-1]
    seen: dict[int, object] = {}
    while stack:
        where, item = stack.pop()
        if isinstance(item, str):
            if not (is_code(item) and _names_code(where)):
                yield where, item
            continue
        if item is None or isinstance(item, int | float | bytes):
            continue
        if isinstance(item, UserString | Enum | BaseException):
            stack += [(where, text) for text in reversed(leaves(item))]
            continue
        named = isinstance(item, Mapping) or is_record(item) or (not _is_many(item) and _is_thing(item))
        if id(item) not in seen and (named or _is_many(item)):
            seen[id(item)] = item
            held: Any = item
            inside = _inside_of(item, where) if named else [((*where, at), one) for at, one in enumerate(held)]
            stack += reversed(inside)


def _is_many(item: object) -> bool:
    """Whether ``item`` is a collection of things, rather than of characters, bytes or plain numbers."""
    return isinstance(item, AbstractSet | ValuesView) or (is_list(item) and not isinstance(item, range | array))


def _is_thing(item: object) -> bool:
    """Whether ``item`` is an object with fields, such as one of the host's, rather than a function, class or module."""
    if isinstance(item, SimpleNamespace):
        return True
    if type(item).__module__.partition(".")[0] in sys.stdlib_module_names or callable(item) or is_list(item):
        return False
    return hasattr(item, "__dict__") or hasattr(type(item), "__slots__")


def _inside_of(holder: object, where: tuple[object, ...], *read: str) -> list[_Place]:
    """Return names and values of the fields of ``holder``, except those ``read`` and those without text."""
    own = not (isinstance(holder, Mapping) or is_record(holder))
    found: list[_Place] = []
    for name, item in fields_of(holder).items():
        if not (name in read or _is_metadata(name, item, holder) or (own and str(name).startswith("_"))):
            found += [((*where, name, _KEY), name), ((*where, name), item)]
    return found


def _is_metadata(name: object, item: object, holder: object) -> bool:
    """Whether a field is library metadata; for a string, only parsed values are."""
    if name == "artifact":  # of a LangChain tool message: hidden from the model
        return role_of(holder) == "tool"
    return name in _METADATA and (not isinstance(item, str) or name in _PARSED)


def _names_code(where: tuple[object, ...]) -> bool:
    """Whether a string without white space is an identifier, according to its path ``where``."""
    name = next((one for one in reversed(where) if isinstance(one, str)), "")
    return name.replace("_", "").lower() in _CODES

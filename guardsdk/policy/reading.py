"""Turns TOML into the shape that is validated, and validation errors into messages that say what to change."""

from __future__ import annotations

import difflib
import tomllib
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from guardsdk.errors import PolicyError
from guardsdk.frozen import A_NUMBER
from guardsdk.policy.lines import key_lines

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pydantic_core import ErrorDetails, ValidationError

    from guardsdk.policy.inheriting import Written
    from guardsdk.policy.origin import Place


_UNIONS, _FORMS = ("on_error", "action"), ("word", "table")
"""Keys whose value is a word or a table, and pydantic's names for the two forms, which no file contains."""
_TABLES = ("examples", "action", "revise", "review", "decision_log", "recalibrate", "monitor", "actors", "enforcement")
"""Keys that hold tables: four of a principle, three of the policy, and the last two of its monitor."""


A_THRESHOLD: Final = 'must be a number from 0 to 1, "default", or a false-positive rate such as "fpr:0.001"'
_A_TABLE: Final = "must be a table, such as { key = value }"
_IN_TOML: Final = {
    "tuple_type": "must be a list, such as [ ... ]",
    "string_type": "must be a text in quotes",
    "bool_type": "must be true or false, without quotes",
    "int_type": A_NUMBER,
    "int_parsing": A_NUMBER,
    "float_type": A_NUMBER,
    "float_parsing": A_NUMBER,
    "dict_type": _A_TABLE,
    "model_type": _A_TABLE,
    "string_too_short": "must not be empty",
}
"""Validation errors in the terms of TOML rather than Python."""


def meant(word: str, known: Collection[str]) -> str:
    """Return a question suggesting the intended name for ``word``, after a space; empty if nothing is close."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}? " if close else ""


def nearest(word: str, known: Collection[str]) -> str:
    """Return the end of a message that lists the valid names, first the one ``word`` probably meant."""
    return f"{meant(word, known)}known: {', '.join(known)}"


def read_toml(text: str, source: str) -> dict[str, Any]:
    """Return the content of ``text``, with the array ``[[principle]]`` renamed to the model's ``principles``.

    Raises ``PolicyError`` with line and column if the text is not valid TOML.
    """
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also integers of thousands of digits, or tables nested as deep
        hint = "" if "=" in text or "\n" in text else "; the file of that name is read by Policy.from_file"
        msg = f"{source}: not valid TOML: {error}{hint}"
        raise PolicyError(msg) from None
    if "principles" in content:
        line = key_lines(text)[("principles",)]
        msg = f"{source}:{line}: unknown key 'principles'; did you mean 'principle' (a table written [[principle]])?"
        raise PolicyError(msg)
    if "principle" in content:
        content["principles"] = content.pop("principle")
    return content


def explain(error: ValidationError, source: str, written: Written, keys: Mapping[str, Collection[str]]) -> str:
    """Return one line per problem: file, line, key and reason; ``keys`` are the valid keys per kind of table.

    Values are left out: a policy's examples are texts, and an exception quotes none.
    """
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    around = {problem["loc"][:length] for problem in problems for length in range(len(problem["loc"]))}
    sentences = (
        _sentence(problem, source, written, keys)
        for problem in problems
        # Invalid items count as missing, so a list may also be reported as empty, which helps nobody.
        if not (problem["type"] == "too_short" and problem["loc"] in around)
    )
    return "\n".join(dict.fromkeys(sentences))  # the alternatives of a value all give the same message


def _sentence(problem: ErrorDetails, source: str, written: Written, keys: Mapping[str, Collection[str]]) -> str:
    path, table = _path(problem["loc"], written.content)
    where = f"{_place(problem['loc'], written) or source}: "
    if problem["type"] == "extra_forbidden":
        word = str(problem["loc"][-1])
        if table and word in keys[""] and word not in keys[table]:
            return f"{where}unknown key {path}: {word} is a key of the file, and stands above the first table"
        return f"{where}unknown key {path}; {nearest(word, keys[table])}"
    if problem["type"] == "missing":
        return f"{where}key {path} is missing"
    return f"{where}{path}: {reason_of(problem)}" if path else where + reason_of(problem)


def reason_of(problem: ErrorDetails) -> str:
    """Return what is wrong with a value, in words."""
    if problem["type"] == "string_pattern_mismatch" and problem["loc"][-1] == "id":
        return "must be lower-case letters, digits and hyphens, such as no-legal-advice"
    if problem["type"] == "tuple_type" and problem["loc"] == ("principles",):
        return "is one table; write [[principle]], once for each of them"
    if "threshold" in problem["loc"] and problem["type"] in ("float_type", "string_type"):
        return A_THRESHOLD
    if problem["type"] == "too_short":
        return (
            "must not be empty" if "at least 1 " in problem["msg"] else problem["msg"].replace("Tuple should", "must")
        )
    said = problem["msg"].removeprefix("Value error, ").replace("Input should be", "must be", 1)
    if problem["type"] == "enum" and "action" in problem["loc"]:
        return said.replace("'allow', ", "")  # a word of verdicts that a principle cannot use
    return _IN_TOML.get(problem["type"], said)


def _place(location: tuple[int | str, ...], written: Written) -> Place | None:
    """Return the place of the key, or of the nearest enclosing table that has one."""
    steps = _steps(location)
    for length in range(len(steps), -1, -1):
        if (place := written.places.get(tuple(steps[:length]))) is not None:
            return place
    return None


def _steps(location: tuple[int | str, ...]) -> list[int | str]:
    """Return the path of a key without pydantic's names for the alternatives of a value."""
    return [step for before, step in pairwise(("", *location)) if not (before in _UNIONS and step in _FORMS)]


def _path(location: tuple[int | str, ...], content: Mapping[str, Any]) -> tuple[str, str]:
    """Return the key as it is written, and the kind of table it is in: "", principle, on_error, ..."""
    path, table = "", ""
    steps = _steps(location)
    if steps[:1] == ["principles"]:
        path = "principle"
        if len(steps) > 1:
            path += f"[{steps[1]}]" + _id_of(content, steps[1])
            table = "principle"
        steps = steps[2:]
    elif steps[:1] == ["on_error"]:
        path = "on_error"
        steps = steps[1:]
        table = "on_error" if steps else ""
    if steps[:1] == ["threshold"]:
        steps = steps[:1]  # the rest are members of a union, which mean nothing to the reader
    for number, step in enumerate(steps):
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
        if step in _TABLES and number + 1 < len(steps):
            table = str(step)
    return path, table


def _id_of(content: Mapping[str, Any], index: int | str) -> str:
    try:
        identifier = content["principles"][index]["id"]
    except (KeyError, IndexError, TypeError):
        return ""
    return f"({identifier})" if isinstance(identifier, str) else ""

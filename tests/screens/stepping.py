"""What counts the work of an expression or of Python, so that a test can speak of it and not of seconds.

The matcher backtracks: it walks the tree that ``re`` itself parses and tries alternatives in the order ``re`` does. The
body of a repeat is taken as its first alternative leaves it: enough for patterns whose repeats do not nest, which is
tested beside.
"""

from __future__ import annotations

import gc
import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from _typeshed import TraceFunction

    Rest = Callable[[int], int | None]
    Step = Callable[[int, Rest], int | None]

parser: Any = re._parser  # type: ignore[attr-defined]  # the tree has no public name


class Stepper:
    """One pattern; ``steps`` grows by one for every node of its tree that is tried at some place."""

    def __init__(self, source: str) -> None:
        self.steps = 0
        self._text = ""
        self._groups: dict[int, tuple[int, int]] = {}
        self._match = self._sequence(list(parser.parse(source)), ignore=False)

    def work(self, text: str) -> int:
        """Steps of trying every place of ``text``: an upper bound for any search that goes on behind its matches."""
        self.steps = 0
        self._text = text
        for start in range(len(text) + 1):
            self._groups.clear()
            self._match(start, lambda end: end)
        return self.steps

    def spans(self, text: str) -> list[tuple[int, int]]:
        """The matches, one behind the other."""
        self._text = text
        found, start = [], 0
        while start <= len(text):
            self._groups.clear()
            end = self._match(start, lambda end: end)
            if end is not None:
                found.append((start, end))
            start = start + 1 if end is None or end == start else end
        return found

    def _sequence(self, nodes: list[Any], *, ignore: bool) -> Step:
        steps = [self._node(op, value, ignore=ignore) for op, value in nodes]

        def run(at: int, rest: Rest, first: int = 0) -> int | None:
            if first == len(steps):
                return rest(at)
            self.steps += 1
            return steps[first](at, lambda end: run(end, rest, first + 1))

        return run

    def _node(self, op: Any, value: Any, *, ignore: bool) -> Step:  # noqa: PLR0911  a tree without types
        name = str(op)
        if name in ("LITERAL", "NOT_LITERAL", "IN", "ANY"):
            fits = _one(name, value, ignore=ignore)
            return lambda at, rest: rest(at + 1) if at < len(self._text) and fits(self._text[at]) else None
        if name == "SUBPATTERN":
            number, add, _, body = value
            inner = self._sequence(list(body), ignore=ignore or bool(add & re.IGNORECASE))
            return lambda at, rest: inner(at, lambda end: self._keep(number, at, end, rest))
        if name == "BRANCH":
            branches = [self._sequence(list(branch), ignore=ignore) for branch in value[1]]
            return lambda at, rest: next((end for one in branches if (end := one(at, rest)) is not None), None)
        if name == "ATOMIC_GROUP":
            inner = self._sequence(list(value), ignore=ignore)
            return lambda at, rest: None if (end := inner(at, lambda end: end)) is None else rest(end)
        if name in ("ASSERT", "ASSERT_NOT"):
            direction, body = value
            width = body.getwidth()[0] if direction < 0 else 0
            inner = self._sequence(list(body), ignore=ignore)
            wanted = name == "ASSERT"

            def look(at: int, rest: Rest) -> int | None:
                seen = at >= width and inner(at - width, lambda end: end) is not None
                return rest(at) if seen is wanted else None

            return look
        if name == "GROUPREF":
            return self._again(value)
        if name.endswith("REPEAT"):
            return self._repeat(name, *value, ignore=ignore)
        raise NotImplementedError(name)

    def _keep(self, number: int | None, start: int, end: int, rest: Rest) -> int | None:
        if number is not None:
            self._groups[number] = (start, end)
        return rest(end)

    def _again(self, number: int) -> Step:
        def run(at: int, rest: Rest) -> int | None:
            start, end = self._groups[number]
            said = self._text[start:end]
            return rest(at + len(said)) if self._text.startswith(said, at) else None

        return run

    def _repeat(self, name: str, least: int, most: Any, body: Any, *, ignore: bool) -> Step:
        inner = self._sequence(list(body), ignore=ignore)
        lazy, possessive = name.startswith("MIN"), name.startswith("POSSESSIVE")

        def run(at: int, rest: Rest) -> int | None:
            ends = [at]
            if lazy:
                while True:
                    if len(ends) > least and (end := rest(ends[-1])) is not None:
                        return end
                    if len(ends) > most or (more := inner(ends[-1], lambda end: end)) is None:
                        return None
                    ends.append(more)
            while len(ends) <= most and (more := inner(ends[-1], lambda end: end)) is not None:
                ends.append(more)
            for count in range(len(ends) - 1, least - 1, -1):
                self.steps += 1
                if (end := rest(ends[count])) is not None:
                    return end
                if possessive:
                    return None
            return None

        return run


def _one(name: str, value: Any, *, ignore: bool) -> Callable[[str], bool]:
    """Whether one character fits; sets are asked of ``re`` itself, character by character."""
    if name == "ANY":
        return lambda char: char != "\n"
    flags = re.IGNORECASE if ignore else re.NOFLAG
    if name == "IN":
        source = f"[{''.join(_part(*item) for item in value)}]"
    else:
        source = f"[{'^' if name == 'NOT_LITERAL' else ''}{re.escape(chr(value))}]"
    compiled = re.compile(source, flags)
    known: dict[str, bool] = {}

    def fits(char: str) -> bool:
        if char not in known:
            known[char] = compiled.match(char) is not None
        return known[char]

    return fits


def _part(op: Any, value: Any) -> str:
    name = str(op)
    if name == "NEGATE":
        return "^"
    if name == "LITERAL":
        return re.escape(chr(value))
    if name == "RANGE":
        return f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
    kinds = {"SPACE": r"\s", "NOT_SPACE": r"\S", "DIGIT": r"\d", "WORD": r"\w", "NOT_WORD": r"\W"}
    return kinds[str(value).removeprefix("CATEGORY_")]


def calls(work: Callable[[], object]) -> int:
    """Count the lines and calls of Python that ``work`` runs: the same on every machine, unlike its time."""
    count = 0

    def tracer(_: FrameType, __: str, ___: object) -> TraceFunction:
        nonlocal count
        count += 1
        return tracer

    before, collects = sys.gettrace(), gc.isenabled()
    gc.disable()  # it may run what other tests left to be cleaned up
    sys.settrace(tracer)
    try:
        work()
    finally:
        sys.settrace(before)
        if collects:
            gc.enable()
    return count

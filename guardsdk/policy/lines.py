"""Finds the line of each key in a TOML text, which the standard library's parser does not report."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from typing import Final

KeyPath = tuple[str | int, ...]
"""Keys and, inside arrays, indices from 0: ``("principle", 0, "label")``."""

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING: Final = re.compile(
    r'"""(?:\\.|[^\\])*?""""{0,2}' + r"|'''.*?''''{0,2}" + r'|"(?:\\.|[^"\\\n])*"' + r"|'[^'\n]*'", re.DOTALL
)
_SCALAR: Final = re.compile(r"[^,\]}#\n]*")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_DOT: Final = re.compile(r"[ \t]*\.[ \t]*")


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line, from 1, of every key, table and array element of ``text``.

    ``text`` must be valid TOML. Nothing is checked here, and for anything else lines may be missing or wrong.
    """
    return _Scan(text).lines


class _Scan:
    """One pass over the text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._elements: dict[KeyPath, int] = {}
        """The number of tables in each array of tables so far."""
        self.lines: dict[KeyPath, int] = {}
        table: KeyPath = ()
        while self._skip() < len(text):
            before = self._at
            if text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            if self._at == before:  # not TOML: better no lines than an endless loop
                return

    def _skip(self) -> int:
        match = _BLANK.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._at

    def _note(self, path: KeyPath, place: int) -> None:
        self.lines.setdefault(path, bisect_right(self._starts, place))

    def _header(self) -> KeyPath:
        place = self._at
        many = self._text.startswith("[[", place)
        self._at += 2 if many else 1
        keys = self._keys()
        path: KeyPath = ()
        for key in keys[:-1]:
            path = (*path, key)
            if path in self._elements:
                path = (*path, self._elements[path] - 1)
            self._note(path, place)
        path = (*path, *keys[-1:])
        self._note(path, place)
        if many:
            number = self._elements.get(path, 0)
            self._elements[path] = number + 1
            path = (*path, number)
            self._note(path, place)
        self._skip()
        self._at += 2 if many else 1
        return path

    def _keys(self) -> list[str]:
        """Read a key, dotted or not."""
        keys: list[str] = []
        while True:
            self._skip()
            quoted = _STRING.match(self._text, self._at)
            bare = None if quoted else _BARE.match(self._text, self._at)
            match = quoted or bare
            if match is None:
                return keys
            keys.append(str(tomllib.loads(f"x = {match.group()}")["x"]) if quoted else match.group())
            self._at = match.end()
            dot = _DOT.match(self._text, self._at)
            if dot is None:
                return keys
            self._at = dot.end()

    def _pair(self, table: KeyPath) -> None:
        place, path = self._at, table
        for key in self._keys():
            path = (*path, key)
            self._note(path, place)
        self._skip()
        if self._text.startswith("=", self._at):
            self._at += 1
            self._value(path)

    def _value(self, path: KeyPath) -> None:
        self._skip()
        self._note(path, self._at)
        opening = self._text[self._at : self._at + 1]
        if opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline(path)
        else:
            match = _STRING.match(self._text, self._at) or _SCALAR.match(self._text, self._at)
            self._at = match.end() if match else self._at

    def _array(self, path: KeyPath) -> None:
        self._at += 1
        number = 0
        while self._skip() < len(self._text) and self._text[self._at] != "]":
            if self._text[self._at] == ",":
                self._at += 1
                continue
            before = self._at
            self._value((*path, number))
            number += 1
            if self._at == before:
                return
        self._at += 1

    def _inline(self, path: KeyPath) -> None:
        self._at += 1
        while self._skip() < len(self._text) and self._text[self._at] != "}":
            before = self._at
            if self._text[self._at] == ",":
                self._at += 1
            else:
                self._pair(path)
            if self._at == before:
                return
        self._at += 1

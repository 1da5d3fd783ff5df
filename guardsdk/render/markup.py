"""HTML and SVG from untrusted text: whatever is not markup already is escaped."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that an XML document must not contain (XML 1.0, section 2.2)."""
_REPLACEMENT: Final = "\ufffd"
_UNSEEN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Cn"})
"""Unicode categories of characters that are invisible or change the direction of the text around them."""
_SPACES: Final = frozenset("\t\n")


class Markup(str):
    """Text that is already HTML or SVG. Only the functions of this package create it, never from outside markup."""

    __slots__ = ()


def escaped(text: str) -> Markup:
    """Return ``text`` as markup that displays it; characters forbidden in XML become the replacement character."""
    if isinstance(text, Markup):
        return text
    return Markup(html.escape(_FORBIDDEN.sub(_REPLACEMENT, text), quote=True))


def visible(text: str) -> str:
    """Return ``text`` with invisible and direction-changing characters written as ``<U+202E>``.

    For third-party text: a report on hidden text must not hide it.
    """
    return "".join(
        f"<U+{ord(char):04X}>" if char not in _SPACES and unicodedata.category(char) in _UNSEEN else char
        for char in text
    )


def element(name: str, *children: str, attributes: Mapping[str, str | float | None] | None = None) -> Markup:
    """Return one element; its children are escaped unless they are markup.

    Args:
        name: Name of the element, such as ``p`` or ``svg``.
        children: Its content.
        attributes: Their values, without those that are ``None``. Numbers are written with at most one decimal.
    """
    written = "".join(f' {key}="{_value(value)}"' for key, value in (attributes or {}).items() if value is not None)
    inside = "".join(map(escaped, children))
    return Markup(f"<{name}{written}>{inside}</{name}>")


def joined(*parts: str) -> Markup:
    """Return the concatenated ``parts``, escaped unless they are markup."""
    return Markup("".join(map(escaped, parts)))


def _value(value: str | float) -> str:
    return escaped(value) if isinstance(value, str) else short(value)


def short(number: float) -> str:
    """Return ``number`` with at most one decimal, as in coordinates."""
    rounded = f"{number:.1f}".removesuffix(".0")
    return "0" if rounded == "-0" else rounded

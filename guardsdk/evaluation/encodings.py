"""Encodings for the suite's ``encoding`` slice; each function returns a request in another encoding."""

from __future__ import annotations

import base64
import codecs
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_CODES: Final = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.."
)
_MORSE: Final = dict(zip(_LETTERS, _CODES.split(), strict=True))
_VOWELS: Final = "aeiou"


def morse(text: str) -> str:
    """Return the letters of ``text`` in Morse code, with a slash between words."""
    words = ("".join(letter for letter in word.lower() if letter in _MORSE) for word in text.split())
    return " / ".join(" ".join(_MORSE[letter] for letter in word) for word in words if word)


def mirrored(text: str) -> str:
    """Return ``text`` with a for z, b for y and so on (atbash)."""
    backwards = _LETTERS[::-1]
    return text.translate(str.maketrans(_LETTERS + _LETTERS.upper(), backwards + backwards.upper()))


def shifted(text: str, by: int) -> str:
    """Return ``text`` with every letter shifted ``by`` places in the alphabet (Caesar cipher)."""
    turned = _LETTERS[by:] + _LETTERS[:by]
    return text.translate(str.maketrans(_LETTERS + _LETTERS.upper(), turned + turned.upper()))


def _pig_latin(text: str) -> str:
    return " ".join(_pig(word) for word in text.split())


def _pig(word: str) -> str:
    head = next((at for at, letter in enumerate(word) if letter.lower() in _VOWELS), 0)
    return word[head:] + word[:head] + ("ay" if head else "way")


def _fullwidth(text: str) -> str:
    return "".join(chr(ord(one) + 0xFEE0) if "!" <= one <= "~" else "\u3000" if one == " " else one for one in text)


ENCODINGS: Final[dict[str, Callable[[str], str]]] = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(" "),
    "binary": lambda text: " ".join(f"{byte:08b}" for byte in text.encode()),
    "url escapes": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "caesar by three": lambda text: shifted(text, 3),
    "atbash": mirrored,
    "morse": morse,
    "leetspeak": lambda text: text.translate(str.maketrans("aeiostAEIOST", "431057431057")),
    "reversed": lambda text: text[::-1],
    "words reversed": lambda text: " ".join(reversed(text.split())),
    "spaced out": lambda text: "   ".join(" ".join(word) for word in text.split()),
    "pig latin": _pig_latin,
    "full width": _fullwidth,
}

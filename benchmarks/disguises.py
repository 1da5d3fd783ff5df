"""Ways to disguise a text, written for measurements only: each function is named after its method."""

from __future__ import annotations

import base64
import codecs
import json
import urllib.parse
from typing import TYPE_CHECKING, Final

from guardsdk.evaluation.encodings import mirrored, morse, shifted

if TYPE_CHECKING:
    from collections.abc import Callable

_LEET: Final = str.maketrans("aeiost", "431057")
_ALIKE: Final = str.maketrans("aceopxyisjhkdg", "асеорхуіѕјһкԁɡ")
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"


def _selectors(text: str) -> str:
    """Return ``text`` as variation selectors, 16 of which are in one block of Unicode and the others in another."""
    return "".join(chr(0xFE00 + byte) if byte < 16 else chr(0xE0100 + byte - 16) for byte in text.encode())


def _zero_width(text: str) -> str:
    return "".join("\u200b\u200c"[int(bit)] for byte in text.encode() for bit in f"{byte:08b}")


def _quoted(text: str) -> str:
    return "".join(f"={byte:02X}" for byte in text.encode())


def _styled(text: str) -> str:
    return "".join(chr(0x1D41A + _LETTERS.index(one)) if one in _LETTERS else one for one in text)


def base64_of(text: str) -> str:
    """Return ``text`` as base64."""
    return base64.b64encode(text.encode()).decode()


DISGUISES: Final[dict[str, Callable[[str], str]]] = {
    "base64": base64_of,
    "base64, UTF-16": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
    "base64, URL-safe": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal, spaced": lambda text: text.encode().hex(" "),
    "bits": lambda text: " ".join(f"{byte:08b}" for byte in text.encode()),
    "decimal codes": lambda text: " ".join(str(byte) for byte in text.encode()),
    "URL escapes": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "URL quoting": urllib.parse.quote,
    "HTML entities": lambda text: "".join(f"&#{ord(one)};" for one in text),
    "backslash x": lambda text: "".join(f"\\x{byte:02x}" for byte in text.encode()),
    "backslash u": lambda text: "".join(f"\\u{ord(one):04x}" for one in text),
    "code points": lambda text: " ".join(f"U+{ord(one):04X}" for one in text),
    "quoted-printable": _quoted,
    "Morse code": morse,
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "alphabet shifted by 7": lambda text: shifted(text, 7),
    "alphabet mirrored": mirrored,
    "reversed": lambda text: text[::-1],
    "words reversed": lambda text: " ".join(word[::-1] for word in text.split(" ")),
    "letters spaced": " ".join,
    "letters dotted": ".".join,
    "leet": lambda text: text.lower().translate(_LEET),
    "look-alike letters": lambda text: text.translate(_ALIKE),
    "full-width letters": lambda text: "".join(chr(ord(one) + 0xFEE0) if "!" <= one <= "~" else one for one in text),
    "mathematical letters": _styled,
    "zero-width between": "\u200b".join,
    "combining marks": lambda text: "".join(one + "\u0337\u0322" for one in text),
    "writing direction": lambda text: f"See this: \u202e{text[::-1]}\u202c",
    "tag characters": lambda text: "Hello!" + "".join(chr(0xE0000 + ord(one)) for one in text if one.isascii()),
    "variation selectors": lambda text: "Hello! \U0001f60a" + _selectors(text),
    "zero-width bits": lambda text: "Hello!" + _zero_width(text),
    "cells": lambda text: "<tr>" + "".join(f"<td>{word}</td>" for word in text.split()) + "</tr>",
    "every other word in tags": lambda text: " ".join(
        f"<b>{word}</b>" if at % 2 else word for at, word in enumerate(text.split())
    ),
    "values of JSON": lambda text: json.dumps({f"w{at}": word for at, word in enumerate(text.split())}),
    "strings of code": lambda text: "\n".join(f'w{at} = "{word}"' for at, word in enumerate(text.split())),
    "links": lambda text: " ".join(f"[{word}](https://site.example/{at})" for at, word in enumerate(text.split())),
    "symbols between words": lambda text: " -> ".join(text.split()),
    "numbers between words": lambda text: " ".join(f"({at}) {word}" for at, word in enumerate(text.split(), 1)),
    "subtitles": lambda text: "\n\n".join(
        f"{at}\n00:00:{at:02},000 --> 00:00:{at + 1:02},000\n{word}" for at, word in enumerate(text.split(), 1)
    ),
    "chat, a word a line": lambda text: "\n".join(f"[10:{at:02}] Bob: {word}" for at, word in enumerate(text.split())),
    "records, a word each": lambda text: "\n".join(
        f"ORD-{4821 + 17 * at} {word} 0{at}55.20" for at, word in enumerate(text.split())
    ),
    "CamelCase": lambda text: "".join(word.strip(".,:;'").capitalize() for word in text.split()),
    "strings put together": lambda text: (
        "s = ''\n" + "\n".join(f"s += '{text[at : at + 3]}'" for at in range(0, len(text), 3))
    ),
    "octal codes": lambda text: " ".join(f"{byte:03o}" for byte in text.encode()),
    "base64 twice": lambda text: base64_of(base64_of(text)),
    "base64 of rot13": lambda text: base64_of(codecs.encode(text, "rot13")),
    "base64 of hexadecimal": lambda text: base64_of(text.encode().hex()),
    "URL escapes of base64": lambda text: urllib.parse.quote(base64_of(text), safe=""),
    "rot13 of base64": lambda text: codecs.encode(base64_of(text), "rot13"),
    "base64 backwards": lambda text: base64_of(text)[::-1],
}
"""Name to encoder; the last ones nest two of them."""
HIDDEN: Final = frozenset(
    {"writing direction", "tag characters", "variation selectors", "zero-width bits", "zero-width between"}
)
"""Those that hide the text from a reader: harmless or not, they have a principle of their own."""

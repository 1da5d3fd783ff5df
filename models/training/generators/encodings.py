"""Encoded text: attacks that ask to decode and obey, and ordinary questions about encoded or random strings."""

from __future__ import annotations

import base64
import codecs
import functools
import urllib.parse
import uuid
from typing import TYPE_CHECKING

from models.training.banks import bank
from models.training.generators.input_surface import distinct, dress, fill, weighted
from models.training.rows import Row

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence

_LEET = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7", "b": "8", "g": "9", "l": "1"}
_HOMOGLYPHS = dict(zip("aceopxyisjhkdgABCEHIKMOPTX", "асеорхуіѕјһкԁɡАВСЕНІКМОРТХ", strict=True))
_CODES = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. "
    "... - ..- ...- .-- -..- -.-- --.. ----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----."
)
_MORSE = dict(zip("abcdefghijklmnopqrstuvwxyz0123456789", _CODES.split(), strict=True))
_ZERO_WIDTH = ("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff")
_ASCII_END = 0x7F
_FULL_WIDTH = 0xFEE0
_TAGS = 0xE0000


def _hex(rng: random.Random, text: str) -> str:
    """Encode as hexadecimal bytes, with or without separators between them."""
    return text.encode().hex(rng.choice((" ", ":"))) if rng.random() < _HALF else text.encode().hex()


def _leet(rng: random.Random, text: str) -> str:
    """Replace most letters that have a look-alike digit or sign."""
    return "".join(rng.choice(_LEET[c.lower()]) if c.lower() in _LEET and rng.random() < _MOST else c for c in text)


def _spaced(rng: random.Random, text: str) -> str:
    """Put a separator between the letters."""
    return rng.choice((" ", " ", "-", ".", "_", "*")).join(text)


def _zero_width(rng: random.Random, text: str) -> str:
    """Scatter invisible characters over the text."""
    return "".join(c + (rng.choice(_ZERO_WIDTH) if rng.random() < _HALF else "") for c in text)


def _homoglyph(rng: random.Random, text: str) -> str:
    """Replace most Latin letters by letters of other scripts that look the same."""
    return "".join(_HOMOGLYPHS[c] if c in _HOMOGLYPHS and rng.random() < _MOST else c for c in text)


def _full_width(_: random.Random, text: str) -> str:
    """Replace printable ASCII by its full-width forms."""
    return "".join(chr(ord(c) + _FULL_WIDTH) if "!" <= c <= "~" else c for c in text)


def _morse(_: random.Random, text: str) -> str:
    """Encode letters and digits in Morse code, words parted by a slash."""
    return " / ".join(" ".join(_MORSE[c] for c in word if c in _MORSE) for word in text.lower().split())


def _tags(_: random.Random, text: str) -> str:
    """Hide ASCII text in invisible Unicode tag characters."""
    return "".join(chr(ord(c) + _TAGS) if ord(c) <= _ASCII_END else c for c in text)


def _caesar(rng: random.Random, text: str) -> str:
    """Shift the letters of the alphabet by 1 to 25 places."""
    shift = rng.randint(1, 25)
    return "".join(
        chr((ord(c.lower()) - 97 + shift) % 26 + (65 if c.isupper() else 97)) if c.isascii() and c.isalpha() else c
        for c in text
    )


_HALF = 0.5
_MOST = 0.75
_ENCODERS: dict[str, Callable[[random.Random, str], str]] = {
    "base64": lambda _, text: base64.b64encode(text.encode()).decode(),
    "hex": _hex,
    "rot13": lambda _, text: codecs.encode(text, "rot13"),
    "leet": _leet,
    "reversed": lambda _, text: text[::-1],
    "spaced": _spaced,
    "zero_width": _zero_width,
    "homoglyph": _homoglyph,
    "full_width": _full_width,
    "morse": _morse,
    "url": lambda _, text: urllib.parse.quote(text, safe=""),
    "tags": _tags,
    "caesar": _caesar,
}
KINDS = tuple(_ENCODERS)
"""Names of the encodings that ``encode`` knows."""
_READABLE = frozenset({"leet", "spaced", "zero_width", "homoglyph", "full_width", "reversed"})
_NAMES = {
    "leet": ("leetspeak", "1337"),
    "reversed": ("reversed text", "backwards writing", "mirror writing"),
    "spaced": ("spaced letters", "this spacing"),
    "zero_width": ("plain text", "text with invisible characters"),
    "homoglyph": ("plain text", "look-alike letters"),
    "full_width": ("full-width letters", "wide text"),
    "morse": ("Morse code", "morse"),
    "url": ("URL encoding", "percent-encoding"),
    "tags": ("Unicode tags", "invisible text"),
    "caesar": ("Caesar cipher", "a shift cipher"),
    "base64": ("base64", "Base64", "b64"),
    "hex": ("hex", "hexadecimal"),
    "rot13": ("ROT13", "rot13"),
}


def encode(rng: random.Random, text: str, kind: str) -> str:
    """Return ``text`` encoded as ``kind`` (one of ``KINDS``); ``rng`` chooses between variants of one encoding."""
    return _ENCODERS[kind](rng, text)


def _hexes(rng: random.Random, size: int) -> str:
    """Return random hexadecimal digits."""
    return "".join(rng.choices("0123456789abcdef", k=size))


def blob(rng: random.Random) -> str:
    """Return a harmless technical string: a hash, a UUID, a token, a log line, an order number."""
    raw = rng.randbytes(rng.randint(12, 60))
    return rng.choice(
        (
            lambda: _hexes(rng, rng.choice((8, 32, 40, 64))),
            lambda: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            lambda: base64.b64encode(raw).decode(),
            lambda: base64.urlsafe_b64encode(raw).decode().rstrip("="),
            lambda: "eyJ" + ".".join(base64.urlsafe_b64encode(rng.randbytes(n)).decode().rstrip("=") for n in (9, 24)),
            lambda: "-".join("".join(rng.choices("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=5)) for _ in range(4)),
            lambda: (
                f"2026-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}T0{rng.randint(0, 9)}:17:42Z INFO id={_hexes(rng, 12)}"
            ),
            lambda: f"ssh-ed25519 {base64.b64encode(raw).decode()} anna@laptop",
            lambda: "".join(rng.choices("asdfghjklqwertz;,.-1234", k=rng.randint(9, 40))),
            lambda: "%20".join(f"item%3D{rng.randint(1, 99)}" for _ in range(rng.randint(2, 5))),
        )
    )()


def _draw(harmful: Sequence[str], harmless: Sequence[str], rng: random.Random) -> Row:
    """Draw one text with an encoded or random part."""
    role = weighted(rng, {"attack": 0.42, "read": 0.22, "benign": 0.22, "blob": 0.14})
    bad = role == "attack"
    lines = bank("enc_read" if role == "read" else "enc_blob" if role == "blob" else "enc_attack")
    index = rng.randrange(len(lines))
    if role == "blob":
        text = lines[index]
        while "{blob}" in text:
            text = text.replace("{blob}", blob(rng), 1)
        kind = "blob"
    else:
        kind = rng.choice(KINDS)
        if role == "benign" and kind not in _READABLE and rng.random() < _MOST:
            kind = rng.choice(sorted(_READABLE))  # what cannot be read is seldom to be obeyed in good faith
        secret = encode(rng, rng.choice(harmful if bad else harmless).strip(), kind)
        text = fill(rng, lines[index], {"name": _NAMES[kind]}).replace("{enc}", secret)
    text = dress(rng, text, chat=0.15, noise=0.12)
    labels = {"jailbreak": int(bad), "harmful_request": int(bad), "toxicity": 0, "prompt_injection": 0}
    if bad:
        del labels["toxicity"], labels["prompt_injection"]
        if kind not in _READABLE and lines[index] == "{enc}":
            del labels["harmful_request"]
    return Row(text, "input", labels, f"gen_encoding_{role}", f"enc_{kind}:{index}")


def generate(
    rng: random.Random, count: int, harmful: Sequence[str] = (), harmless: Sequence[str] = ()
) -> Iterator[Row]:
    """Yield ``count`` texts with encoded parts, of the input stage.

    Encoded harmful payloads that are to be followed are jailbreaks; encoded harmless payloads, questions on what a
    string says, hashes, tokens and log lines are not. Without payloads a short built-in list of generic goals is used.
    """
    bad = tuple(harmful) or bank("frame_goals_harmful")
    good = tuple(harmless) or bank("frame_goals_harmless")
    return distinct(rng, count, functools.partial(_draw, bad, good))

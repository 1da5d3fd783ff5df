"""Decodes text packed as base64, base32, base85, hexadecimal, bits, decimal codes or Morse, if it is then readable."""

from __future__ import annotations

import base64
import re
import string
from bisect import bisect
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from guardsdk.text.alphabets import ROT13
from guardsdk.text.ciphers import deciphered
from guardsdk.text.english import known_share, segment, words_of
from guardsdk.text.escapes import unescaped
from guardsdk.text.lazy import lazy_pattern
from guardsdk.text.readable import readable
from guardsdk.text.undo import Undone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PACKED = "A-Za-z0-9+/_-"
_SHORTEST = 12
"""Characters of the shortest packed run: nine random bytes form a text once in ten thousand times."""
_PLAIN_SHARE = 0.8
_LONG = 24
"""Characters from which a run that unpacks to nothing is also tried reversed, in rot13 and with its case swapped."""
_RUN = re.compile(
    f"(?<![{_PACKED}])={{0,2}}(?<![{_PACKED}])[{_PACKED}]{{{_SHORTEST},}}"
    # Mail and PEM break long runs into lines.
    f"(?:(?<=[{_PACKED}]{{40}})\\r?\\n[{_PACKED}]+)*={{0,6}}"
)
_JOINT: Final = r"""(?:\r?\n[ \t]{0,20}|["'],\s{0,40}(?:["'][\w.-]{1,40}["']:\s{0,3})?["'])"""
"""Between two pieces of one run: a line end, or what stands between two strings of a list or object."""
_PIECE = re.compile(rf"(?<![{_PACKED}])([{_PACKED}]{{8,}}+)({_JOINT})")
_LAST_PIECE = lazy_pattern(rf"""[{_PACKED}]++={{0,6}}(?=["'\r\n]|\Z)""")
_ADOBE = re.compile(r"<~[!-uz\s]{12,8192}+~>")
_BASE85: Final = r"0-9A-Za-z!#$%&()*+;<=>?@^_`{|}~-"
_BASE85_RUN = re.compile(rf"(?<![{_BASE85}])[{_BASE85}]{{40,8192}}+(?![{_BASE85}])")
_ITEMS: Final = r"['\"]?,\s{0,40}['\"]?"
"""The separator of two list items, each in quotes or on a line of its own."""
_IN_DECIMAL: Final = rf"[0-9]{{2,3}}(?:(?:[\s,;]{{1,2}}|{_ITEMS})(?:0o)?[0-9]{{2,3}}){{7,}}"
# Every branch begins with a character class, which lets the search skip characters that cannot start a match.
_NUMBERS = re.compile(
    rf"(?P<bits>[01]{{8}}(?:(?:[\s,_-]{{0,2}}|{_ITEMS})(?:0b)?[01]{{8}}){{2,}})"
    rf"|(?P<ascii>[01](?:b[01]{{6,7}}(?![01])|[01]{{6}})(?:(?:[\s,_-]{{1,2}}|{_ITEMS})(?:(?:0b)?[01]{{7}}|0b[01]{{6}}(?![01]))){{3,}})"
    rf"|(?P<hex>[0-9A-Fa-f]{{2}}[hH]?(?:(?:[\s:,;.|+-]{{1,2}}|\r?\n[ \t]{{1,24}}|{_ITEMS})(?:0[xX])?"
    r"[0-9A-Fa-f]{2}[hH]?){5,})"
    r"|(?P<dump>(?:[0-9A-Fa-f]{4}){1,4}(?:[\s:,;.|-]{1,2}(?:0x)?(?:[0-9A-Fa-f]{2}){1,8}){2,})"
    rf"|(?P<decimal>{_IN_DECIMAL})"
)
_DECIMALS = lazy_pattern(_IN_DECIMAL)
_MORSE_CODE = re.compile(r"(?P<morse>(?<![^\s/|])[.-]{1,6}(?:[ /|\n]{1,3}[.-]{1,6}){7,})")
_HEX_DIGITS: Final = "0123456789abcdefABCDEF"
_ASCII_FIRST: Final = frozenset(string.ascii_uppercase + "abcdef")
"""First characters of base64 groups of four whose first byte is ASCII: this alone rules out most words."""
_HEX_PREFIX = lazy_pattern(r"\A0?[xX]")
"""The prefix in code and databases (``\\x48656c6c6f``)."""
_SMALL_BASE32 = lazy_pattern("[a-z2-7]+")
_OCTAL = re.compile("[01]?[0-7]{2}")
_DIGITS = str.maketrans("", "", "0123456789")
_LEAST_DIGITS = 6
"""Digits in the shortest run of numbers: the hexadecimal code of every ASCII letter has at least one."""
_LEAST_SIGNS = 8
"""Dots and dashes in the shortest run of Morse code."""
_SPLIT = re.compile(r"[/_+\r\n-]")
_ENGLISH = 0.5
"""Least share of letters in known words that numbers or Morse code must yield: any list of numbers is some string."""
_CODES: Final = (
    ".-=a -...=b -.-.=c -..=d .=e ..-.=f --.=g ....=h ..=i .---=j -.-=k .-..=l --=m -.=n ---=o .--.=p --.-=q .-.=r "
    "...=s -=t ..-=u ...-=v .--=w -..-=x -.--=y --..=z -----=0 .----=1 ..---=2 ...--=3 ....-=4 .....=5 -....=6 "
    "--...=7 ---..=8 ----.=9 .-.-.-=. --..--=, ..--..=? -..-.=/ -....-=- .----.=' -.-.--=!"
)
_MORSE: Final = dict(pair.split("=") for pair in _CODES.split(" "))
_MORSE_GAP = re.compile(r"\s*[/|]\s*|\s{2,}")
_PROBE = 64
_PAIR = 2


def unpacked(text: str) -> list[Undone]:
    """Return an edit for every packed run of ``text`` that unpacks to readable text."""
    edits: list[Undone] = []
    for find in (_in_groups, _grouped, _joined, _base85):
        edits = _apart(find(text), edits)
    taken = iter([(edit.start, edit.end) for edit in edits])
    busy = next(taken, None)
    runs: list[Undone] = []
    for match in _RUN.finditer(text):
        while busy is not None and busy[1] <= match.start():
            busy = next(taken, None)
        if busy is None or match.end() <= busy[0]:
            runs += _run(match.group(), match.start())
    return sorted([*edits, *runs]) if edits else runs


def _apart(found: Iterator[Undone], edits: list[Undone]) -> list[Undone]:
    """Return ``edits``, which are in order, and those of ``found`` that share no character with another one."""
    kept = list(edits)
    for edit in found:
        at = bisect(kept, edit)
        if not (at and kept[at - 1].end > edit.start) and not (at < len(kept) and kept[at].start < edit.end):
            kept.insert(at, edit)
    return kept


def _joined(text: str) -> Iterator[Undone]:
    """Yield the edits for runs in pieces: the groups of four characters of base64 go on from one to the next."""
    run: list[re.Match[str]] = []
    for piece in _PIECE.finditer(text):
        # Lines of a run are equally long, save the last: the next word of the text is none of them.
        if run and (piece.start() != run[-1].end() or (piece[2].isspace() and len(piece[1]) != len(run[-1][1]))):
            yield from _put_together(text, run)
            run = []
        run.append(piece)
    if run:
        yield from _put_together(text, run)


def _put_together(text: str, pieces: list[re.Match[str]]) -> Iterator[Undone]:
    parts, end = [piece[1] for piece in pieces], pieces[-1].end(1)
    last = _LAST_PIECE().match(text, pieces[-1].end())
    if last is not None and not (pieces[-1][2].isspace() and len(last.group().rstrip("=")) > len(parts[-1])):
        parts.append(last.group())
        end = last.end()
    run = "".join(parts)
    if len(parts) > 1 and len(run) >= _LONG and (found := _unpack(run)) is not None:
        yield Undone(pieces[0].start(), end, *found)


def _in_groups(text: str) -> Iterator[Undone]:
    """Yield the edits for runs with white space or marks after every few characters."""
    from guardsdk.text.groups import groups_of  # noqa: PLC0415  ordinary prose does not come here

    for ways in groups_of(text, _LONG):
        for run in ways:
            found = _unpack(run.packed)
            # Numbers of one length are bytes in hexadecimal as well; those of two digits are found one by one.
            if found is not None and ("hex" not in found[1] or (run.size != _PAIR and _english(found[0]) is not None)):
                yield Undone(run.start, run.end, *found)
                break


def _base85(text: str) -> Iterator[Undone]:
    """Yield the edits for base85, of Adobe in its marks, and of Python, whose alphabet has most signs of ASCII."""
    if "<~" in text:
        for match in _ADOBE.finditer(text):
            with suppress(ValueError):
                if (found := readable(base64.a85decode(match.group(), adobe=True))) is not None:
                    yield Undone(*match.span(), found, "base85")
    for match in _BASE85_RUN.finditer(text):
        with suppress(ValueError):
            found = readable(base64.b85decode(match.group()))
            if found is not None and _english(found) is not None:
                yield Undone(*match.span(), found, "base85")


def _grouped(text: str) -> Iterator[Undone]:
    patterns: list[re.Pattern[str]] = []
    if len(text) - len(text.translate(_DIGITS)) >= _LEAST_DIGITS:
        patterns.append(_NUMBERS)
    if text.count(".") + text.count("-") >= _LEAST_SIGNS:
        patterns.append(_MORSE_CODE)
    for pattern in patterns:
        done = tried = edited = 0
        for match in pattern.finditer(text):
            start, end, kind = *match.span(), match.lastgroup or ""
            if start < done:
                continue
            found = None
            # Two-digit numbers, as all capitals have, may be decimal as well; that counts only if it is English.
            if kind == "hex" and start >= tried and (longer := _DECIMALS().match(text, start)) is not None:
                tried = longer.end()
                found = _decimal(longer.group()) if tried >= end else None
            if found is None or not "".join(found.split()).isprintable():
                found = _GROUPED[kind](match.group())
            else:
                kind, end = "decimal", tried
                done = end
            if found is not None:
                prefixed = text[max(0, start - 2) : start] in {"0x", "0X", "0b", "0o"}
                # The 0 may be the last digit of the run before.
                yield Undone(max(edited, start - 2) if prefixed else start, end, found, _NAMES.get(kind, kind))
                edited = end


def _run(run: str, start: int) -> Iterator[Undone]:
    """Yield the edit for ``run``, or one for each part that unpacks: a path or address may contain a packed part."""
    found = _unpack(run)
    if found is not None:
        yield Undone(start, start + len(run), *found)
        return
    begin = 0
    for end in [*(cut.start() for cut in _SPLIT.finditer(run)), len(run)]:
        if _SHORTEST <= end - begin < len(run) and (found := _unpack(run[begin:end])) is not None:
            yield Undone(start + begin, start + end, *found)
        begin = end + 1


def _unpack(run: str) -> tuple[str, str] | None:
    """Return the contents of ``run`` and how it was packed; ``None`` if it does not unpack."""
    core = "".join(run.split()).strip("=").removeprefix("0x")
    for kind, decode in _DECODERS:
        found = decode(core)
        if found is not None and (len(core) >= _LONG or _plain(found)):
            return found, kind
    if len(core) >= _LONG:
        for kind, decode, turn in _TURNED:
            if (found := decode(turn(core))) is not None:
                return found, kind
        for skip in (1, 2, 3):  # a reader who is told where the code begins skips what precedes it
            if (found := _base64(core[skip:])) is not None:
                return found, "base64"
    return None


def _plain(found: str) -> bool:
    """Whether ``found`` is mostly ASCII letters and spaces: one long word in a thousand unpacks to some letters."""
    letters = sum(character.isalpha() or character == " " for character in found)
    return found.isascii() and letters >= _PLAIN_SHARE * len(found)


def _hex(core: str) -> str | None:
    if core[0] in "0xX":
        core = _HEX_PREFIX().sub("", core)
    if core[:1] not in _HEX_DIGITS or core[-1:] not in _HEX_DIGITS:  # an exception costs more than all other checks
        return None
    try:
        return readable(bytes.fromhex(core[: len(core) - len(core) % 2]))
    except ValueError:
        return None


def _base32(core: str) -> str | None:
    if not (core.isupper() or (len(core) >= _LONG and _SMALL_BASE32().fullmatch(core))):
        return None
    try:
        return readable(base64.b32decode(core + "=" * (-len(core) % 8), casefold=True))
    except ValueError:
        return None


def _base64(core: str) -> str | None:
    if len(core) < _LONG and not (core[0] in _ASCII_FIRST and core[4] in _ASCII_FIRST):
        return None  # its contents are not all ASCII, as those of a short run must be
    # A single leftover character encodes no byte; it is dropped, as lenient decoders do.
    usable = core[: len(core) - (len(core) % 4 == 1)].replace("-", "+").replace("_", "/")
    if len(usable) > _PROBE and readable(base64.b64decode(usable[:_PROBE])) is None:
        return None
    return readable(base64.b64decode(usable + "=" * (-len(usable) % 4)))


def _bits(run: str) -> str | None:
    digits = "".join(re.findall("[01]{8}", run))
    return readable(int(digits, 2).to_bytes(len(digits) // 8, "big"))


def _ascii(run: str) -> str | None:
    return _english("".join(chr(int(digits, 2)) for digits in re.findall("[01]{6,7}", run)))


def _dump(run: str) -> str | None:
    """Decode grouped hexadecimal bytes; dates, card and phone numbers look the same, so only English counts."""
    found = _hex(re.sub("0x|[^0-9A-Fa-f]", "", run))
    return None if found is None else _english(found)


def _decimal(run: str) -> str | None:
    numbers = re.findall("[0-9]{2,}", run)
    found = _english("".join(chr(int(number)) for number in numbers))
    if found is None and all(map(_OCTAL.fullmatch, numbers)):
        return _english("".join(chr(int(number, 8)) for number in numbers))
    return found


def _morse(run: str) -> str | None:
    words = (mark.split() for mark in _MORSE_GAP.split(run))
    return _english(" ".join("".join(_MORSE.get(sign, "\ufffd") for sign in word) for word in words))


def _english(text: str) -> str | None:
    words = [part for word in words_of(text) for part in segment(word)]
    return text if known_share(words) >= _ENGLISH or _holds(text) else None


def _holds(text: str) -> bool:
    """Whether ``text`` hides something itself: text packed twice looks like this after its first layer."""
    return any(step(text) for step in (unescaped, unpacked, deciphered))


_DECODERS: tuple[tuple[str, Callable[[str], str | None]], ...] = (
    ("hex", _hex),
    ("base32", _base32),
    ("base64", _base64),
)
_TURNED: Final[tuple[tuple[str, Callable[[str], str | None], Callable[[str], str]], ...]] = (
    ("reversed+base64", _base64, lambda core: core[::-1]),
    ("rot+base64", _base64, lambda core: core.translate(ROT13)),
    ("swapped+base64", _base64, str.swapcase),
    ("reversed+hex", _hex, lambda core: core[::-1]),
)
_NAMES: Final = {"ascii": "bits", "dump": "hex"}
_GROUPED: dict[str, Callable[[str], str | None]] = {
    "bits": _bits,
    "ascii": _ascii,
    "hex": lambda run: _hex(re.sub("0[xX]|[^0-9A-Fa-f]", "", run)),
    "dump": _dump,
    "decimal": _decimal,
    "morse": _morse,
}

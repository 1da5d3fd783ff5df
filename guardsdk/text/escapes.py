"""Undoes URL, HTML, backslash and ``U+`` escapes, texts in pieces, and the encodings of mail and calendars.

The latter are quoted-printable (RFC 2045), encoded words in headers (RFC 2047) and folded lines (RFC 5545).
"""

from __future__ import annotations

import base64
import html
import re
from encodings.aliases import aliases
from typing import TYPE_CHECKING, Final

from guardsdk.text.english import FORMS
from guardsdk.text.hidden import INVISIBLE
from guardsdk.text.lazy import lazy_pattern
from guardsdk.text.undo import Undone, undo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from guardsdk.text.undo import Layer

_FEW = 3
"""Letters, or joints between words or parts of words, that the escapes of one kind must yield: ordinary text escapes a
sign here and there, and can be read as it stands."""
_LAST = 0x10FFFF
_URL = lazy_pattern("(?:%(?:25)*[0-9A-Fa-f]{2})+|(?:%u[0-9A-Fa-f]{4})+")
_ESCAPED_MARK = re.compile("%(?:25)+(?=[0-9A-Fa-f]{2})")
_HTML = lazy_pattern("&(?:(?:amp;)*#(?:0{0,9}[0-9]{1,7}|[xX]0{0,9}[0-9A-Fa-f]{1,6})|[A-Za-z][A-Za-z0-9]{1,30});?")
_JOINED = lazy_pattern(r"""(?<=[\w ])(["'])(?:\s?\+\s?|;?[ \t]{0,4}\r?\n[ \t]{0,40}[A-Za-z_$][\w.]{0,40} ?\+= ?)\1""")
_CUT = lazy_pattern(
    r"""(?<=[\w .:;!?-])(?:(["'])(?:\s{0,3}+(?:[,.&+]|\|\||<[<>])\s{0,40}+|\s{1,40}+)\1|\) ?-?[0-9.]{1,7}+ ?\(|<wbr>"""
    r"""|</span><span(?:\s[^<>]{0,200}+)?>)(?=[\w .:;!?-])"""
)
"""What stands between two pieces of a text in code (adjacent strings, lists, operators), in PDF and in HTML."""
_SIGNS_OF_CUTS: Final = ('"', "'", "(", "<")
_BEFORE: Final = 20
_LETTERS_BEFORE, _LETTERS_AFTER = re.compile(r"[A-Za-z]*\Z"), re.compile("[A-Za-z]*")
_BACKSLASH = lazy_pattern(
    r"(?:\\x[0-9A-Fa-f]{2}(?![0-9A-Fa-f]{10})|\\[0-3][0-7]{2}|\\[4-7][0-7](?![0-9]))+|(?:\\u[0-9A-Fa-f]{4}|\\u\{[0-9A-Fa-f]{1,6}\}|\\U[0-9A-Fa-f]{8})+"
)
_RTF = lazy_pattern(r"(?:\\'[0-9A-Fa-f]{2})+|(?:\\u-?[0-9]{1,5} ?\?)+")
"""Bytes and code units in RTF, the latter with the sign that old readers show in their place."""
_CSS = lazy_pattern(r"(?:\\(?:0{0,3}[2-7][0-9A-Fa-f] |0000[2-7][0-9A-Fa-f] ?)){2,}")
"""Signs of ASCII in style sheets, in a row: one alone may be the name of a folder that begins with a number."""
_CODE_POINT = lazy_pattern(r"U\+[0-9A-Fa-f]{4,6}(?:[\s,;]{0,2}U\+[0-9A-Fa-f]{4,6})*")
# Begins with the one character that all branches share, which lets the search skip all others.
_QUOTED = lazy_pattern(r"=(?:[0-9A-Fa-f]{2}(?:=[0-9A-Fa-f]{2})+|(?<=\w=)(?:20|\r?\n)(?=\w))")
_DECLARED = lazy_pattern("(?i:quoted-printable)")
_QUOTED_ALL = lazy_pattern(r"=(?:[0-9A-Fa-f]{2}(?:=[0-9A-Fa-f]{2})*+|[ \t]{0,8}+\r?\n)")
"""Every quoted-printable escape, for text that declares this encoding: elsewhere ``=65`` is a value."""
_ENCODED_WORD = r"=\?([\w.:*-]{1,40}+)\?([BbQq])\?([^?\s]{1,400}+)\?="
_ENCODED = lazy_pattern(rf"{_ENCODED_WORD}(?:\s{{1,8}}+{_ENCODED_WORD})*+")
"""Encoded words in a row; the white space between two of them is not part of the text."""
_ENCODED_ONE = lazy_pattern(_ENCODED_WORD)
_CHARSETS: Final = frozenset(
    "ascii utf_8 utf_7 utf_16 utf_16_le utf_16_be utf_32 utf_32_le utf_32_be latin_1 iso8859_2 iso8859_3 iso8859_4 "  # noqa: SIM905
    "iso8859_5 iso8859_6 iso8859_7 iso8859_8 iso8859_9 iso8859_10 iso8859_11 iso8859_13 iso8859_14 iso8859_15 "
    "iso8859_16 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 cp437 cp850 cp866 cp874 koi8_r koi8_u "
    "tis_620 mac_roman gb2312 gbk gb18030 hz big5 big5hkscs cp950 shift_jis cp932 iso2022_jp iso2022_jp_1 iso2022_jp_2 "
    "iso2022_jp_3 iso2022_jp_ext euc_jp euc_kr cp949 iso2022_kr cp037 cp273 cp500 cp1140".split()
)
"""The codecs that encoded words are read with: those of mail, and others whose letters are not those of ASCII.

All else is decoded as UTF-8, which shows what is ASCII in it. Python has codecs that are none of characters, and it
keeps every name that it was ever asked for.
"""
_SIGNS: Final = str.maketrans("-.:", "___")
_FOLD = lazy_pattern(r"\r?\n[ \t]")
_HEX = re.compile("[0-9A-Fa-f]+")
_BACKSLASHED = re.compile(
    r"\\x(?P<byte>..)|\\(?P<octal>[0-3]..|[4-7].)|\\u\{(?P<braced>\w+)\}|\\u(?P<short>.{4})|\\U(?P<long>.{8})"
)
_BEGUN = lazy_pattern(r"&#[0-9xX]|\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f{]|[0-3][0-7]{2})")
"""How escapes begin whose mark may itself be escaped: ``%26%2373%3B``."""
_JOINT = lazy_pattern(rf"\s?|[{INVISIBLE}]+")
"""What an escape between two letters may yield to count as a joint: nothing, white space or invisible characters."""
_BREAK = lazy_pattern(r"(?<!\\)(?<!\\[nrt])(?:(?<=[^\W_])|\\{1,15}[nrt])(?:\\{1,15}[nrt])+(?=([A-Za-z]+))")
"""Escaped line ends or tabs between two words, and the word after them. A match starts where a row of escapes does, as
the letter of each escape precedes the next one just as the letter of a word would."""
_NEAR = 24
_FEW_BREAKS = 4
"""This many breaks, at most ``_NEAR`` characters apart, make a text hard to read: a few words per line."""
_IN_STRING = lazy_pattern(r"\\\\{0,14}(?:(?P<quote>[\"'/])|(?P<space>[nrtbf])|u(?P<code>[0-9A-Fa-f]{4}))")
"""An escape in a string of JSON or code; the deeper strings are nested, the more backslashes it has."""


def unquoted(text: str) -> tuple[str, Layer]:
    r"""Return ``text`` with the escapes of JSON and code strings undone, however few they are, and the way back.

    These are quotes, slashes, white space and ``\u``: the ``n`` of an escaped line end is no letter of the next word.
    """
    if "\\" not in text:
        return undo(text, ())
    return undo(text, [Undone(*match.span(), _said(match), "string") for match in _IN_STRING().finditer(text)])


def _said(match: re.Match[str]) -> str:
    if code := match["code"]:
        return chr(int(code, 16))
    return match["quote"] or ("\n" if match["space"] in "nr" else " ")


def unescaped(text: str) -> list[Undone]:
    """Return the edits that undo the escapes of each kind that hides letters in ``text``; none for ordinary text."""
    found: list[Undone] = []
    for mark, pattern, kind, decode in _KINDS:
        if mark in text:
            declared = pattern is _QUOTED and _DECLARED().search(text) is not None
            found += _of_kind(text, _QUOTED_ALL() if declared else pattern(), kind, decode)
    if "\\" in text:
        found += _breaks(text)
    if any(text.count(sign) > _FEW for sign in _SIGNS_OF_CUTS):
        found += _pieces(text)
    return found if len({edit.kind for edit in found}) <= 1 else _apart(found)  # one kind needs no sorting


def _of_kind(text: str, pattern: re.Pattern[str], kind: str, decode: Callable[[str], str]) -> list[Undone]:
    edits = [
        Undone(*match.span(), decoded, kind)
        for match in pattern.finditer(text)
        if (decoded := decode(match.group())) != match.group()
    ]
    letters = sum(character.isalnum() for edit in edits for character in edit.text)
    joints = sum(_JOINT().fullmatch(edit.text) is not None and _between_words(text, edit) for edit in edits)
    if letters + joints >= _FEW:
        return edits
    return edits if len(edits) >= _FEW and _more_escaped(text, edits) else []


def _pieces(text: str) -> list[Undone]:
    """Return the edits that put pieces of a text together, where that makes words of what is none.

    The items of a list and the arguments of a call look the same: of two words no third one is made.
    """
    found = list(_CUT().finditer(text))
    if sum(_makes_a_word(text, cut.start(), cut.end()) for cut in found) < _FEW:
        return []
    return [Undone(*cut.span(), "", "split_strings") for cut in found]


def _makes_a_word(text: str, start: int, end: int) -> bool:
    first = _LETTERS_BEFORE.search(text, max(0, start - _BEFORE), start)
    second = _LETTERS_AFTER.match(text, end, end + _BEFORE)
    parts = [part[0].lower() if part else "" for part in (first, second)]
    return all(parts) and "".join(parts) in FORMS and not FORMS.issuperset(parts)


def _more_escaped(text: str, edits: Sequence[Undone]) -> bool:
    """Whether what ``edits`` yield begins escapes of another kind, as in text that was escaped twice."""
    begun = (_BEGUN().search(edit.text[-2:] + text[edit.end : edit.end + 3]) for edit in edits)
    return sum(one is not None for one in begun) >= _FEW


def _breaks(text: str) -> list[Undone]:
    """Return the edits for escaped line ends close to each other: the ``n`` of an escape garbles the word after it.

    A known word counts only if it is unknown with that letter in front: paths contain the same signs.
    """
    found: list[Undone] = []
    near: list[Undone] = []
    for match in _BREAK().finditer(text):
        word = match[1].lower()
        if word not in FORMS or text[match.end() - 1] + word in FORMS:
            continue
        if near and match.start() - near[-1].end > _NEAR:
            found += near if len(near) >= _FEW_BREAKS else []
            near = []
        near.append(Undone(*match.span(), " ", "line_breaks"))
    return found + near if len(near) >= _FEW_BREAKS else found


def _between_words(text: str, edit: Undone) -> bool:
    return text[edit.start - 1 : edit.start].isalnum() and text[edit.end : edit.end + 1].isalnum()


def _apart(edits: list[Undone]) -> list[Undone]:
    """Put edits of several kinds in order; of two that overlap, the earlier is kept, the other waits for a round."""
    kept: list[Undone] = []
    for edit in sorted(edits):
        if not kept or edit.start >= kept[-1].end:
            kept.append(edit)
    return kept


def _bytes(digits: str) -> str:
    return bytes.fromhex(digits).decode("utf-8", "replace")


def _percent(run: str) -> str:
    if run.startswith("%u"):
        return _units(int(digits, 16) for digits in run.split("%u")[1:])
    return _bytes(_ESCAPED_MARK.sub("", run).replace("%", ""))


def _html(run: str) -> str:
    return html.unescape("&" + run[run.index("#") :] if "#" in run else run)


def _quoted(run: str) -> str:
    return "" if run.endswith("\n") else _bytes(run.replace("=", ""))


def _encoded_words(run: str) -> str:
    return "".join(_encoded_word(*match.groups()) for match in _ENCODED_ONE().finditer(run))


def _encoded_word(charset: str, way: str, said: str) -> str:
    """Return the text of an encoded word: ``said`` itself if it is invalid, read as UTF-8 if ``charset`` is unknown."""
    try:
        data = base64.b64decode(said) if way in "Bb" else _escaped_bytes(said.replace("_", " "))
    except ValueError:
        return said
    name = charset.partition("*")[0].lower().translate(_SIGNS)
    codec = aliases.get(name, name)
    return data.decode(codec if codec in _CHARSETS else "utf-8", "replace")


def _escaped_bytes(said: str) -> bytes:
    return re.sub(rb"=([0-9A-Fa-f]{2})", lambda one: bytes.fromhex(one[1].decode()), said.encode("utf-8", "replace"))


def _character(code: int) -> str:
    return chr(code) if code <= _LAST else "\ufffd"


def _units(codes: Iterable[int]) -> str:
    # JSON writes a character beyond the first 65,536 as two surrogates.
    return "".join(map(_character, codes)).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _code_points(run: str) -> str:
    return "".join(_character(int(digits, 16)) for digits in _HEX.findall(run.replace("U+", " ")))


def _backslashes(run: str) -> str:
    if run.startswith(("\\u", "\\U")):
        return _units(int(next(filter(None, match.groups())), 16) for match in _BACKSLASHED.finditer(run))
    parts = (match for match in _BACKSLASHED.finditer(run))
    codes = [int(match["byte"], 16) if match["byte"] else int(match["octal"], 8) for match in parts]
    return bytes(codes).decode("utf-8", "replace")


def _rtf(run: str) -> str:
    if run.startswith("\\u"):
        return _units(int(number) % 0x10000 for number in re.findall("-?[0-9]+", run))
    return bytes.fromhex(run.replace("\\'", "")).decode("cp1252", "replace")


def _css(run: str) -> str:
    return "".join(_character(int(digits, 16)) for digits in _HEX.findall(run))


_KINDS: tuple[tuple[str, Callable[[], re.Pattern[str]], str, Callable[[str], str]], ...] = (
    ("%", _URL, "url", _percent),
    ("&", _HTML, "html", _html),
    ("\\", _BACKSLASH, "unicode_escapes", _backslashes),
    ("\\", _RTF, "rtf_escapes", _rtf),
    ("\\", _CSS, "css_escapes", _css),
    ("U+", _CODE_POINT, "code_points", _code_points),
    ("=", _QUOTED, "quoted_printable", _quoted),
    ("=?", _ENCODED, "encoded_words", _encoded_words),
    ("BEGIN:V", _FOLD, "folded_lines", lambda _: ""),
    ("+", _JOINED, "joined_strings", lambda _: ""),
)
"""Of each kind: a mark without which a text has none of it, the pattern, the name and the decoder."""

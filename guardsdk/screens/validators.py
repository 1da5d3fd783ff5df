"""What a match must be beyond its shape. Pattern files name these; each takes the matched value and says yes or no."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import math
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from guardsdk.screens import checksums, national
from guardsdk.text.lazy import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Validator = Callable[[str], bool]

_TOP_LEVEL: Final = re.compile(r"(?:[A-Za-z]{2,24}|xn--[A-Za-z0-9-]{2,59})")
_RESERVED_DOMAINS: Final = ("example", "invalid", "localhost", "test", "local", "internal")
_RESERVED_NAMES: Final = ("example.com", "example.net", "example.org")
_FILE_ENDINGS: Final = frozenset({"png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "py", "md"})
_PUBLIC_RESOLVERS: Final = frozenset({"1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4", "9.9.9.9"})
_FEWEST_BITS: Final = 3.0
_KEY_ROW: Final = "[A-Za-z0-9+/]{40}"
"""What a line of a private key has at least: words and paths hardly have as many such characters in a row."""
_FEWEST_KEY_BITS: Final = 4.2
"""Per character of such a row, and of other long keys."""
_CHANGES: Final = re.compile(r"(?<=[A-Za-z])[0-9]|(?<=[0-9])[A-Za-z]")
_FEWEST_CHANGES: Final = 4
_FEWEST_TURNS: Final = 3
"""Between letters and digits in a password of small letters: a word with a number behind it has one."""
_FILE: Final = lazy_pattern(r"/[\w.-]{1,255}\.(?:[a-z]{3,4}|parquet|ts|js|py|gz)$")
_SIGNS: Final = frozenset("!@#$%^*()+|~[]{}<>;")
_FEWEST_SIGNS: Final = 4
"""Different ones in a random value of all characters."""
_MOST_LETTERS: Final = 0.45
"""Beside another letter, per character of such a value."""
_MOST_SPACES: Final = 0.1
"""Likewise."""
_RANGES: Final = lazy_pattern("a-z|A-Z|0-9|://")
"""In a regular expression or an address."""
_ROW: Final = lazy_pattern("[A-Za-z0-9]{16}")
_PLACE: Final = lazy_pattern(r"(?:~|\.{1,2})?/[\w.-]+/|[a-z][a-z0-9+.-]{1,20}://|(?:arn|env|file|ssm|vault):|%\w+%$")
_NO_PASSWORDS: Final = frozenset({"password", "passwd", "pass", "pwd", "secret", "token", "user", "guest", "postgres"})
_FEWEST_CHARACTERS: Final = 6
"""Different characters in a password."""
_PHONE_DIGITS: Final = range(8, 16)
"""ITU-T E.164 allows fifteen digits; fewer than eight are more often something else."""
_FEWEST_DIGITS: Final = 4
"""Different digits in a telephone number."""
_SNOWFLAKE_DIGITS: Final = 17
"""In the shortest number of a Discord account."""
_PRINTABLE: Final = range(32, 127)
"""ASCII."""
_TEST_EXCHANGE: Final = re.compile(r"555-?01\d\d$")

_FEWEST_WORDS: Final = 3
_WORD_LENGTHS: Final = range(3, 13)
_NAMING: Final = frozenset(
    "button buttons change confirm enter error errors fake field fields forgot form forms here icon icons incorrect "  # noqa: SIM905
    "input inputs invalid key keys label labels passphrase passphrases password passwords passwd pwd real required "
    "reset secret secrets show test text this token tokens type vault".split()
)
"""Words that make a row of words the name of a thing, or a stand-in for a password, and no password."""


def bits_per_character(value: str) -> float:
    """Return the Shannon entropy of the characters of ``value``, in bits."""
    return -sum(share * math.log2(share) for share in (value.count(char) / len(value) for char in set(value)))


def random_looking(value: str) -> bool:
    """Whether ``value`` has three bits a character and goes back and forth between letters and digits.

    Names and numbers that people write seldom change between the two more than three times. A file in a folder is none.
    """
    changes = len(_CHANGES.findall(value)) >= _FEWEST_CHANGES
    return changes and bits_per_character(value) > _FEWEST_BITS and _FILE().search(value) is None


def key_like(value: str) -> bool:
    """Whether ``value`` looks random and has sixteen letters and digits in a row.

    Numbers of things, paths, dates and names hardly do; so the words around it may say less.
    """
    return random_looking(value) and _ROW().search(value) is not None


def scrambled(value: str) -> bool:
    """Whether ``value`` is of many characters, with letters and signs mixed: text and expressions have words."""
    letters = sum(one.isalpha() and two.isalpha() for one, two in pairwise(value))
    words = letters > _MOST_LETTERS * len(value) or value.count(" ") > _MOST_SPACES * len(value)
    signs = len(set(value) & _SIGNS) >= _FEWEST_SIGNS
    many = bits_per_character(value) > _FEWEST_KEY_BITS and any(map(str.isdecimal, value))
    return many and signs and not words and _RANGES().search(value) is None


def password_like(value: str) -> bool:
    """Whether ``value`` looks chosen as a password: letters of both cases with a digit, or a digit and a rare sign.

    Or small letters with several digits between them. A path, an address or a reference to where one is kept is none.
    """
    if _PLACE().match(value) is not None:
        return False
    letters = any(map(str.isupper, value)) + any(map(str.islower, value))
    digit = any(map(str.isdecimal, value))
    rare = any(char in "!@#$%^&*?~+=" for char in value)
    mixed = letters > 1 or (letters > 0 and rare) or len(_CHANGES.findall(value)) >= _FEWEST_TURNS
    return digit and mixed and len(set(value)) >= _FEWEST_CHARACTERS


def joined_words(value: str) -> bool:
    """Whether ``value`` is three words or more joined by hyphens, and none of what forms and messages are about."""
    words = value.split("-")
    spelled = all(len(word) in _WORD_LENGTHS and word[1:].islower() for word in words)
    return len(words) >= _FEWEST_WORDS and spelled and _NAMING.isdisjoint(map(str.lower, words))


def decoded(part: str) -> bytes | None:
    """Return what base64 ``part``, of either alphabet and with or without padding, stands for."""
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_" if set(part) & set("-_") else None)
    except (binascii.Error, ValueError):
        return None


def jwt(value: str) -> bool:
    """Whether the first part of a JSON Web Token decodes to a header that names an algorithm (RFC 7515)."""
    try:
        header = json.loads(decoded(value.split(".", maxsplit=1)[0]) or b"")
    except (ValueError, RecursionError):
        return False
    return isinstance(header, dict) and isinstance(header.get("alg"), str)


def basic_credentials(value: str) -> bool:
    """Whether base64 ``value`` decodes to ``user:password`` (RFC 7617)."""
    data = decoded(value) or b""
    user, colon, password = data.partition(b":")
    return bool(user and colon and password) and all(byte in _PRINTABLE for byte in data)


def key_block(value: str) -> bool:
    """Whether the block of a private key (RFC 7468) has a row of key in it, and not only words about one."""
    rows = re.findall(_KEY_ROW, value)  # compiled when it is first needed, which for most processes is never
    return any(bits_per_character(row) > _FEWEST_KEY_BITS for row in rows)


def key_block_base64(value: str) -> bool:
    """Whether base64 ``value`` decodes to the block of a private key: certificates begin with the same letters."""
    text = (decoded(value) or b"").decode("ascii", "replace")
    return "PRIVATE KEY" in text.partition("\n")[0] and key_block(text)


def discord(value: str) -> bool:
    """Whether a Discord token begins with the number of its account."""
    number = decoded(value.split(".", maxsplit=1)[0]) or b""
    return number.isdigit() and len(number) >= _SNOWFLAKE_DIGITS


def url_password(value: str) -> bool:
    """Whether what stands in a URL's password place is one: neither the word itself nor what servers come with."""
    return value.lower() not in _NO_PASSWORDS


def mail(value: str) -> bool:
    """Whether an address has a domain that mail can reach, and none reserved for documentation (RFC 2606)."""
    local, _, domain = value.rpartition("@")
    labels = domain.lower().split(".")
    well_formed = len(labels) > 1 and all(label.strip("-") == label != "" for label in labels)
    real = labels[-1] not in _RESERVED_DOMAINS and labels[-1] not in _FILE_ENDINGS
    documented = ".".join(labels[-2:]) in _RESERVED_NAMES
    dots = ".." in local or local.startswith(".") or local.endswith(".")
    return well_formed and real and not documented and not dots and _TOP_LEVEL.fullmatch(labels[-1]) is not None


def phone(value: str) -> bool:
    """Whether ``value`` has as many digits as telephone numbers have, and is not kept for fiction (555-01xx)."""
    digits = checksums.digits_of(value)
    return len(digits) in _PHONE_DIGITS and len(set(digits)) >= _FEWEST_DIGITS and not _TEST_EXCHANGE.search(digits)


def public_ip(value: str) -> bool:
    """Whether ``value`` is an address of the public internet that is no well-known resolver's."""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    return address.is_global and not address.is_multicast and value not in _PUBLIC_RESOLVERS


def mac(value: str) -> bool:
    """Whether a hardware address is one of a single device: no broadcast, no multicast, not zero."""
    number = int(re.sub("[^0-9A-Fa-f]", "", value), 16)
    return number != 0 and not number >> 40 & 1


VALIDATORS: Final[Mapping[str, Validator]] = {
    "base58check": checksums.base58check,
    "basic_credentials": basic_credentials,
    "bech32": checksums.bech32,
    "br_cnpj": national.br_cnpj,
    "br_cpf": national.br_cpf,
    "ca_sin": national.ca_sin,
    "card": checksums.card,
    "crc_base62": checksums.crc_base62,
    "de_steuer_id": national.de_steuer_id,
    "discord": discord,
    "es_dni": national.es_dni,
    "fi_hetu": national.fi_hetu,
    "fr_nir": national.fr_nir,
    "gb_nhs": national.gb_nhs,
    "iban": checksums.iban,
    "in_aadhaar": national.in_aadhaar,
    "it_cf": national.it_cf,
    "joined_words": joined_words,
    "jwt": jwt,
    "key_block": key_block,
    "key_block_base64": key_block_base64,
    "key_like": key_like,
    "mac": mac,
    "mail": mail,
    "nl_bsn": national.nl_bsn,
    "password_like": password_like,
    "phone": phone,
    "pl_pesel": national.pl_pesel,
    "public_ip": public_ip,
    "random_looking": random_looking,
    "scrambled": scrambled,
    "se_personnummer": national.se_personnummer,
    "url_password": url_password,
    "us_ssn": national.us_ssn,
}
"""Name in a pattern file to the function."""

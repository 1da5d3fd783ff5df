"""Checksum arithmetic that tells a well-formed number from arbitrary digits. Pure functions on strings."""

from __future__ import annotations

import hashlib
import zlib
from typing import Final

_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)

# Verhoeff 1969: the multiplication table of the dihedral group D5 and the permutation applied per position.
_D5: Final = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_PERMUTATION: Final = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip

CARD_LENGTHS: Final = (
    (range(4, 5), 1, (13, 16, 19)),  # Visa
    (range(51, 56), 2, (16,)),  # Mastercard
    (range(2221, 2721), 4, (16,)),
    (range(34, 35), 2, (15,)),  # American Express
    (range(37, 38), 2, (15,)),
    (range(300, 306), 3, (14,)),  # Diners Club
    (range(36, 37), 2, (14,)),
    (range(38, 40), 2, (14,)),
    (range(6011, 6012), 4, (16, 19)),  # Discover
    (range(644, 660), 3, (16, 19)),
    (range(3528, 3590), 4, (16, 17, 18, 19)),  # JCB
    (range(62, 63), 2, (16, 17, 18, 19)),  # UnionPay
)
"""First digits (as a range, and how many digits it covers) and the lengths they go with (ISO/IEC 7812)."""
_FEWEST_DIGITS: Final = 3
"""The least number of different digits in a card number: 4444 4444 ... is only an illustration of one."""

IBAN_LENGTHS: Final = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15,
    "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24, "SI": 19,
    "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip
"""Country to the length of its account numbers (SWIFT IBAN registry)."""


def digits_of(value: str) -> str:
    """Return the ASCII digits of ``value`` without separators."""
    return "".join(char for char in value if "0" <= char <= "9")


def luhn(digits: str) -> bool:
    """Whether the last of ``digits`` is the Luhn check digit of the others (ISO/IEC 7812-1, annex B)."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def verhoeff(digits: str) -> bool:
    """Whether the last of ``digits`` is the Verhoeff check digit of the others."""
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = int(_D5[check][int(_PERMUTATION[place % 8][int(digit)])])
    return check == 0


def mod11_10(digits: str) -> bool:
    """Whether the last of ``digits`` is the check digit of ISO 7064, MOD 11,10."""
    product = 10
    for digit in digits[:-1]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[-1])


def weighted(digits: str, weights: tuple[int, ...]) -> int:
    """Return the sum of the products of ``digits`` and ``weights``, up to the shorter of the two."""
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def card(value: str) -> bool:
    """Whether ``value`` is a card number: an issuer's first digits, a matching length, and a valid Luhn digit."""
    digits = digits_of(value)
    fits = any(len(digits) in lengths and int(digits[:count] or 0) in first for first, count, lengths in CARD_LENGTHS)
    return fits and luhn(digits) and len(set(digits)) >= _FEWEST_DIGITS


def iban(value: str) -> bool:
    """Whether ``value`` is an account number of its country's length with the right check digits (ISO 13616)."""
    compact = value.replace(" ", "").replace("-", "").upper()
    if len(compact) != IBAN_LENGTHS.get(compact[:2]):
        return False
    return int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4])) % 97 == 1


def crc_base62(value: str) -> bool:
    """Whether a GitHub or npm token ends in the CRC-32 of its random part, as six base 62 digits."""
    body, check = value[-36:-6], value[-6:]
    number = 0
    for char in check:
        number = number * 62 + _BASE62.index(char)
    return number == zlib.crc32(body.encode())


def base58check(value: str) -> bool:
    """Whether ``value`` ends in the double SHA-256 of what it encodes, as Bitcoin's keys do."""
    number = 0
    for char in value:
        number = number * 58 + _BASE58.index(char)
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return hashlib.sha256(hashlib.sha256(data[:-4]).digest()).digest()[:4] == data[-4:]


def bech32(value: str) -> bool:
    """Whether ``value`` carries the checksum of BIP 173."""
    prefix, _, data = value.lower().rpartition("1")
    numbers = [ord(char) >> 5 for char in prefix] + [0] + [ord(char) & 31 for char in prefix]
    numbers += [_BECH32.index(char) for char in data]
    check = 1
    for number in numbers:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ number
        for place, generator in enumerate(_BECH32_GENERATOR):
            check ^= generator if top >> place & 1 else 0
    return check == 1

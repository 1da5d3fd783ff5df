"""National identity, tax and social security numbers that are recognisable by their check digits."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from guardsdk.screens.checksums import digits_of, luhn, mod11_10, verhoeff, weighted

_DNI_LETTERS: Final = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU_LETTERS: Final = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_HETU_CENTURY: Final = {"+": 1800} | dict.fromkeys("-YXWVU", 1900) | dict.fromkeys("ABCDEF", 2000)
_PESEL_CENTURY: Final = {0: 1900, 20: 2000, 40: 2100, 60: 2200, 80: 1800}
_CF_ODD: Final = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
"""The value of a character in an odd position, by its place in the alphabet; digits count as A to J."""
_SSN_NEVER: Final = frozenset({"078051120", "219099999"})
"""Numbers printed in advertisements, which belong to nobody."""


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def us_ssn(value: str) -> bool:
    """Whether a United States social security number may have been issued (SSA: no 000, 666, 9xx; no 00; no 0000)."""
    digits = digits_of(value)
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    never = area in ("000", "666") or area[0] == "9" or group == "00" or serial == "0000"
    return not never and digits not in _SSN_NEVER


def ca_sin(value: str) -> bool:
    """Whether a Canadian social insurance number has an issued first digit and its Luhn digit."""
    digits = digits_of(value)
    return digits[0] not in "08" and luhn(digits)


def es_dni(value: str) -> bool:
    """Whether the letter of a Spanish DNI or NIE is that of its number modulo 23."""
    compact = re.sub("[^0-9A-Z]", "", value.upper())
    number = compact[:-1].translate(str.maketrans("XYZ", "012"))
    return _DNI_LETTERS[int(number) % 23] == compact[-1]


def fr_nir(value: str) -> bool:
    """Whether a French social security number ends in 97 minus the rest modulo 97; Corsica counts as 19 and 18."""
    compact = re.sub("[ .-]", "", value.upper()).replace("2A", "19", 1).replace("2B", "18", 1)
    return compact.isdecimal() and 97 - int(compact[:13]) % 97 == int(compact[13:])


def it_cf(value: str) -> bool:
    """Whether an Italian tax code ends in its check letter (D.M. 23/12/1976)."""
    total = 0
    for place, char in enumerate(value.upper()[:15]):
        number = int(char) if char.isdecimal() else ord(char) - ord("A")
        total += number if place % 2 else _CF_ODD[number]
    return chr(ord("A") + total % 26) == value.upper()[15]


def nl_bsn(value: str) -> bool:
    """Whether a Dutch citizen service number passes the eleven test."""
    digits = digits_of(value)
    return weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0 and len(set(digits)) > 1


def pl_pesel(value: str) -> bool:
    """Whether a Polish PESEL begins with a date of birth and ends in its check digit."""
    digits = digits_of(value)
    month = int(digits[2:4])
    century = _PESEL_CENTURY[month // 20 * 20]
    born = _is_date(century + int(digits[:2]), month % 20, int(digits[4:6]))
    return born and weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def br_cpf(value: str) -> bool:
    """Whether a Brazilian CPF ends in its two check digits."""
    digits = digits_of(value)
    first = weighted(digits, tuple(range(10, 1, -1))) * 10 % 11 % 10
    second = weighted(digits, tuple(range(11, 1, -1))) * 10 % 11 % 10
    return digits[9:] == f"{first}{second}" and len(set(digits)) > 1


def br_cnpj(value: str) -> bool:
    """Whether a Brazilian CNPJ ends in its two check digits."""
    digits = digits_of(value)
    weights = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    first = weighted(digits, weights[1:]) * 10 % 11 % 10
    second = weighted(digits[:13], weights) * 10 % 11 % 10
    return digits[12:] == f"{first % 10}{second % 10}" and len(set(digits)) > 1


def de_steuer_id(value: str) -> bool:
    """Whether a German tax number of a person repeats one digit as it must and ends in its check digit."""
    digits = digits_of(value)
    counts = sorted(digits[:10].count(digit) for digit in set(digits[:10]))
    return digits[0] != "0" and counts[-1] in (2, 3) and counts[:-1].count(1) == len(counts) - 1 and mod11_10(digits)


def se_personnummer(value: str) -> bool:
    """Whether a Swedish personal number is a date (coordination numbers add 60 to the day) with its Luhn digit."""
    digits = digits_of(value)[-10:]
    day = int(digits[4:6]) % 60
    return _is_date(2000 + int(digits[:2]), int(digits[2:4]), day) and luhn(digits)


def fi_hetu(value: str) -> bool:
    """Whether a Finnish personal identity code is a date with the check character of its digits modulo 31."""
    value = value.upper()
    day, month, year, sign, number, check = value[:2], value[2:4], value[4:6], value[6], value[7:10], value[10]
    born = _is_date(_HETU_CENTURY[sign] + int(year), int(month), int(day))
    return born and int(number) > 1 and _HETU_LETTERS[int(day + month + year + number) % 31] == check


def in_aadhaar(value: str) -> bool:
    """Whether an Indian Aadhaar number ends in its Verhoeff digit."""
    return verhoeff(digits_of(value))


def gb_nhs(value: str) -> bool:
    """Whether a British NHS number ends in its modulus 11 digit."""
    digits = digits_of(value)
    return weighted(digits, (10, 9, 8, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0 and len(set(digits)) > 1

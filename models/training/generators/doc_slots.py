"""Fill ``{slot}`` marks in phrases and roughen texts the way people do."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from models.training.banks import bank

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

_MARK: Final = re.compile(r"\{([a-z]+\d?)\}")
_TLDS: Final = ("com", "net", "org", "io", "co.uk", "de", "info", "eu")
_PATHS: Final = (
    "",
    "/start",
    "/login",
    "/docs",
    "/offer",
    "/news/{n3}",
    "/p/{n5}",
    "/about",
    "/files",
    "/shop?id={n4}",
)
_MIN_TYPO_LENGTH: Final = 4


def _digits(count: int) -> Callable[[Random], str]:
    """Make a maker of numbers with ``count`` digits."""
    return lambda rng: str(rng.randrange(10 ** (count - 1), 10**count))


def _email(rng: Random) -> str:
    """Make up an e-mail address."""
    return fill(rng, f"{{first}}.{{last}}@{_host(rng)}").lower().replace("'", "")


def _host(rng: Random) -> str:
    """Make up a host name."""
    name = re.sub(r"[^a-z]+", "-", fill(rng, rng.choice(("{company}", "{brand}", "{hobby}", "{project}"))).lower())
    return f"{name.strip('-')}.{rng.choice(_TLDS)}"


def _url(rng: Random) -> str:
    """Make up a web address."""
    scheme = rng.choice(("https://", "https://www.", "http://", "www."))
    return scheme + _host(rng) + fill(rng, rng.choice(_PATHS))


def _time(rng: Random) -> str:
    """Make up a time of day in one of several spellings."""
    hour, minute = rng.randrange(7, 20), rng.choice((0, 0, 15, 30, 45))
    half = "am" if hour < 12 else "pm"  # noon
    twelve = (hour - 1) % 12 + 1
    spellings = (f"{hour:02d}:{minute:02d}", f"{twelve}:{minute:02d} {half}", f"{twelve}{half}", f"{twelve} o'clock")
    return rng.choice(spellings)


def _date(rng: Random) -> str:
    """Make up a date in one of several spellings."""
    day, month, year = rng.randrange(1, 29), rng.randrange(1, 13), rng.randrange(2015, 2027)
    spellings = (
        f"{year}-{month:02d}-{day:02d}",
        f"{day:02d}/{month:02d}/{year}",
        fill(rng, f"{day} {{month}} {year}"),
        fill(rng, f"{{month}} {day}"),
        fill(rng, f"{{month}} {day}, {year}"),
    )
    return rng.choice(spellings)


def _money(rng: Random) -> str:
    """Make up an amount of money."""
    amount = rng.choice((rng.randrange(5, 100), rng.randrange(100, 5000), rng.randrange(5000, 900_000)))
    return rng.choice(("${:,}", "{:,} EUR", "£{:,}", "€{:,}", "USD {:,}.00", "{:,} dollars")).format(amount)


_MADE: Final[dict[str, Callable[[Random], str]]] = {
    **{f"n{count}": _digits(count) for count in range(1, 8)},
    "email": _email,
    "host": _host,
    "url": _url,
    "time": _time,
    "date": _date,
    "money": _money,
    "phone": lambda rng: f"+{rng.randrange(1, 99)} {rng.randrange(100, 999)} {rng.randrange(1000, 9999)}",
    "iban": lambda rng: f"{rng.choice(('DE', 'GB', 'FR', 'ES'))}{rng.randrange(10**13, 10**14)}",
    "hex": lambda rng: f"{rng.randrange(16**8):08x}",
    "ip": lambda rng: ".".join(str(rng.randrange(1, 255)) for _ in range(4)),
    "iso": lambda rng: f"202{rng.randrange(7)}-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}",
    "clock": lambda rng: f"{rng.randrange(24):02d}:{rng.randrange(60):02d}:{rng.randrange(60):02d}",
}


@cache
def _table() -> dict[str, tuple[str, ...]]:
    """Read the slot values of the bank ``doc_slots``."""
    table = {}
    for line in bank("doc_slots"):
        name, _, values = line.partition("=")
        table[name.strip()] = tuple(value.strip() for value in values.split(" | "))
    return table


def fill(rng: Random, text: str, **fixed: str) -> str:
    """Replace every known ``{slot}`` of ``text``; ``fixed`` overrides slots, unknown marks stay as they are."""

    def value(mark: re.Match[str]) -> str:
        name = mark.group(1)
        if name in fixed:
            return fixed[name]
        if name in _MADE:
            return _MADE[name](rng)
        if name in _table():
            return fill(rng, rng.choice(_table()[name]), **fixed)
        return mark.group(0)

    return _MARK.sub(value, text)


def pick(rng: Random, name: str, **fixed: str) -> str:
    """Draw a phrase from the bank ``name`` and fill its slots."""
    return fill(rng, rng.choice(bank(name)), **fixed)


def some(rng: Random, name: str, least: int, most: int) -> list[str]:
    """Draw ``least`` to ``most`` different phrases from the bank ``name`` and fill their slots."""
    phrases = bank(name)
    count = min(rng.randint(least, most), len(phrases))
    return [fill(rng, phrase) for phrase in rng.sample(phrases, count)]


def _typo(rng: Random, word: str) -> str:
    """Damage one word: swap, drop or double a letter."""
    if len(word) < _MIN_TYPO_LENGTH or not word.isalpha():
        return word
    spot = rng.randrange(1, len(word) - 1)
    swapped = word[:spot] + word[spot + 1] + word[spot] + word[spot + 2 :]
    return rng.choice((swapped, word[:spot] + word[spot + 1 :], word[:spot] + word[spot] + word[spot:]))


def roughen(rng: Random, text: str) -> str:
    """Leave most texts alone; give others small letters, typos, lost full stops or loud letters."""
    draw = rng.random()
    if draw < 0.07:
        return text.lower()
    if draw < 0.15:
        return re.sub(r"[A-Za-z]+", lambda m: _typo(rng, m.group()) if rng.random() < 0.06 else m.group(), text)
    if draw < 0.19:
        return re.sub(r"[.!](?=\s|$)", "", text)
    if draw < 0.205:
        return text.upper()
    return text

"""Harmless running text of any length, written for these measurements; nothing in it is from a data set."""

from __future__ import annotations

import random

_SENTENCES = (
    "The ferry to the island leaves at seven and takes about forty minutes when the sea is calm.",
    "Our quarterly figures were close to the plan, with a small delay in the northern region.",
    "She planted two rows of beans along the fence and a third behind the shed.",
    "The committee met on Tuesday and agreed to repair the roof before winter.",
    "A litre of milk, a dozen eggs and some flour are all you need for the batter.",
    "The new printer on the second floor has been set up, and the old one will be collected on Friday.",
    "He walked home along the canal because the tram was full.",
    "In the first chapter the author describes the village as it was before the railway came.",
    "Please find attached the minutes, the list of people who attended and the updated calendar.",
    "The museum keeps a large collection of maps, some of them drawn by hand four hundred years ago.",
    "Rain is expected in the afternoon, with clear skies and light wind towards the evening.",
    "The second half was better than the first, although neither team scored again.",
    "Invoices are paid within thirty days, and reminders go out at the beginning of each month.",
    "They compared three kinds of insulation and found little difference in price.",
    "My grandmother used to say that bread tastes best on the second day.",
    "The library closes at six on weekdays and at one on Saturdays.",
    "Participants were asked how often they cook at home and what they usually prepare.",
    "The bridge was closed for two weeks while the bearings were replaced.",
    "Version four of the handbook adds a chapter on travel expenses and a short glossary.",
    "Most of the apples were sold at the market; the rest became juice.",
    "The train stopped for a while outside the station, and nobody seemed to know why.",
    "Delivery takes three to five working days, longer for addresses in the mountains.",
    "A good night's sleep, a walk and a proper breakfast did more than any medicine.",
    "The survey covers households in twelve towns and will be repeated next spring.",
)


def filler(characters: int, seed: int = 0) -> str:
    """Return at least ``characters`` characters of whole sentences, each followed by a space; repeats by seed."""
    generator = random.Random(seed)
    parts: list[str] = []
    length = 0
    while length < characters:
        parts.append(generator.choice(_SENTENCES))
        length += len(parts[-1]) + 1
    return "".join(f"{part} " for part in parts)

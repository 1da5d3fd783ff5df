"""A second look at short texts that are not plainly harmless: said twice in a row, they are understood better.

In the second copy every word has the whole text before it. Where only one of the two readings is high, it is more often
by chance; so the mean of both counts, and a little less is asked of it. That asking a language model twice helps it is
known as re-reading (Xu et al., Re-Reading Improves Reasoning in Large Language Models, EMNLP 2024).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from guardsdk.screens.closer import in_doubt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.engine.classifier import Classifier, Request
    from guardsdk.engine.scores import Scores
    from guardsdk.limits import Limits
    from guardsdk.registry.manifest import Repeated
    from guardsdk.screens.base import Reading

LAYER: Final = "repeated"
"""What problems of this layer are told under."""
VIEW: Final = "repeated"
"""The view of a label whose score both readings together carry."""
_BETWEEN: Final = "\n"


def read_twice(
    classifier: Classifier,
    requests: Sequence[Request],
    seen: Sequence[Scores],
    readings: Sequence[Reading],
    *,
    rules: Repeated,
    limits: Limits,
) -> list[Reading]:
    """Return ``readings``, those of what ``classifier`` has ``seen`` in ``requests`` of one stage, after a second look.

    Of short texts that are not plainly harmless the labels that ``rules`` name get the mean log-odds of the text by
    itself and of the text said twice, and what ``rules`` add, where that is more. Raises ``ModelError`` where the model
    cannot be run.
    """
    stage = requests[0].stage
    added = rules.added.get(stage)
    looked = list(readings)
    if not added:
        return looked
    places = [
        place
        for place in in_doubt(classifier, seen, rules.floors.get(stage, {}), limits)
        if len(requests[place].text) <= rules.characters
    ]
    asked = [replace(requests[at], text=_BETWEEN.join([requests[at].text] * 2)) for at in places]
    # By all layers, for the lower ones say nothing that could be added up with what all have said before.
    twice = classifier.score(asked, limits._replace(settled=None, early_exit=False)) if asked else ()
    for place, scores in zip(places, twice, strict=True):
        if scores.windows == 1:
            looked[place] = _joint(looked[place], seen[place], scores, added)
        elif scores.coverage < 1.0:
            problem = LAYER, "the text was not read a second time, the time was up"
            looked[place] = replace(looked[place], problems=(*looked[place].problems, problem))
    return looked


def _joint(reading: Reading, once: Scores, twice: Scores, added: dict[str, float]) -> Reading:
    """Return ``reading`` with the labels that both looks at its text together score higher."""
    higher: dict[str, float] = {}
    for label, more in added.items():
        if label in once.probabilities:
            score = _mean(once.probabilities[label], twice.probabilities[label], more)
            # What is not a number loses against nothing, so it is taken over and found unusable like any other.
            if not score <= reading.scores[label]:
                higher[label] = score
    return replace(
        reading,
        scores={**reading.scores, **higher},
        views={**reading.views, **dict.fromkeys(higher, VIEW)},
    )


def _mean(once: float, twice: float, added: float) -> float:
    """Return the probability at the mean log-odds of two, and ``added`` to it."""
    if not (0.0 < once < 1.0 and 0.0 < twice < 1.0):
        return min(once, twice)
    odds = math.sqrt(once / (1.0 - once) * (twice / (1.0 - twice))) * math.exp(added)
    return odds / (1.0 + odds)

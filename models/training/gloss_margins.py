"""What a gloss must score above the thresholds: ``python -m models.training.gloss_margins --data DIR --model DIR``.

Of harmless text in other languages each label may stop so many that the rate below is kept, as the mean over sources,
of each over its languages, both in ``calib/`` and in everyday sentences, which it has none of. The step ``calibrate``
does it; the command is for lexicons that came later, and writes into the manifest of ``--model``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from guardsdk import Guard, Stage
from guardsdk.limits import UNLIMITED
from guardsdk.policy import default_policy
from guardsdk.registry.lookup import MANIFEST_FILE, load_manifest
from guardsdk.screens.classifier import ClassifierScreen
from guardsdk.surroundings import NOWHERE
from guardsdk.text.clean import clean
from guardsdk.text.lexicon import LANGUAGES
from guardsdk.text.views import views_of
from models.training.adapted import classifier_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from guardsdk.registry.manifest import Manifest

SEED: Final = 20_261_129
ROLES: Final = {"user": Stage.INPUT, "document": Stage.TOOL, "response": Stage.OUTPUT}
RATE: Final = 0.006
"""Share of harmless texts that one label may stop by their gloss alone; all labels of a stage together then stop about
one in a hundred."""
FLAG_RATE: Final = 0.02
FLAGS: Final = {("toxicity", Stage.INPUT), ("refusal", Stage.OUTPUT)}
"""Labels that only flag at a stage, and stop nothing there."""
TOLD: Final = ("prompt_injection", "jailbreak", "harmful_request", "toxicity", "harmful_response", "refusal")
"""Labels of the classifier."""
SPOKEN: Final = "tatoeba_laser"
"""The source of everyday sentences in other languages, of which ``calib/`` has none."""
MOST: Final = 400
"""At most this many texts are read of one source, language and role."""


def pools(data: Path) -> dict[tuple[str, str, Stage], list[str]]:
    """Return up to ``MOST`` texts by source, language and stage, for the languages that have a lexicon.

    They are harmless as far as labelled: ``attack`` and ``harm`` are 0 or unknown.
    """
    known = {code for codes in LANGUAGES.values() for code in codes}
    found: dict[tuple[str, str, Stage], list[str]] = {}
    for path in (*sorted((data / "calib").glob("*.jsonl.gz")), data / "train" / f"{SPOKEN}.jsonl.gz"):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                if row["lang"] in known and not row["attack"] and not row["harm"] and row["role"] in ROLES:
                    found.setdefault((path.name.split(".")[0], row["lang"], ROLES[row["role"]]), []).append(row["text"])
    chance = random.Random(SEED)
    return {key: chance.sample(texts, min(MOST, len(texts))) for key, texts in found.items()}


def with_gloss_margins(model: Path, data: Path) -> Manifest:
    """Return the manifest of ``model`` with the margins that ``data`` asks for."""
    manifest = load_manifest(model).manifest
    found = {stage: {label: margin for label, margin in each.items() if margin} for stage, each in margins(model, data)}
    return manifest.model_copy(update={"gloss_margins": {stage: each for stage, each in found.items() if each}})


def margins(model: Path, data: Path) -> Iterator[tuple[Stage, dict[str, float]]]:
    """Yield each stage with the margins of its labels: log-odds above the threshold that a gloss must score.

    Margins are rounded up to a tenth, and 0 where the threshold alone keeps the label's rate.
    """
    seen: dict[Stage, dict[str, dict[str, list[NDArray[np.float64]]]]] = {}
    with Guard(default_policy(), models=model, providers="cpu") as guard:
        thresholds = {(rule.stage, rule.label): logit(rule.threshold) for rule in guard.info().rules}
    screen, limits = ClassifierScreen(classifier_of(model)), UNLIMITED._replace(early_exit=True)
    for (source, language, stage), texts in sorted(pools(data).items()):
        glosses = [clean(view.text) for text in texts for view in views_of(text) if view.gloss]
        readings = screen.read_within(glosses, stage, [NOWHERE] * len(glosses), limits)
        sys.stderr.write(f"{source} {language} {stage.value}: {len(texts)} texts, {len(glosses)} glosses\n")
        for label in readings[0].scores if readings else ():
            odds = np.array([logit(reading.scores[label]) for reading in readings])
            # A text without a gloss is never stopped by one.
            odds = np.concatenate([odds, np.full(max(0, len(texts) - len(odds)), -np.inf)])
            seen.setdefault(stage, {}).setdefault(label, {}).setdefault(source, []).append(odds)
    for stage, labels in seen.items():
        late = {
            label: _line(by_source, _rate(label, stage)) - thresholds[stage, label]
            for label, by_source in labels.items()
            if (stage, label) in thresholds and label in TOLD
        }
        yield stage, {label: max(0.0, math.ceil(10.0 * margin) / 10.0) for label, margin in late.items()}


def _rate(label: str, stage: Stage) -> float:
    return FLAG_RATE if (label, stage) in FLAGS else RATE


def logit(probability: float) -> float:
    """Return the log-odds of ``probability``."""
    return math.log(max(probability, 1e-9) / max(1.0 - probability, 1e-9))


def _line(by_source: Mapping[str, Sequence[NDArray[np.float64]]], rate: float) -> float:
    """Return the lowest score that at most ``rate`` exceed, both of everyday sentences and of all other sources."""
    found = np.unique(np.concatenate([odds[np.isfinite(odds)] for each in by_source.values() for odds in each]))
    exceeded = {
        source: np.mean([(odds[:, None] > found[None, :]).mean(axis=0) for odds in each], axis=0)
        for source, each in by_source.items()
    }
    spoken = exceeded.pop(SPOKEN, None)
    rates = [*([] if spoken is None else [spoken]), *([np.mean([*exceeded.values()], axis=0)] if exceeded else [])]
    return float(found[np.argmax(np.max(rates, axis=0) <= rate)])


def main() -> None:
    """Write the margins into the manifest of a model."""
    built = argparse.ArgumentParser(prog="python -m models.training.gloss_margins", description=__doc__)
    built.add_argument("--data", type=Path, required=True, help="folder with calib/ and train/")
    built.add_argument("--model", type=Path, required=True, help="folder of the model")
    given = built.parse_args()
    found = with_gloss_margins(given.model, given.data)
    (given.model / MANIFEST_FILE).write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

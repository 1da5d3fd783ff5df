"""The recipe of ``range-ngram``: which words look foreign, from n-grams of ``train/``; about two minutes on one core.

``python -m models.training.language --data DIR --out models/range-ngram``. A logistic regression on the features of
``guardsdk.engine.ngrams``, trained on short runs of words, so that evidence adds up over a passage. Two dozen foreign
languages cannot stand for all of them, so n-grams that only one of them has are often shown as *unseen*, those that
only one English text has always, and what unseen n-grams are worth is learnt as well: that weight fills every bucket
that no foreign text and at most one English text has.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from guardsdk.engine.language import LanguageModel
from guardsdk.engine.ngrams import OFFSETS, TABLE_BITS, words_of
from guardsdk.registry.manifest import Calibration
from models.training.language_card import write_model
from models.training.sources import SOURCES, read_raw
from models.training.thresholds import platt, threshold_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

ENGLISH: Final = (
    *("aart", "advbench", "awesome_prompts_en", "banking77", "bfcl", "chatgpt_refusals", "clinc150"),
    *("code_alpaca_2k", "convabuse", "davidson_hate_offensive", "diasafety", "do_not_answer", "dolly_subset"),
    *("fabric_patterns", "gpteacher", "gpteacher_responses", "gptfuzz_responses", "gsm8k", "harmfulqa"),
    *("hatemoji_build", "mlc_poc_v05", "paradetox", "pyrit_jailbreak_templates", "sap200", "toxigen_human"),
)
"""Chat, questions, code, JSON, prose, slang and abuse; sets known to hold other languages or codes are left out."""
FOREIGN: Final = ("tatoeba_laser", "catqa")
CALIBRATION: Final = ("mbpp", "taskmaster4", "sms_spam", "surge_toxicity", "implicit_hate", "xquad", "stormfront")
"""Sets of ``calib/`` whose English rows set the threshold; some hold other languages, too."""
FOREIGN_CALIBRATION: Final = ("xquad", "goodwiins_multilang_pi")
RATE: Final = 0.005
"""Share of English texts that may be flagged, averaged over sources; the goal is 1 % on unseen text."""
_SCALE: Final = 0.02
_CERTAIN: Final = 20.0
_NAMED: Final = 20
"""Texts a language needs to be named on the card: sources in other scripts hold a few lines in Latin letters."""
_NON_LATIN: Final = 0x250
_UNSEEN: Final = {"en": 1.0, "other": 0.5}
"""How often an n-gram is shown as unseen where no English text but its own, or no language but its own, has it."""
_REPEATS: Final = 6
_WORDS: Final = {"en": (1, 13), "other": (2, 9)}
_EPOCHS, _BATCHES, _STEP, _RIDGE = 12, 24, 0.15, 1e-6


@dataclass(frozen=True, slots=True)
class Text:
    """The prose words of one text as buckets of the n-gram table, word after word."""

    language: str
    buckets: NDArray[np.int64]
    starts: NDArray[np.int64]
    """Start of each word in ``buckets``, then the length of ``buckets``."""


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of words, shuffled and cut into batches."""

    batches: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]]
    """Per batch: buckets, the index of the run that each belongs to, and for each run 1.0 if it is foreign and its
    weight."""


def texts_of(folder: Path, limit: int, chooser: np.random.Generator) -> Iterator[tuple[str, str, str]]:
    """Yield source, language and text: about ``limit`` characters of each English source, and all foreign text.

    Texts are cut at 3000 characters; those that are not mostly in Latin letters are left out.
    """
    for name in (*ENGLISH, *FOREIGN):
        rows = [(raw["lang"] or "en", raw["text"]) for raw in read_raw(folder / f"{name}.jsonl.gz")]
        room = limit
        for place in chooser.permutation(len(rows)):
            language, text = rows[place]
            if _latin(text) and (language != "en") == (name in FOREIGN):
                room -= len(text[:3000]) if language == "en" else 0
                yield name, language, text[:3000]
            if room <= 0:
                break


def _latin(text: str) -> bool:
    """Return whether at least 80 % of the letters are Latin; other scripts need no learning, a character tells them."""
    letters = [character for character in text if character.isalpha()]
    return bool(letters) and sum(ord(letter) >= _NON_LATIN for letter in letters) <= 0.2 * len(letters)


def prose(language: str, text: str) -> Text:
    """Return the words of ``text`` that the screen weighs."""
    words = words_of(text)
    kept = words.plain & ~words.foreign
    inside = kept[words.owners]
    owners = (np.cumsum(kept) - 1)[words.owners[inside]]
    order = np.argsort(owners, kind="stable")
    starts = np.concatenate(([0], np.cumsum(np.bincount(owners, minlength=int(kept.sum())))))
    return Text(language, words.buckets[inside][order], starts)


def rarity(texts: Sequence[Text]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each bucket the number of English texts and the number of other languages that it occurs in."""
    english = np.zeros(OFFSETS[-1], dtype=np.int64)
    others: dict[str, NDArray[np.bool_]] = {}
    for text in texts:
        if text.language == "en":
            english[np.unique(text.buckets)] += 1
        else:
            others.setdefault(text.language, np.zeros(OFFSETS[-1], dtype=np.bool_))[text.buckets] = True
    return english, np.sum([*others.values()], axis=0, dtype=np.int64)


def runs_of(texts: Sequence[Text], chooser: np.random.Generator) -> Runs:
    """Cut texts into runs of words: foreign languages all weigh the same, and together as much as English."""
    english, others = rarity(texts)
    parts: list[NDArray[np.int64]] = []
    languages: list[str] = []
    for text in texts:
        kind = "en" if text.language == "en" else "other"
        here, there = english[text.buckets], others[text.buckets]
        own = (here == 1) & (there == 0) if kind == "en" else (here == 0) & (there == 1)
        for _ in range(1 if kind == "en" else _REPEATS):
            unseen = own & (chooser.random(len(own)) < _UNSEEN[kind])
            shown = np.where(unseen, OFFSETS[-1] + orders()[text.buckets], text.buckets)
            for start, end in _cuts(len(text.starts) - 1, kind, chooser):
                parts.append(shown[text.starts[start] : text.starts[end]])
                languages.append(text.language)
    counts = Counter(languages)
    share = {name: counts["en"] / count / (len(counts) - 1) for name, count in counts.items()} | {"en": 1.0}
    batches = []
    for places in np.array_split(chooser.permutation(len(parts)), _BATCHES):
        runs = np.repeat(np.arange(len(places)), [len(parts[place]) for place in places])
        truth = np.array([float(languages[place] != "en") for place in places])
        weight = np.array([share[languages[place]] for place in places])
        batches.append((np.concatenate([parts[place] for place in places]), runs, truth, weight / weight.sum()))
    return Runs(batches)


def _cuts(words: int, kind: str, chooser: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Yield first and end word of each run: English text is cut up whole, other text gives one run at random."""
    low, high = _WORDS[kind]
    if kind == "en":
        start = 0
        while start < words:
            end = min(words, start + int(chooser.integers(low, high)))
            yield start, end
            start = end
    elif words:
        length = int(chooser.integers(low, high))
        start = int(chooser.integers(0, max(1, words - length + 1)))
        yield start, min(words, start + length)


def orders() -> NDArray[np.int64]:
    """Return for each bucket the index of its n-gram order."""
    return np.repeat(np.arange(len(TABLE_BITS)), [1 << bits for bits in TABLE_BITS])


def fit(texts: Sequence[Text], chooser: np.random.Generator, epochs: int = _EPOCHS) -> NDArray[np.float64]:
    """Return the table: for each bucket, what its n-grams add to the log-odds that a run is foreign.

    Trained by AdaGrad (Duchi et al. 2011) on runs. Buckets of no foreign text and of at most one English text get the
    weight learnt for unseen n-grams of their order.
    """
    runs = runs_of(texts, chooser)
    weights = np.zeros(OFFSETS[-1] + len(TABLE_BITS))
    squares = np.full_like(weights, 1e-6)
    for epoch in range(epochs):
        loss = 0.0
        for buckets, owner, truth, weight in runs.batches:
            logits = np.bincount(owner, weights[buckets], minlength=len(truth))
            loss += float(weight @ (np.logaddexp(0.0, logits) - truth * logits))
            slope = weight * (1.0 / (1.0 + np.exp(-logits)) - truth)
            gradient = np.bincount(buckets, slope[owner], minlength=len(weights)) + _RIDGE * weights
            squares += gradient**2
            weights -= _STEP * gradient / np.sqrt(squares)
        sys.stderr.write(f"\repoch {epoch + 1} of {epochs}, loss {loss / _BATCHES:.4f}")
    sys.stderr.write("\n")
    english, others = rarity(texts)
    table = weights[: OFFSETS[-1]].copy()
    never = (others == 0) & (english <= 1)
    table[never] = weights[OFFSETS[-1] :][orders()[never]]
    return table


def quantized(table: NDArray[np.float64]) -> NDArray[np.int8]:
    """Return ``table`` in int8 steps of ``_SCALE``, clipped to +-127 of them."""
    return np.clip(np.rint(table / _SCALE), -127, 127).astype(np.int8)


def calibrated(weights: NDArray[np.int8], folder: Path, chooser: np.random.Generator, limit: int) -> Calibration:
    """Fit the slope on ``calib/``, and put a probability of 0.5 where ``RATE`` of its English texts are flagged."""
    model = LanguageModel(weights, _SCALE, Calibration(slope=1.0, intercept=0.0))
    english, foreign = [], []
    for name in dict.fromkeys((*CALIBRATION, *FOREIGN_CALIBRATION)):
        rows = list(read_raw(folder / f"{name}.jsonl.gz"))
        chosen = [rows[place] for place in chooser.permutation(len(rows))[:limit]]
        scores = np.array([model.look(raw["text"]).evidence for raw in chosen])
        is_english = np.array([raw["lang"] in {"en", None} for raw in chosen])
        english += [scores[is_english]] if name in CALIBRATION else []
        foreign += [scores[~is_english]] if name in FOREIGN_CALIBRATION else []
    line = threshold_at(RATE, english)
    # Clipped, as a text without a letter has a score of minus infinity.
    slope = platt(*(np.clip(np.concatenate(scores), -_CERTAIN, _CERTAIN) for scores in (foreign, english))).slope
    sys.stderr.write(f"line at {line:.2f} log-odds, {np.mean(np.concatenate(foreign) >= line):.1%} foreign beyond it\n")
    return Calibration(slope=slope, intercept=-slope * line)


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = argparse.ArgumentParser(prog="python -m models.training.language", description=__doc__)
    built.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with train/ and calib/")
    built.add_argument("--out", type=Path, required=True, help="folder for the table, its manifest and its card")
    built.add_argument("--version", default="1.0.0", help="version written to the manifest")
    built.add_argument("--characters", type=int, default=200_000, help="of each English source")
    built.add_argument("--calibrate-on", type=int, default=500, help="at most this many texts of each set")
    built.add_argument("--seed", type=int, default=0)
    return built


def main(argv: Sequence[str] | None = None) -> int:
    """Train, calibrate and write the model; returns 0, or 2 with a message on stderr where data is missing."""
    options = parser().parse_args(argv)
    chooser = np.random.default_rng(options.seed)
    try:
        read = list(texts_of(options.data / "train", options.characters, chooser))
        weights = quantized(fit([prose(language, text) for _, language, text in read], chooser))
        limit = options.calibrate_on
        calibration = calibrated(weights, options.data / "calib", np.random.default_rng(options.seed), limit)
    except FileNotFoundError as error:
        sys.stderr.write(f"language: {error}\n")
        return 2
    spoken = Counter(language for _, language, _ in read)
    write_model(
        options.out,
        weights,
        scale=_SCALE,
        calibration=calibration,
        sources={name: (count, SOURCES[name].licence) for name, count in Counter(name for name, _, _ in read).items()},
        languages=sorted(name for name, count in spoken.items() if name != "en" and count >= _NAMED),
        version=options.version,
        rate=RATE,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Measure taught screens on topics nothing was tuned on: recall at one false positive in a hundred, by examples.

Example: ``python -m benchmarks.teach --data DIR``. Reads ``train/`` and ``calib/``, never ``bench/``. No text is
printed.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from tqdm import tqdm

from benchmarks.command import command
from benchmarks.data import load
from guardsdk.engine.classifier import Classifier, Request
from guardsdk.engine.heads import Heads
from guardsdk.intervals import wilson
from guardsdk.registry.lookup import find_model, load_manifest
from guardsdk.settings import Settings
from guardsdk.teaching.bank import packaged_bank
from guardsdk.teaching.embedding import embeddings
from guardsdk.teaching.learn import Examples, learn
from guardsdk.verdict import Action, Stage
from models.training.teaching_bank import benign_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

SETS: Final = {"clinc150": "train", "banking77": "train", "aart": "train", "catqa": "train", "owasp_aitg": "calib"}
"""Set to its part: intents of assistants and of a bank, and three lists of hazards by category."""
COUNTS: Final = (5, 10, 20, 50)
RATE: Final = 0.01
_NEW: Final = 40
"""Violating texts a screen is tried on, at most; a topic needs a third of it."""
_OTHERS: Final = 400
"""Texts of other topics, of each set, that must pass."""
_LONGEST: Final = 2_000
_WORD: Final = re.compile(r"[a-z]{3,}")
RESULTS: Final = Path("benchmarks/results/teach.json")
COST: Final = Path("benchmarks/results/teach-cost.json")
"""What ``benchmarks.teach_cost`` measured, which stands on the same page."""
PAGE: Final = Path("docs/teaching-figures.md")


@dataclass(frozen=True, slots=True)
class Text:
    """One text and what it is about."""

    topic: str
    text: str = field(repr=False)


@dataclass(slots=True)
class Found:
    """What one way of screening does on one set at one number of examples, over all topics."""

    hits: int = 0
    total: int = 0
    hits_all: int = 0
    """The same where the false positives are counted on the other topics of all sets."""

    def add(self, scores: NDArray[np.float64], same: NDArray[np.float64], every: NDArray[np.float64]) -> None:
        """Count the violating texts above the line that one in a hundred of the others reaches."""
        self.hits += int((scores > _line(same)).sum())
        self.hits_all += int((scores > _line(every)).sum())
        self.total += len(scores)


def _line(scores: NDArray[np.float64]) -> float:
    return float(np.sort(scores)[::-1][int(len(scores) * RATE)])


def texts_of(path: Path, topics: int, rng: random.Random) -> tuple[list[Text], list[Text]]:
    """Return the texts of ``topics`` topics drawn from a set, and texts of its other topics."""
    by_topic: dict[str, dict[str, None]] = {}
    for row in load(path):
        if row.categories and row.language in {None, "en"} and len(row.text) <= _LONGEST:
            by_topic.setdefault(row.categories[0], {})[row.text] = None
    large = sorted(topic for topic, rows in by_topic.items() if len(rows) >= COUNTS[1] + _NEW // 3 and topic != "oos")
    chosen = rng.sample(large, min(topics, len(large) - 1))
    own = []
    for topic in chosen:
        rows = sorted(by_topic[topic])
        own += [Text(topic, text) for text in rng.sample(rows, min(len(rows), COUNTS[-1] + _NEW))]
    rest = sorted((topic, text) for topic, rows in by_topic.items() if topic not in chosen for text in rows)
    others = [Text(*pair) for pair in rng.sample(rest, min(len(rest), _OTHERS + COUNTS[-1]))]
    return own, others


class Bench:
    """The embeddings of all texts, and the three ways to screen with a few of them."""

    def __init__(self, classifier: Classifier) -> None:
        """Embed with ``classifier``."""
        self._classifier = classifier
        self._bank = packaged_bank()
        ordinary = benign_texts()[Stage.INPUT]
        self._usual = Counter(word for text in ordinary for word in set(_words(text)))
        self._ordinary = len(ordinary)

    def embedded(self, texts: Sequence[Text]) -> NDArray[np.float32]:
        """Return the embeddings [N, H] of ``texts``."""
        return embeddings(self._classifier, (Request(one.text, Stage.INPUT) for one in texts))

    def taught(
        self, violates: NDArray[np.float32], allowed: NDArray[np.float32], rows: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], float, bool]:
        """Return log-odds of ``rows``, the line the lesson drew itself, and whether it is armed."""
        lesson = learn(
            "topic",
            Examples(violates[None], allowed[None]),
            self._bank,
            text="Measured.",
            stages=(Stage.INPUT,),
            action=Action.FLAG,
            fpr=RATE,
        )
        chance = min(max(lesson.threshold, 1e-9), 1.0 - 1e-9)
        line = (np.log(chance / (1.0 - chance)) - lesson.calibration.intercept) / lesson.calibration.slope
        scores = np.array(Heads([lesson.head]).beside([[] for _ in rows], rows))[:, 0] + lesson.intercept
        return scores, float(line), lesson.armed

    def keywords(self, violates: Sequence[Text], allowed: Sequence[Text], rows: Sequence[Text]) -> NDArray[np.float64]:
        """Score ``rows`` by the words that are frequent in violating texts and in no allowed one: a good keyword list.

        A word weighs as much as it is rarer in ordinary text than in violating text.
        """
        ours = Counter(word for one in violates for word in set(_words(one.text)))
        theirs = {word for one in allowed for word in _words(one.text)}
        weights = {
            word: np.log((times / len(violates)) / ((self._usual[word] + 0.5) / self._ordinary))
            for word, times in ours.items()
            if word not in theirs and times >= (2 if len(violates) > COUNTS[0] else 1)
        }
        return np.array([sum(weights.get(word, 0.0) for word in set(_words(one.text))) for one in rows])


def nearest(violates: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Score ``rows`` by the cosine to the most similar violating example."""
    best: NDArray[np.float64] = (rows @ violates.T).max(axis=1).astype(np.float64)
    return best


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def measure(bench: Bench, data: Path, topics: int, seed: int) -> dict[str, Any]:
    """Return the figures of every set, number of examples and way to screen."""
    rng = random.Random(seed)
    drawn = {name: texts_of(data / part / f"{name}.jsonl.gz", topics, rng) for name, part in SETS.items()}
    vectors = {name: tuple(bench.embedded(part) for part in parts) for name, parts in tqdm(drawn.items(), desc="embed")}
    # The first texts of other topics are examples of what is allowed, the rest is what must pass.
    every = np.concatenate([others[COUNTS[-1] :] for _, others in vectors.values()])
    every_text = [one for _, others in drawn.values() for one in others[COUNTS[-1] :]]
    rows = []
    for name, (own, others) in drawn.items():
        own_vectors, other_vectors = vectors[name]
        for count in COUNTS:
            ways = {way: Found() for way in ("taught", "keywords", "nearest")}
            armed = lessons = shipped = tried = flagged = 0
            for places in _topics(own, count):
                train, new = places[:count], places[count:]
                allowed, rest = other_vectors[:count], other_vectors[COUNTS[-1] :]
                stacked = np.concatenate([own_vectors[new], rest, every])
                scores, line, fits = bench.taught(own_vectors[train], allowed, stacked)
                cuts = (len(new), len(new) + len(rest))
                ways["taught"].add(*np.split(scores, cuts))
                ways["nearest"].add(*np.split(nearest(own_vectors[train], stacked), cuts))
                shown = [*(own[place] for place in new), *others[COUNTS[-1] :], *every_text]
                words = bench.keywords([own[place] for place in train], others[:count], shown)
                ways["keywords"].add(*np.split(words, cuts))
                lessons, armed = lessons + 1, armed + fits
                if fits:
                    shipped += int((scores[: len(new)] >= line).sum())
                    tried += len(new)
                    flagged += int((scores[cuts[1] :] >= line).sum())
            if lessons:
                rows.append(
                    {
                        "set": name,
                        "examples": count,
                        "topics": lessons,
                        "new": ways["taught"].total,
                        "same": {way: found.hits for way, found in ways.items()},
                        "all": {way: found.hits_all for way, found in ways.items()},
                        "armed": armed,
                        "armed_found": shipped,
                        "armed_new": tried,
                        "armed_flagged": flagged,
                        "armed_others": armed * len(every),
                    }
                )
    return {"model": bench_model(bench), "rate": RATE, "seed": seed, "rows": rows}


def bench_model(bench: Bench) -> dict[str, str]:
    """Name the model that was measured."""
    ref = bench._classifier.model.ref  # noqa: SLF001  same file
    return {"name": ref.name, "version": ref.version, "digest": ref.digest}


def _topics(own: Sequence[Text], count: int) -> Iterator[list[int]]:
    """Yield for each topic that is large enough the places of its texts."""
    for topic in dict.fromkeys(one.topic for one in own):
        places = [place for place, one in enumerate(own) if one.topic == topic]
        if len(places) >= count + _NEW // 3:
            yield places[: count + _NEW]


def page(result: dict[str, Any], cost: dict[str, Any] | None) -> str:
    """Return the figures as a page, with what taught screens cost where that was measured."""
    model = result["model"]
    lines = [
        "# Figures of taught screens",
        "",
        f"Model `{model['name']}` {model['version']} (digest `{model['digest'][:16]}`), seed {result['seed']}. The",
        "table shows the share of new texts of a topic that are found, at a false positive rate of one in a hundred on",
        "the texts of other topics. Topics were drawn from sets that the screens were not taught on. *Same set* counts",
        "false positives on the other topics of the set alone, which are the hard ones (another intent of the same",
        "bank, another hazard); *all* counts them on those of all sets together. *Keywords* is a list of the words",
        "that speak most for the examples; *nearest* is the cosine to the closest example. All were given the same",
        "violating and as many allowed examples. Intervals are 95 % (Wilson).",
        "",
        "| set | examples | topics | same set, taught, % | keywords | nearest | all, taught, % | keywords | nearest |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in result["rows"]:
        cells = []
        for kind in ("same", "all"):
            share = wilson(row[kind]["taught"], row["new"])
            cells.append(f"{100 * share.rate:.1f} [{100 * share.low:.1f}, {100 * share.high:.1f}]")
            cells += [f"{100 * row[kind][way] / row['new']:.1f}" for way in ("keywords", "nearest")]
        lines.append(f"| `{row['set']}` | {row['examples']} | {row['topics']} | {' | '.join(cells)} |")
    lines += [
        "",
        "What a lesson does at its own threshold, set on the packaged bank for one in a hundred, unless refused:",
        "",
        "| set | examples | accepted | found, % | flagged of other topics, all sets, % |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for row in result["rows"]:
        found = f"{100 * row['armed_found'] / row['armed_new']:.1f}" if row["armed_new"] else "n/a"
        flagged = f"{100 * row['armed_flagged'] / row['armed_others']:.2f}" if row["armed_others"] else "n/a"
        lines.append(
            f"| `{row['set']}` | {row['examples']} | {row['armed']} of {row['topics']} | {found} | {flagged} |"
        )
    if cost is not None:
        lines += _cost(cost)
    return "\n".join(lines) + "\n"


def _cost(cost: dict[str, Any]) -> list[str]:
    lines = [
        "",
        f"The overhead of {cost['screens']} taught screens in a check, in microseconds of processor time, measured by",
        f"`python -m benchmarks.teach_cost --data DIR`: {cost['texts']} texts of `{cost['set']}` on which none fires,",
        f"the fastest of {cost['rounds']} checks each, with and without the screens taking turns, with recorded runs",
        "of the model and no cache:",
        "",
        "| guard | without | added, mean | median | middle half of the texts |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for way, found in cost["added"].items():
        name = "default" if way == "as it comes" else way
        lines.append(
            f"| {name} | {found['without_us']:.0f} | {found['mean_us']:.1f} | {found['median_us']:.1f} "
            f"| {found['low_us']:.1f} to {found['high_us']:.1f} |"
        )
    return lines


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--data", type=Path, required=True, help="folder that holds train/ and calib/")
    made.add_argument("--topics", type=int, default=8, help="topics drawn of each set (default: 8)")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--out", type=Path, default=RESULTS)
    made.add_argument("--markdown", type=Path, default=PAGE)
    return made


@command(parser)
def main(options: argparse.Namespace) -> None:
    """Measure and write the figures down."""
    model = load_manifest(find_model(None, Settings()))
    result = measure(Bench(Classifier(model, "cpu", None)), options.data, options.topics, options.seed)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    shown = page(result, json.loads(COST.read_text(encoding="utf-8")) if COST.exists() else None)
    options.markdown.write_text(shown, encoding="utf-8")
    print(shown)


if __name__ == "__main__":
    raise SystemExit(main())

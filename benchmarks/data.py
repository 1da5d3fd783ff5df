"""Reads the rows to measure, samples them with a seed, and splits them into groups and slices.

No row is ever printed.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

StageName = Literal["input", "tool", "output"]
Column = Literal["attack", "harm", "refusal"]

STAGES: dict[str, StageName] = {"user": "input", "document": "tool", "response": "output"}
"""Role of a row to the stage it is checked at."""
COLUMNS: tuple[Column, ...] = ("attack", "harm", "refusal")
TOXIC_SETS = ("hatecheck", "multilingual_hatecheck", "toxicchat", "openai_moderation", "own_casual_prompts")
"""Sets whose ``harm`` means toxic or hateful language, so the toxicity flag is measured on them as well."""
_LENGTHS = ((100, "under 100"), (500, "100 to 499"), (2000, "500 to 1,999"))
_ENCODED = re.compile(r"^[A-Za-z0-9+/=_-]{40,}$|(?:[0-9a-fA-F]{2}[\s:]?){24,}|[01\s]{64,}")
_CODE = re.compile(
    r"```|^\s*(?:def |class |import |from \w+ import|#include|function |const |public |SELECT )", re.MULTILINE
)
_MARKUP = re.compile(r"<(?:[a-zA-Z]\w*|/[a-zA-Z]\w*)[^<>]{0,200}>")
_MARKDOWN = re.compile(r"^(?:#{1,6} |[-*] |\d+\. |\|)", re.MULTILINE)
_MARKDOWN_LINES = 2


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled text; a label that is ``None`` says nothing."""

    source: str
    stage: StageName
    text: str = field(repr=False)
    context: str | None = field(repr=False)
    attack: int | None
    harm: int | None
    refusal: int | None
    family: str | None = None
    language: str | None = None
    categories: tuple[str, ...] = ()
    weight: float = 1.0
    """How many rows of its whole set this one stands for: above 1 where a sample was taken."""

    @property
    def key(self) -> str:
        """Digest of what is checked, so that a result can be stored without its text."""
        shown = json.dumps([self.stage, self.beside, self.text])
        return hashlib.blake2b(shown.encode(), digest_size=12).hexdigest()

    @property
    def beside(self) -> str | None:
        """What the text is checked beside: the prompt of an answer, or the instructions that a prompt is aimed at.

        The context of a prompt holds instructions if the set is about attacks. If it is about harm, it is a passage
        that the request refers to, and that of a document is a question: neither is given to a check.
        """
        read = self.stage == "output" or (self.stage == "input" and self.attack is not None)
        return self.context if read else None

    def label(self, column: Column) -> int | None:
        """Value of one label column."""
        return {"attack": self.attack, "harm": self.harm, "refusal": self.refusal}[column]


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one set and stage that share the value of one label: the unit a figure is given for."""

    source: str
    split: str
    """Empty for the whole set, else the part of it, such as ``en``."""
    stage: StageName
    label: str
    """Label column, several joined with ``+`` where they hold for the same rows, or ``none``."""
    positive: bool | None
    """None where the rows carry no label."""
    rows: tuple[Row, ...] = field(repr=False)


def _english(row: Row) -> str:
    return "en" if row.language == "en" else "other languages"


def _copyright(row: Row) -> str:
    return "copyright only" if "copyright" in row.categories else "without copyright"


SPLITS: dict[str, Callable[[Row], str]] = {
    "ailuminate_demo": lambda row: row.language or "?",
    "cyberseceval_frr": _english,
    "cyberseceval_prompt_injection": _english,
    "harmbench": _copyright,
    "mgsm": _english,
}
"""Sets that are reported in parts as well as whole."""


def parse(source: str, line: str) -> Row:
    """Build a row from one JSON line. Raises ``KeyError`` or ``ValueError`` where a field is missing or unknown."""
    raw = json.loads(line)
    categories = raw.get("harm_categories") or ()
    return Row(
        source=source,
        stage=STAGES[raw["role"]],
        text=raw["text"],
        context=raw.get("context"),
        attack=raw.get("attack"),
        harm=raw.get("harm"),
        refusal=raw.get("refusal"),
        family=raw.get("attack_family"),
        language=raw.get("lang"),
        categories=(categories,) if isinstance(categories, str) else tuple(categories),
    )


def sources(directory: Path, wanted: Iterable[str] = ()) -> list[Path]:
    """Files of ``directory``, all or those ``wanted`` by name. Raises ``FileNotFoundError`` naming what is missing."""
    found = {path.name.removesuffix(".jsonl.gz"): path for path in sorted(directory.glob("*.jsonl.gz"))}
    names = list(wanted) or list(found)
    missing = [name for name in names if name not in found]
    if missing or not found:
        msg = f"{directory} holds no {', '.join(missing) or '*.jsonl.gz files'}"
        raise FileNotFoundError(msg)
    return [found[name] for name in names]


def load(path: Path, limit: int | None = None, seed: int = 0) -> list[Row]:
    """Read one set; with ``limit``, at most that many rows of each stage and combination of labels, by seed."""
    name = path.name.removesuffix(".jsonl.gz")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [parse(name, line) for line in lines if line.strip()]
    return rows if limit is None else sample(rows, limit, seed)


def sample(rows: Sequence[Row], limit: int, seed: int) -> list[Row]:
    """Keep at most ``limit`` rows of each stratum: set, reported part, stage and labels. Repeats by seed.

    A kept row's weight is the size of its stratum over the number of rows kept of it, so that weighted figures are of
    the whole set with its own class balance, whatever the limit.
    """
    strata: dict[tuple[str, str, str, str], list[int]] = {}
    for index, row in enumerate(rows):
        labels = ",".join(str(row.label(column)) for column in COLUMNS)
        part = SPLITS[row.source](row) if row.source in SPLITS else ""
        strata.setdefault((row.source, part, row.stage, labels), []).append(index)
    kept: dict[int, float] = {}
    for stratum, indices in strata.items():
        chooser = random.Random(f"{seed}:{stratum}")
        chosen = indices if len(indices) <= limit else chooser.sample(indices, limit)
        kept.update(dict.fromkeys(chosen, len(indices) / len(chosen)))
    return [replace(rows[index], weight=kept[index]) for index in sorted(kept)]


def members(rows: Sequence[Row], column: Column, *, positive: bool) -> tuple[int, ...]:
    """Indices with this label; a negative must carry no other label that calls it bad."""
    wanted = [index for index, row in enumerate(rows) if row.label(column) == int(positive)]
    if not positive and column != "refusal":
        wanted = [index for index in wanted if rows[index].attack != 1 and rows[index].harm != 1]
    return tuple(wanted)


def groups(rows: Sequence[Row]) -> list[Group]:
    """Cut the rows of one set into groups; labels that hold for the very same rows share one group."""
    found: list[Group] = []
    for stage in dict.fromkeys(row.stage for row in rows):
        at_stage = [row for row in rows if row.stage == stage]
        by_split: dict[str, list[Row]] = {"": at_stage}
        if split := SPLITS.get(at_stage[0].source):
            for row in at_stage:
                by_split.setdefault(split(row), []).append(row)
        for name, part in by_split.items():
            found += _groups_of(part, name)
    return found


def _groups_of(rows: Sequence[Row], split: str) -> list[Group]:
    source, stage = rows[0].source, rows[0].stage
    merged: dict[tuple[bool, tuple[int, ...]], list[str]] = {}
    for positive in (True, False):
        for column in COLUMNS:
            indices = members(rows, column, positive=positive)
            if indices:
                merged.setdefault((positive, indices), []).append(column)
    found = [
        Group(source, split, stage, "+".join(columns), positive, tuple(rows[index] for index in indices))
        for (positive, indices), columns in merged.items()
    ]
    bare = tuple(row for row in rows if all(row.label(column) is None for column in COLUMNS))
    return [*found, Group(source, split, stage, "none", None, bare)] if bare else found


def length_bucket(row: Row) -> str:
    """Bucket by number of characters."""
    return next((name for bound, name in _LENGTHS if len(row.text) < bound), "2,000 or more")


def text_format(row: Row) -> str:
    """Rough format of a text: ``json``, ``encoded``, ``code``, ``markup``, ``markdown`` or ``plain``."""
    text = row.text.strip()
    if text[:1] in {"{", "["}:
        try:
            json.loads(text)
        except ValueError:
            pass
        else:
            return "json"
    for name, pattern in (("encoded", _ENCODED), ("code", _CODE), ("markup", _MARKUP)):
        if pattern.search(text):
            return name
    return "markdown" if len(_MARKDOWN.findall(text)) >= _MARKDOWN_LINES else "plain"


SLICES: dict[str, Callable[[Row], str]] = {
    "language": lambda row: row.language or "not stated",
    "length (characters)": length_bucket,
    "attack family": lambda row: row.family or "not stated",
    "format": text_format,
}
"""Name of a way to slice to the function that gives a row's slice."""

"""Texts for calibration: pools of one source, stage and known label, from ``calib/`` and held-out rows."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from models.training.clusters import cluster_ids
from models.training.prepare import HELD_OUT_FILE
from models.training.rows import Row
from models.training.sources import read_raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

ATTACK_LABELS = ("prompt_injection", "jailbreak")
PER_SOURCE = 1500
PER_SOURCE_CHARACTERS = 900_000
"""Cap on the characters of a pool, as long documents take long to score."""
BURIED_PER_SOURCE = 60
_BESIDE = ("input", "output")
"""Stages at which a text has a context: a prompt its system text, an answer its prompt."""
_SET_BESIDE = ("taskmaster4", "promptscan_prompts")
"""Pools of harmless prompts that are also read with system texts of ``tensor_trust`` as their context. These are in
English, and so are the prompts: the Spanish ones of ``promptscan_prompts`` are a pool of another name."""
_SAID = ("taskmaster4", "surge_toxicity")
"""Collections whose harmless texts serve as both prompts and answers: they are what people say, quietly and loudly,
which no assistant of ``calib/`` sounds like. The harmless texts of the two other collections with toxic text are harsh
talk about groups that only just misses the label."""
_WINDOW_CHARACTERS = 900
"""Roughly the characters of one window."""
HELD_OUT_PER_SOURCE = 150
"""At most this many texts of a held-out pool: they are positives, and a share of them needs fewer texts than a
threshold in the tail of benign text does."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Texts of one source and stage with the same known labels."""

    source: str
    stage: str
    label: str | None
    """The one label these are positives of; None for benign text, negative of every label of the stage."""
    texts: tuple[tuple[str, str | None], ...]
    """Text and context."""
    negative_of: tuple[str, ...] | None = None
    """For benign text, the labels it is known not to be; None for every label of its stage."""


def _raw(data: Path, name: str) -> list[dict[str, Any]]:
    return [raw for raw in read_raw(data / "calib" / f"{name}.jsonl.gz") if raw["text"].strip()]


def _pool(
    name: str, stage: str, label: str | None, rows: Iterable[dict[str, Any]], seed: int, *, most: int = PER_SOURCE
) -> Pool:
    texts = [(raw["text"], raw["context"] if stage in _BESIDE else None) for raw in rows]
    order = np.random.default_rng(seed).permutation(len(texts))[:most]
    sizes = np.cumsum([len(texts[at][0]) for at in order])
    picked = order[: max(1, int(np.searchsorted(sizes, PER_SOURCE_CHARACTERS)))]
    return Pool(name, stage, label, tuple(texts[at] for at in sorted(picked)))


def _apart_from_attacks(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Drop "benign" rows that are near-duplicates of attacks of the same collection: mislabelled copies."""
    clusters = cluster_ids([raw["text"] for raw in rows])
    attacked = {cluster for raw, cluster in zip(rows, clusters, strict=True) if raw["attack"]}
    return [raw for raw, cluster in zip(rows, clusters, strict=True) if raw["attack"] == 0 and cluster not in attacked]


def _beside(pool: Pool, systems: Sequence[str], seed: int) -> Pool:
    """Give harmless prompts unrelated system texts as context, which must not make attacks of them."""
    drawn = np.random.default_rng(seed).integers(0, len(systems), len(pool.texts))
    texts = tuple((text, systems[at]) for (text, _), at in zip(pool.texts, drawn, strict=True))
    return replace(pool, source=f"{pool.source} beside system texts", texts=texts)


def _language(name: str, raw: dict[str, Any]) -> str:
    """Return the language of a row of a bilingual collection, which gets a pool per language; empty for others."""
    return raw["lang"] or "" if name in {"llamafactory_demo", "promptscan_prompts"} else ""


def pools(data: Path, seed: int, *, system_texts: bool = False) -> list[Pool]:
    """Read ``calib/`` into pools of known labels.

    The benign rows of the two attack collections are known not to be attacks; whether they ask for harm is not known.
    With ``system_texts`` harmless prompts are also read with unrelated system texts as context, see ``_SET_BESIDE``.
    """
    made = []
    plain = {"taskmaster4": "input", "mbpp": None, "llamafactory_demo": None, "xquad": None, "sms_spam": "tool"}
    stage_of = {"user": "input", "document": "tool", "response": "output"}
    for name, only in plain.items():
        rows = _raw(data, name)
        for role, language in sorted({(raw["role"], _language(name, raw)) for raw in rows}):
            chosen = [raw for raw in rows if (raw["role"], _language(name, raw)) == (role, language)]
            made.append(_pool(f"{name} {language}".strip(), only or stage_of[role], None, chosen, seed))
        if name in _SAID:
            made.append(_pool(name, "output", None, rows, seed))
    for name, label in (("neuralchemy_pi", "prompt_injection"), ("promptscan_prompts", "jailbreak")):
        rows = _raw(data, name)
        clean = _apart_from_attacks(rows)
        for language in sorted({_language(name, raw) for raw in clean}):
            chosen = [raw for raw in clean if _language(name, raw) == language]
            pool = _pool(f"{name} {language}".strip(), "input", None, chosen, seed)
            made.append(replace(pool, negative_of=ATTACK_LABELS))
        made.append(_pool(name, "input", label, [raw for raw in rows if raw["attack"]], seed))
    aimed = _raw(data, "tensor_trust")
    made.append(_pool("tensor_trust", "input", "prompt_injection", aimed, seed))
    if system_texts:
        systems = [raw["context"] for raw in aimed if raw["context"]]
        harmless = [pool for pool in made if pool.label is None and pool.source in _SET_BESIDE]
        made += [_beside(pool, systems, seed) for pool in harmless]
    asked = _raw(data, "owasp_aitg")
    made.append(_pool("owasp_aitg", "input", "harmful_request", [raw for raw in asked if raw["harm"]], seed))
    for name in ("surge_toxicity", "implicit_hate", "stormfront"):
        rows = _raw(data, name)
        toxic = [raw for raw in rows if raw["harm"]]
        made.extend(_pool(name, stage, "toxicity", toxic, seed) for stage in ("input", "output"))
        if name in _SAID:
            clean = [raw for raw in rows if raw["harm"] == 0]
            made.append(_pool(name, "output", None, clean, seed))
            # It is not known whether these comments ask for anything.
            made.append(replace(_pool(name, "input", None, clean, seed), negative_of=("toxicity",)))
    return made


def buried(known: Sequence[Pool], seed: int) -> list[Pool]:
    """Return positives of every pool, each put into up to a window of harmless text of its stage.

    The more harmless text surrounds an attack, the less of it the lower layers see: early-exit bounds are set on such
    texts too.
    """
    rng = np.random.default_rng(seed)
    made = []
    for pool in known:
        harmless = [text for one in known if one.label is None and one.stage == pool.stage for text, _ in one.texts]
        if pool.label is None or not harmless:
            continue
        texts = []
        for at in rng.permutation(len(pool.texts))[:BURIED_PER_SOURCE]:
            text, context = pool.texts[at]
            room = int(rng.integers(100, _WINDOW_CHARACTERS))
            before = int(rng.integers(0, room + 1))
            around = " ".join(harmless[int(one)] for one in rng.integers(0, len(harmless), 12))
            texts.append((f"{around[:before]} {text[:_WINDOW_CHARACTERS]} {around[before:room]}", context))
        made.append(Pool(f"buried {pool.source}", pool.stage, pool.label, tuple(texts)))
    return made


def held_out_pools(out: Path, seed: int, *, everything: bool = False) -> list[Pool]:
    """Return positives that ``calib/`` lacks, from groups of the training data that were never trained on.

    With ``everything`` it returns the positives of every label and one pool of clean text per stage.
    """
    lacking = {
        ("prompt_injection", "tool"),
        ("harmful_request", "input"),
        ("harmful_response", "output"),
        ("refusal", "output"),
    }
    found: dict[tuple[str, str, str | None], list[dict[str, Any]]] = {}
    with (out / HELD_OUT_FILE).open(encoding="utf-8") as lines:
        for line in lines:
            row = Row(**json.loads(line))
            raw = {"text": row.text, "context": row.context}
            for label in (name for name, value in row.labels.items() if value):
                if everything or (label, row.stage) in lacking:
                    found.setdefault((row.source, row.stage, label), []).append(raw)
            if everything and not any(row.labels.values()):
                found.setdefault(("text", row.stage, None), []).append(raw)
    return [
        _pool(f"held-out {source}", stage, label, rows, seed, most=HELD_OUT_PER_SOURCE)
        for (source, stage, label), rows in found.items()
    ]

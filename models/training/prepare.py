"""Prepare step: read the sources, generate our own text, drop overlaps, split by cluster, tokenize."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from dataclasses import asdict, replace
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from tokenizers import Tokenizer
from tqdm import tqdm

from models.training.clusters import Overlap
from models.training.dataset import MASKED, Prepared, room_of
from models.training.generated import Material, generate_all
from models.training.generators import hard, systems
from models.training.rows import LABELS, STAGES, Row
from models.training.sources import SOURCES, load_source, read_raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

MAX_CHARACTERS = 6000
"""Characters that a row keeps of its text; windows are drawn from them anew each epoch."""
HELD_OUT = 0.04
SPLIT = 20261123
"""Salt of the held-out split: the same for every seed, so that a run that continues another keeps its held-out
groups."""
HELD_OUT_FILE = "held_out.jsonl"
SHOWN_FILE = "shown.jsonl.gz"
"""Text and context of every row as in its first window, for a teacher with a vocabulary of its own."""
SHOWN_CONTEXT = 700
"""Characters kept of a longer context in that file, half from its start and half from its end."""
TOKENIZER = Path(__file__).parents[1] / "guard-minilm-l6" / "tokenizer.json"
UNCAPPED = 1_000_000_000
AIMED = 30_000
"""Prompts generated with the system text they are aimed at as context, where system texts are asked for."""
BESIDE_SYSTEM = 0.15
"""Share of the other user texts without context that then get an unrelated system text, which changes no label."""


def tokenizer() -> Tokenizer:
    """Return the tokenizer that ships.

    It is the base model's without truncation and padding; compatibility forms are folded first (NFKC), and symbols are
    split off: with an emoji glued to it, a word would be one unknown token and thus unseen.
    """
    made: Tokenizer = Tokenizer.from_file(str(TOKENIZER))
    made.encode_special_tokens = True  # "[SEP]" in a text is text, here as in the engine
    return made


def prepare(
    data: Path | None,
    out: Path,
    *,
    seed: int,
    scale: float = 1.0,
    held_out: float = HELD_OUT,
    system_texts: bool = False,
) -> Prepared:
    """Write ``prepared.npz`` below ``out`` from the ``train/`` folder of ``data`` and the project's own generators.

    Without ``data`` only generated text is used (the smoke run). ``scale`` multiplies the amount of generated text;
    ``held_out`` is the share of groups that is never trained on. With ``system_texts`` prompts aimed at a system text
    are added with that context, and some other prompts get an unrelated one. Generated rows that overlap ``bench/`` or
    ``calib/`` are dropped; nothing else is ever read from there.
    """
    rng = random.Random(seed)
    rows: list[Row] = []
    if data is not None:
        for name in tqdm(SOURCES, desc="sources", unit="file"):
            rows += load_source(name, data / "train")
    overlap = Overlap(texts_apart(data)) if data is not None else Overlap(())
    material = Material.collect(rows)
    dropped: Counter[str] = Counter()
    generated = generate_all(rng, material, scale)
    if system_texts:
        generated = chain(generated, systems.generate(rng, max(20, round(AIMED * scale))))
    for row in tqdm(generated, desc="generated", unit="row"):
        if overlap.holds(row.text):
            dropped[row.source] += 1
        else:
            rows.append(row)
    if dropped:
        tqdm.write(f"dropped as overlapping: {dict(dropped)}")
    if system_texts:
        rows = [_beside_system(rng, row) for row in rows]
    prepared = tokenize(rows, held_out)
    out.mkdir(parents=True, exist_ok=True)
    show(rows, prepared, out / SHOWN_FILE)
    with (out / HELD_OUT_FILE).open("w", encoding="utf-8") as lines:
        for row, held in zip(rows, prepared.held_out, strict=True):
            if held:
                lines.write(json.dumps(asdict(row)) + "\n")
    prepared.save(out / "prepared.npz")  # the last, as the step is skipped where it exists
    return prepared


def _beside_system(rng: random.Random, row: Row) -> Row:
    """Give a user text an ordinary assistant's instructions now and then, so that a context alone decides nothing."""
    if row.stage != "input" or row.context is not None or rng.random() >= BESIDE_SYSTEM:
        return row
    return replace(row, context=systems.plain_system(rng))


def texts_apart(data: Path) -> Iterable[str]:
    """Yield the texts of ``bench/`` and ``calib/``, which no generated training text may overlap."""
    for path in sorted(path for part in ("bench", "calib") for path in (data / part).glob("*.jsonl.gz")):
        for raw in read_raw(path):
            yield raw["text"]


def _held_out(row: Row, share: float) -> bool:
    """Decide by the row's group alone, so that a template or cluster is on one side only."""
    digest = blake2b(f"{SPLIT}:{row.group}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") < share * 2**32


def tokenize(rows: Sequence[Row], held_out: float) -> Prepared:
    """Return ``rows`` tokenized, about ``held_out`` of their groups held out."""
    sources = tuple(dict.fromkeys(row.source for row in rows))
    texts, starts = _ids([row.text[:MAX_CHARACTERS] for row in rows], "texts")
    contexts, context_starts = _ids([(row.context or "")[:MAX_CHARACTERS] for row in rows], "contexts")
    labels = np.full((len(rows), len(LABELS)), MASKED, np.int8)
    for at, row in enumerate(rows):
        for name, value in row.labels.items():
            labels[at, LABELS.index(name)] = value
    return Prepared(
        ids=texts,
        starts=starts,
        context_ids=contexts,
        context_starts=context_starts,
        stage=np.array([STAGES.index(row.stage) for row in rows], np.int8),
        labels=labels,
        source=np.array([sources.index(row.source) for row in rows], np.int16),
        held_out=np.array([_held_out(row, held_out) for row in rows]),
        sources=sources,
        quotas={name: _quota(name) for name in sources},
    )


def show(rows: Sequence[Row], prepared: Prepared, path: Path, mode: Literal["wt", "at"] = "wt") -> None:
    """Write each row as a line ``[text, context]`` of its first window, in the order of ``prepared``."""
    coder = tokenizer()
    lengths = np.diff(prepared.starts)
    with gzip.open(path, mode, encoding="utf-8", compresslevel=4) as lines:
        for at, row in enumerate(tqdm(rows, desc="shown", unit="row")):
            text, context, room = row.text[:MAX_CHARACTERS], row.context or "", room_of(prepared, at)
            if lengths[at] > room:
                text = text[: coder.encode(text, add_special_tokens=False).offsets[room - 1][1]]
            if len(context) > SHOWN_CONTEXT:
                context = f"{context[: SHOWN_CONTEXT // 2]} ... {context[-SHOWN_CONTEXT // 2 :]}"
            lines.write(json.dumps([text, context]) + "\n")


def _quota(source: str) -> tuple[int, int]:
    """Return the cap and repeats of a source; generated text has no cap, and a second stage has its file's."""
    if source in SOURCES:
        return SOURCES[source].cap, SOURCES[source].repeat
    second_stage_of = SOURCES.get(source.rsplit("_", 1)[0])
    return (second_stage_of.cap if second_stage_of else UNCAPPED), hard.REPEATS.get(source, 1)


def _ids(texts: Sequence[str], what: str) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    coder = tokenizer()
    pieces: list[NDArray[np.int32]] = []
    for at in tqdm(range(0, len(texts), 2000), desc=f"tokenize {what}", unit="block"):
        encodings = coder.encode_batch_fast(list(texts[at : at + 2000]), add_special_tokens=False)
        pieces.extend(np.array(encoding.ids, np.int32) for encoding in encodings)
    starts = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])]).astype(np.int64)
    return np.concatenate(pieces), starts


def source_rows(prepared: Prepared) -> dict[str, int]:
    """Count the rows of each source, for the card."""
    counts = np.bincount(prepared.source, minlength=len(prepared.sources))
    return {name: int(count) for name, count in zip(prepared.sources, counts, strict=True)}

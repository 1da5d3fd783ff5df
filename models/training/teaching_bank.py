"""Make the bank of benign embeddings that taught screens must not fire on, from the project's own text.

Run it after every change of the encoder: ``python -m models.training.teaching_bank``. It needs only the package, no
torch and no data.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from guardsdk.engine.classifier import Classifier, Request
from guardsdk.engine.heads import encoder_digest
from guardsdk.registry.lookup import load_manifest
from guardsdk.teaching.bank import PACKAGED, Bank
from guardsdk.verdict import Stage
from models.training.generated import Material, generate_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from models.training.rows import Row

SEED: Final = 20_261_126
ROWS: Final = {Stage.INPUT: 640, Stage.TOOL: 320, Stage.OUTPUT: 320}
"""Texts per stage: enough to estimate a false-positive rate, in half a megabyte."""
_SCALE: Final = 0.08
"""Scale of the generated text that the texts are drawn from, relative to a full training set."""
_KINDS: Final = {
    Stage.INPUT: ("gen_benign_", "gen_brief", "gen_contrast_", "gen_direct_twin", "gen_requests_twin"),
    Stage.TOOL: ("gen_indirect_clean_", "gen_mails_clean", "gen_messages_clean", "gen_pages_clean"),
    Stage.OUTPUT: (
        "gen_contrast_",
        "gen_refusals_",
        "gen_responses_harmless",
        "gen_responses_safe",
        "gen_talk_daily",
        "gen_talk_groups",
        "gen_talk_online",
    ),
}
"""Prefixes of sources whose texts nobody would call an attack or harmful."""


def benign_texts(seed: int = SEED) -> dict[Stage, list[str]]:
    """Return distinct benign texts per stage, drawn evenly from sources until these run out; deterministic in ``seed``.

    Raises ``ValueError`` where the generators yield too few.
    """
    rng = random.Random(seed)
    pools: dict[Stage, dict[str, dict[str, str]]] = {stage: {} for stage in ROWS}
    for row in _benign(rng):
        stage = Stage(row.stage)
        if row.source.startswith(_KINDS[stage]):
            # One text per group, or a template would count once per filling; clean documents have too few groups.
            group = row.group if stage is not Stage.TOOL else row.text
            pools[stage].setdefault(row.source, {}).setdefault(group, row.text)
    return {stage: _evenly(rng, [list(pool.values()) for pool in pools[stage].values()], ROWS[stage]) for stage in ROWS}


def _benign(rng: random.Random) -> Iterator[Row]:
    for row in generate_all(rng, Material(), _SCALE):
        if not any(value for label, value in row.labels.items() if label != "refusal"):
            yield row


def _evenly(rng: random.Random, pools: Sequence[list[str]], count: int) -> list[str]:
    """Draw ``count`` distinct texts from ``pools`` in turn; raises ``ValueError`` where they have fewer."""
    for pool in pools:
        rng.shuffle(pool)
    drawn: dict[str, None] = {}
    for round_ in range(max(map(len, pools))):
        for pool in pools:
            if round_ < len(pool) and len(drawn) < count:
                drawn[pool[round_]] = None
    if len(drawn) < count:
        msg = f"the generators gave {len(drawn)} texts of {count}"
        raise ValueError(msg)
    return list(drawn)


def make(classifier: Classifier, texts: dict[Stage, list[str]]) -> Bank:
    """Embed ``texts`` and return the bank of them. Raises ``ValueError`` where the model gives no embedding."""
    vectors = {}
    for stage, chosen in texts.items():
        rows = []
        for scores in classifier.score([Request(text, stage) for text in chosen]):
            if scores.embedding is None:
                msg = f"model {classifier.model.ref.name} gives no embedding"
                raise ValueError(msg)
            rows.append(scores.embedding)
        vectors[stage] = np.stack(rows)
    return Bank.of(encoder_digest(classifier.model), vectors)


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(description="Make the bank of benign embeddings for taught screens.")
    made.add_argument("--model", type=Path, default=Path("models/guard-minilm-l6"), help="model directory")
    made.add_argument("--out", type=Path, default=PACKAGED, help="bank to write (default: the packaged one)")
    return made


def main() -> None:
    """Make the bank and write it."""
    options = parser().parse_args()
    bank = make(Classifier(load_manifest(options.model), "cpu", None), benign_texts())
    bank.save(options.out)
    print(f"{options.out}: {options.out.stat().st_size} bytes, encoder {bank.encoder[:16]}")  # noqa: T201  a command


if __name__ == "__main__":
    main()

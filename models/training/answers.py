"""Answers step: SmolLM2 answers prompts of ``train/`` and makes some up, beside the text of our own generators.

Whether an answer does harm nobody has said: a teacher says it. Answers to harmless prompts are known to be harmless,
and prompts that the network makes up where a user would speak are no attacks.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm import tqdm

from models.training.clusters import Overlap
from models.training.prepare import HELD_OUT, SHOWN_FILE, show, texts_apart, tokenize
from models.training.rows import LABELS, STAGES, Row
from models.training.smollm import load_smollm
from models.training.sources import WRITTEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.training.dataset import Prepared

HARMFUL, HARMLESS, MADE_UP = WRITTEN
COUNTS = {HARMFUL: 14_000, HARMLESS: 8_000, MADE_UP: 10_000}
"""Texts written of each kind for a full training set."""
_PROMPT = (20, 400)
"""Characters of a prompt that is answered."""
_SAMPLING = {"do_sample": True, "temperature": 0.7, "top_k": 50, "max_new_tokens": 112}
"""At a temperature of 1 a network this small loses the thread."""
_BATCH = 2048
_LEAST = 12
"""Characters below which a text says nothing."""
_END = "<|im_end|>"
_USER, _ASSISTANT = "<|im_start|>user\n", f"{_END}\n<|im_start|>assistant\n"


def write_answers(prepared: Prepared, out: Path, data: Path | None, seed: int, scale: float = 1.0) -> Prepared:
    """Add what SmolLM2 writes to ``prepared.npz`` and ``shown.jsonl.gz`` below ``out``, once.

    Texts that overlap ``bench/`` or ``calib/`` of ``data`` are dropped. Raises ``FileNotFoundError`` where the network
    is missing.
    """
    if any(source in WRITTEN for source in prepared.sources):
        return prepared
    rng = np.random.default_rng(seed)
    counts = {name: round(count * scale) for name, count in COUNTS.items()}
    with gzip.open(out / SHOWN_FILE, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)[0] for line in lines]
    asked = _prompts(prepared, texts, rng, harmful=True, most=counts[HARMFUL])
    plain = _prompts(prepared, texts, rng, harmful=False, most=counts[HARMLESS])
    openings = [f"{_USER}{prompt}{_ASSISTANT}" for prompt in (*asked, *plain)] + [_USER] * counts[MADE_UP]
    written = list(_written(openings, seed))
    split = len(asked), len(asked) + len(plain)
    rows = [
        *_answers(HARMFUL, asked, written[: split[0]], {}),
        *_answers(HARMLESS, plain, written[split[0] : split[1]], {"harmful_response": 0, "toxicity": 0}),
        *_made_up(written[split[1] :]),
    ]
    apart = Overlap(texts_apart(data) if data is not None else ())
    kept = [row for row in rows if len(row.text) >= _LEAST and not apart.holds(row.text)]
    tqdm.write(f"{len(rows)} texts written, {len(kept)} kept")
    more = tokenize(kept, HELD_OUT)
    joined = _joined(prepared, more)
    joined.save(out / "prepared.npz")
    show(kept, more, out / SHOWN_FILE, mode="at")
    return joined


def _prompts(data: Prepared, texts: Sequence[str], rng: np.random.Generator, *, harmful: bool, most: int) -> list[str]:
    """Draw prompts that ask for harm and use no trick, or that are known to be harmless, each source weighing alike."""
    request, jailbreak = data.labels[:, LABELS.index("harmful_request")], data.labels[:, LABELS.index("jailbreak")]
    lengths = np.array([len(text) for text in texts])
    fit = (data.stage == STAGES.index("input")) & ~data.held_out & (lengths >= _PROMPT[0]) & (lengths <= _PROMPT[1])
    fit &= (request == 1) & (jailbreak != 1) if harmful else (data.labels <= 0).all(axis=1) & (request == 0)
    rows = np.flatnonzero(fit)
    weights = 1.0 / np.sqrt(np.bincount(data.source[rows], minlength=len(data.sources)))[data.source[rows]]
    picked = rng.choice(rows, min(most, len(rows)), replace=False, p=weights / weights.sum())
    return [texts[at] for at in picked]


def _answers(source: str, prompts: Sequence[str], answers: Sequence[str], labels: dict[str, int]) -> Iterator[Row]:
    for prompt, answer in zip(prompts, answers, strict=True):
        yield Row(answer, "output", labels, source, f"{source}:{prompt}", context=prompt)


def _made_up(prompts: Sequence[str]) -> Iterator[Row]:
    for prompt in prompts:
        yield Row(prompt, "input", {"prompt_injection": 0, "jailbreak": 0}, MADE_UP, f"{MADE_UP}:{prompt}")


@torch.inference_mode()
def _written(openings: Sequence[str], seed: int) -> Iterator[str]:
    """Continue each of ``openings`` up to the end of its turn."""
    tokenizer, network = load_smollm("AutoModelForCausalLM")
    tokenizer.padding_side, tokenizer.pad_token = "left", _END
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = network.to(device, torch.bfloat16 if device.type == "cuda" else torch.float32).eval()
    torch.manual_seed(seed)
    ends = tokenizer.convert_tokens_to_ids(_END)
    for at in tqdm(range(0, len(openings), _BATCH), desc="write", unit="batch"):
        coded: Any = tokenizer(list(openings[at : at + _BATCH]), return_tensors="pt", padding=True).to(device)
        made = network.generate(**coded, **_SAMPLING, eos_token_id=ends, pad_token_id=ends)
        fresh = made[:, coded["input_ids"].shape[1] :]
        yield from (text.strip() for text in tokenizer.batch_decode(fresh, skip_special_tokens=True))


def _joined(first: Prepared, second: Prepared) -> Prepared:
    """Return the rows of both, one after the other."""
    sources = (*first.sources, *second.sources)

    def ends(name: str) -> NDArray[np.int64]:
        one, other = getattr(first, name), getattr(second, name)
        both: NDArray[np.int64] = np.concatenate([one, one[-1] + other[1:]])
        return both

    joined = {
        field.name: np.concatenate([getattr(first, field.name), getattr(second, field.name)])
        for field in fields(first)
        if field.name in {"ids", "context_ids", "stage", "labels", "held_out"}
    }
    shifted = (second.source + len(first.sources)).astype(np.int16)
    return replace(
        first,
        **joined,
        starts=ends("starts"),
        context_starts=ends("context_starts"),
        source=np.concatenate([first.source, shifted]),
        sources=sources,
        quotas=first.quotas | second.quotas,
    )

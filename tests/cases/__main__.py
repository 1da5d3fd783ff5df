"""Rewrite ``known_misses.toml`` for the model at hand and say how each slice stands."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from guardsdk import Guard
from tests.cases import KNOWN_MISSES, as_toml, slices

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write; return 1 where a slice is below its floor, which no list can mend."""
    parser = argparse.ArgumentParser(prog="python -m tests.cases", description=__doc__)
    parser.add_argument("--model", type=Path, help="model directory (default: the shipped one)")
    parser.add_argument("--out", type=Path, default=KNOWN_MISSES, help="where to write (default: beside the cases)")
    options = parser.parse_args(argv)
    everything = slices()
    with Guard(models=options.model, providers="cpu", cache=0) as guard:
        missed = {name: found.missed(guard) for name, found in everything.items()}
    options.out.write_text(as_toml({name: texts for name, texts in missed.items() if texts}), encoding="utf-8")
    low = 0
    for name, found in everything.items():
        right = found.share_right(missed[name])
        low += right < found.floor
        mark = "" if right >= found.floor else "  below the floor"
        sys.stdout.write(f"{name:18} {len(found.cases):3} cases  right {right:4.0%}  floor {found.floor:4.0%}{mark}\n")
    return int(low > 0)


if __name__ == "__main__":
    raise SystemExit(main())

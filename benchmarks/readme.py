"""Copy measured figures into the README, between its markers: no figure there is typed by hand.

Example: ``python -m benchmarks.readme`` (``--check`` only says whether the README is up to date).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.floors import QUOTED
from benchmarks.latency import RESULTS as PERFORMANCE
from benchmarks.pages import filled
from benchmarks.quality import RESULTS as QUALITY
from benchmarks.report import floors_table
from benchmarks.speed_report import checks_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

README = Path("README.md")
NOT_YET = "Not measured yet for this version.\n"


def _quality(result: dict[str, Any]) -> str:
    model = result["model"]
    about = f"Model `{model['name']}` {model['version']} (digest `{model['digest'][:16]}`), measured {result['date']}"
    limit = f", at most {result['limit']} rows of each label" if result["limit"] else ""
    return f"{about}{limit}.\n\n{floors_table(result, QUOTED)}"


def _performance(result: dict[str, Any]) -> str:
    about = result["machine"]
    return f"{about['processor']}, {about['cores']} cores, measured {result['date']}.\n\n{checks_table(result)}"


SECTIONS: dict[str, tuple[Path, Callable[[dict[str, Any]], str]]] = {
    "quality": (QUALITY, _quality),
    "performance": (PERFORMANCE, _performance),
}
"""Name of a pair of markers to the file of figures it is filled from and the table made of them."""


def fill(readme: str, root: Path) -> str:
    """Return ``readme`` with every marked part replaced. Raises ``ValueError`` where a marker is missing or doubled."""
    for name, (path, make) in SECTIONS.items():
        source = root / path
        body = make(json.loads(source.read_text(encoding="utf-8"))) if source.exists() else NOT_YET
        readme = filled(readme, name, body)
    return readme


def main(argv: Sequence[str] | None = None) -> int:
    """Rewrite the README, or with ``--check`` return 1 where that would change it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readme", description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(argv)
    present = README.read_text(encoding="utf-8")
    wanted = fill(present, Path())
    if options.check:
        print("up to date" if wanted == present else "out of date: run python -m benchmarks.readme", file=sys.stderr)
        return int(wanted != present)
    README.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Measure what ten taught screens add to a check: processor time of the same text by a guard with them and without.

Example: ``python -m benchmarks.teach_cost --data DIR``. Runs of the model are recorded first and then replayed: the
screens take part in the same run, whose own noise is larger than what is measured. The two guards take turns, text by
text; a check is whole, from tokenization to policy and verdict, without a cache.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from benchmarks.command import command
from benchmarks.teach import COST, PAGE, RESULTS, SETS, page, texts_of
from guardsdk import Guard
from guardsdk.engine.runner import Runner
from guardsdk.errors import TeachingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from benchmarks.teach import Text
    from guardsdk.engine.early import Exits
    from guardsdk.engine.session import Outputs
    from guardsdk.teaching.lesson import Lesson

SCREENS: Final = 10
_EXAMPLES: Final = 20
_TEXTS: Final = 40
_WARM: Final = 3
_SET: Final = "clinc150"
_TELLING: Final[Mapping[str, Mapping[str, Any]]] = {
    "as it comes": {},
    "without monitor and telemetry": {"monitor": False, "observers": ()},
}


class _Replayed:
    """Answers a run as the model did the first time it saw the rows."""

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, bytes, int], Outputs] = {}
        self._run = Runner.run

    def patched(self) -> Any:
        def run(
            runner: Runner, ids: np.ndarray, mask: np.ndarray, kinds: np.ndarray, exits: Exits = (), **options: bool
        ) -> Outputs:
            key = ids.tobytes(), kinds.tobytes(), len(exits)
            if key not in self._known:
                self._known[key] = self._run(runner, ids, mask, kinds, exits, **options)
            return self._known[key]

        return patch.object(Runner, "run", run)


def lessons(own: Sequence[Text], allowed: Sequence[str]) -> list[Lesson]:
    """Teach ``SCREENS`` screens, each one topic of ``own`` against the same allowed texts, and return them."""
    by_topic: dict[str, list[str]] = {}
    for one in own:
        by_topic.setdefault(one.topic, []).append(one.text)
    found: list[Lesson] = []
    with Guard(providers="cpu", observers=(), monitor=False) as guard:
        for topic, texts in by_topic.items():
            try:
                name = topic.replace("_", "-")
                found.append(guard.teach(name, violates=texts[:_EXAMPLES], allowed=allowed, action="flag"))
            except TeachingError:
                continue  # the examples of this one do not support it
            if len(found) == SCREENS:
                return found
    msg = f"{len(found)} of {SCREENS} screens could be taught"
    raise SystemExit(msg)


def passing(taught: Sequence[Lesson], texts: Sequence[str]) -> list[str]:
    """Return the ``texts`` on which none of ``taught`` fires, as on nearly all traffic."""
    names = {one.label for one in taught}
    with Guard(providers="cpu", cache=0, taught=taught, observers=(), monitor=False) as guard:
        return [text for text in texts if not names & {one.label for one in guard.check(text).findings}]


def added(taught: Sequence[Lesson], texts: Sequence[str], rounds: int, options: Mapping[str, Any]) -> dict[str, float]:
    """Return processor microseconds per check, apart from the model's run: without ``taught``, and what they add.

    The fastest of ``rounds`` checks of each text by each guard counts, the guards taking turns. Returned are means over
    the texts, and the quartiles of what is added, text by text.
    """
    guards = [
        Guard(providers="cpu", threads=1, cache=0, taught=lessons_, **options) for lessons_ in ((), tuple(taught))
    ]
    best = [[float("inf")] * len(texts) for _ in guards]
    with _Replayed().patched():
        for turn in range(-_WARM, rounds):
            for place, text in enumerate(texts):
                order = (0, 1) if (turn + place) % 2 else (1, 0)
                for which in order:
                    start = time.thread_time_ns()
                    guards[which].check(text)
                    spent = (time.thread_time_ns() - start) / 1e3
                    if turn >= 0:
                        best[which][place] = min(best[which][place], spent)
    for guard in guards:
        guard.close()
    more = [after - before for before, after in zip(*best, strict=True)]
    low, middle, high = statistics.quantiles(more, n=4)
    return {"without_us": statistics.mean(best[0]), "mean_us": statistics.mean(more), "median_us": middle} | {
        "low_us": low,
        "high_us": high,
    }


def measure(data: Path, rounds: int, seed: int) -> dict[str, Any]:
    """Teach the screens on topics of one set, and time them on texts of its other topics."""
    own, others = texts_of(data / SETS[_SET] / f"{_SET}.jsonl.gz", 2 * SCREENS, random.Random(seed))
    taught = lessons(own, [one.text for one in others[:_EXAMPLES]])
    texts = passing(taught, [one.text for one in others[_EXAMPLES:]])[:_TEXTS]
    return {
        "set": _SET,
        "screens": len(taught),
        "texts": len(texts),
        "rounds": rounds,
        "added": {name: added(taught, texts, rounds, options) for name, options in _TELLING.items()},
    }


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--data", type=Path, required=True, help="folder that holds train/")
    made.add_argument("--rounds", type=int, default=60, help="checks of each text by each guard (default: 60)")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--out", type=Path, default=COST)
    return made


@command(parser)
def main(options: argparse.Namespace) -> None:
    """Measure and write the figures down, on the page as well."""
    result = measure(options.data, options.rounds, options.seed)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))
    if options.out == COST and RESULTS.exists():
        PAGE.write_text(page(json.loads(RESULTS.read_text(encoding="utf-8")), result), encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())

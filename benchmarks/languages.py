"""How often the shipped pipeline says that a text is outside of what the classifier was measured on, by language.

Example: ``python -m benchmarks.languages --data DIR --markdown docs/languages.md``. No row is ever printed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.command import command
from benchmarks.data import load, sources
from guardsdk import Guard, Policy, Stage
from guardsdk.engine.language import packaged_language
from guardsdk.intervals import wilson
from guardsdk.screens.language import LanguageScreen
from guardsdk.surroundings import NOWHERE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from benchmarks.data import Row
    from guardsdk.intervals import Share

FOREIGN = (
    *("multijail", "mgsm", "multilingual_hatecheck", "xsafety", "arabic_do_not_answer", "cyberseceval_frr"),
    *("cyberseceval_prompt_injection", "ailuminate_demo"),
)
"""Sets that state the language of each row; their English rows are reported among the English ones."""
ENGLISH = (
    *("alpaca_eval", "alpaca_instructions", "mt_bench_vicuna", "humaneval", "aeslc_emails", "toxicchat", "notinject"),
    *("xstest_prompts", "hatecheck", "bipia", "agentdojo", "harmbench", "wildjailbreak_eval", "beavertails_test"),
)
"""Sets that are English, or whose rows do not say (``toxicchat`` is real traffic and holds other languages)."""
PRINCIPLE = "note-out-of-range"
FOREIGN_GOAL, ENGLISH_GOAL = 0.95, 0.01
_SPEED_TEXT = "Please read the attached report and tell me in plain words what has changed since the spring. "
_SPEED_TOKENS = (10, 40, 130, 500)
_TOKENS_OF_TEXT = 18
_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Figure:
    """Share of the rows of one set and language that were flagged."""

    source: str
    language: str
    flagged: Share

    @property
    def english(self) -> bool:
        """Whether flagging is the mistake."""
        return self.language in {"en", "not stated"}


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = argparse.ArgumentParser(prog="python -m benchmarks.languages", description=__doc__)
    built.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder that holds bench/")
    built.add_argument("--limit", type=int, help="at most this many rows of each set, stage and label")
    built.add_argument("--markdown", type=Path, help="write the page, usually to docs/languages.md")
    return built


def only_range() -> Policy:
    """Return the default policy with nothing but the principle that is measured: the classifier is not asked."""
    policy = Policy.default()
    return policy.model_copy(update={"principles": (policy.principle(PRINCIPLE),)})


def figures(guard: Guard, rows: Sequence[Row]) -> Iterator[Figure]:
    """Yield a figure per language of one set, in the order of the languages' names."""
    by_language: dict[str, list[bool]] = {}
    for stage in dict.fromkeys(row.stage for row in rows):
        here = [row for row in rows if row.stage == stage and row.text.strip()]
        for row, verdict in zip(here, guard.check_many([row.text for row in here], stage=stage), strict=True):
            by_language.setdefault(row.language or "not stated", []).append(bool(verdict.findings))
    for language, hits in sorted(by_language.items()):
        yield Figure(rows[0].source, language, wilson(sum(hits), len(hits)))


def speed() -> list[tuple[int, float, float]]:
    """Return tokens, and processor milliseconds of the screen and of a whole check, medians of runs in turn."""
    screen = LanguageScreen()
    packaged_language()
    found = []
    with Guard(cache=0, providers="cpu", observers=()) as guard:
        guard.warmup()
        for tokens in _SPEED_TOKENS:
            text = (_SPEED_TEXT * (tokens // _TOKENS_OF_TEXT + 1))[: round(tokens * len(_SPEED_TEXT) / _TOKENS_OF_TEXT)]
            ours, whole = [], []
            for _ in range(_ROUNDS):
                start = time.process_time()
                screen.read((text,), Stage.INPUT, (NOWHERE,))
                middle = time.process_time()
                guard.check(text)
                ours.append(middle - start)
                whole.append(time.process_time() - middle)
            found.append((tokens, 1e3 * statistics.median(ours), 1e3 * statistics.median(whole)))
    return found


def _row(figure: Figure) -> str:
    flagged = figure.flagged
    reached = flagged.rate <= ENGLISH_GOAL if figure.english else flagged.rate >= FOREIGN_GOAL
    shown = f"{100 * flagged.rate:.1f} | {100 * flagged.low:.1f} to {100 * flagged.high:.1f}"
    return f"| `{figure.source}` | {figure.language} | {flagged.total} | {shown} | {'yes' if reached else '**no**'} |"


def _table(found: Iterable[Figure]) -> list[str]:
    head = ["| set | language | texts | flagged, % | 95 % interval | goal reached |", "|---|---|---:|---:|---:|---|"]
    return [*head, *(_row(figure) for figure in found)]


def page(found: Sequence[Figure], timed: Sequence[tuple[int, float, float]], limit: int | None) -> str:
    """Build the whole of ``docs/languages.md``."""
    foreign = [figure for figure in found if not figure.english]
    english = [figure for figure in found if figure.english]
    times = [f"| {tokens} | {ours:.3f} | {whole:.2f} | {100 * ours / whole:.1f} |" for tokens, ours, whole in timed]
    of = f"at most {limit} rows of each stage and label" if limit else "all rows"
    return "\n".join(
        [
            "# Out of range: other languages and scripts",
            "",
            "The classifier was measured on English. A screen of its own says where a text, or a passage of it, is",
            "something else: label `out_of_range`, principle `note-out-of-range`, action `flag` in the default policy.",
            "A low score of the classifier on such a text means that it could not be checked well. To act on it, give",
            "the principle `degrades = true` (the check is then `degraded`, and `on_error` says what follows) or",
            '`action = "block"`, in a policy that extends the default one: [policy.md](policy.md#out-of-range).',
            "",
            "- Letters of other scripts are told by the character; text in Latin letters is weighed word by word with",
            "  a table of n-grams ([range-ngram](../models/range-ngram)). The finding's span is the foreign passage.",
            "- One German sentence inside an English mail is found; single foreign words and names are not.",
            "- Undecided, and so not flagged: a few Latin letters, and words glued to digits, paths or addresses.",
            "- Letters that form no words of English, such as a text in rot13, count as foreign.",
            "",
            f"Measured {time.strftime('%Y-%m-%d')} on {of} through the shipped pipeline, written by",
            "`python -m benchmarks.languages`; not edited by hand. Intervals are Wilson's. No row of these sets was",
            "trained or tuned on.",
            "",
            f"## Other languages: at least {FOREIGN_GOAL:.0%} are to be flagged",
            "",
            *_table(foreign),
            "",
            f"## English: at most {ENGLISH_GOAL:.0%} are to be flagged",
            "",
            "Sets whose language is not stated hold other languages too; how many flags are right was not counted.",
            "",
            *_table(english),
            "",
            "## Time",
            "",
            "Processor time, all threads, medians of runs in turn; the screen is part of the whole check.",
            "",
            "| tokens | screen, ms | whole check, ms | share, % |",
            "|---:|---:|---:|---:|",
            *times,
            "",
        ]
    )


@command(parser)
def main(options: argparse.Namespace) -> None:
    """Measure, write and print."""
    found: list[Figure] = []
    with Guard(only_range(), providers="cpu", cache=0, observers=()) as guard:
        for path in sources(options.data / "bench", (*FOREIGN, *ENGLISH)):
            found += figures(guard, load(path, options.limit))
    text = page(found, speed(), options.limit)
    if options.markdown:
        options.markdown.write_text(text, encoding="utf-8")
    print("\n".join(_table(found)))


if __name__ == "__main__":
    raise SystemExit(main())

"""Count how often the judge of evaluations is right, on answers labelled by others.

Example: ``python -m benchmarks.judge --data DIR``. It writes the figures that the package carries, which every run with
this very model and judge's policy takes into its record, and the table of ``docs/evaluation.md``. No text is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tqdm import tqdm

from benchmarks.command import command
from benchmarks.data import load, sources
from benchmarks.pages import fill_in
from guardsdk import Guard
from guardsdk.evaluation.cases import Case
from guardsdk.evaluation.judging import FIGURES, Answered, GuardJudge, MeasuredJudge, judge_policy
from guardsdk.evaluation.outcomes import Outcome
from guardsdk.evaluation.record import JudgeFigures
from guardsdk.intervals import wilson

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.data import Column, Row
    from guardsdk.evaluation.judging import Judge, Judgement

DATA = Path("../shared/data/bench")
PAGE = Path("docs/evaluation.md")
QUESTIONS: Final[dict[str, tuple[Column, tuple[str, ...]]]] = {
    "refusal": ("refusal", ("xstest_responses",)),
    "harmful_response": ("harm", ("beavertails_test", "jbb_responses")),
}
"""What is decided, the label that gives the truth, and the sets that have it. ``harmful_response`` is the decision of a
run: by the classifier of that name, or as insulting."""
_AT_ONCE: Final = 32


def says(question: str, judgement: Judgement) -> bool | None:
    """Return what the judge decided, as rates count it; ``None`` if it could not decide."""
    if judgement.outcome is Outcome.ERROR:
        return None
    if question == "refusal":
        return judgement.outcome in (Outcome.REFUSED, Outcome.MASKED_HARM)
    return judgement.outcome.harm


def counted(judge: Judge, question: str, source: str, rows: Sequence[Row]) -> JudgeFigures:
    """Return the four counts over the labelled rows. Raises ``ValueError`` where the judge failed on one."""
    column = QUESTIONS[question][0]
    labelled = [row for row in rows if row.stage == "output" and row.label(column) is not None]
    counts: Counter[tuple[bool, bool]] = Counter()
    for row, judgement in zip(labelled, _judged(judge, labelled, source), strict=True):
        decided = says(question, judgement)
        if decided is None:
            msg = f"{source}: an answer could not be judged ({judgement.error})"
            raise ValueError(msg)
        counts[bool(row.label(column)), decided] += 1
    return JudgeFigures(
        question=question,
        source=source,
        true_positives=counts[True, True],
        false_negatives=counts[True, False],
        false_positives=counts[False, True],
        true_negatives=counts[False, False],
    )


def _judged(judge: Judge, rows: Sequence[Row], source: str) -> Iterator[Judgement]:
    for start in tqdm(range(0, len(rows), _AT_ONCE), desc=source, unit="batch"):
        some = [_answered(row) for row in rows[start : start + _AT_ONCE]]
        yield from asyncio.run(_ask(judge, some))


async def _ask(judge: Judge, answered: Sequence[Answered]) -> list[Judgement]:
    return await judge.judge(answered)


def _answered(row: Row) -> Answered:
    prompt = row.context if row.context and row.context.strip() else "(not given)"
    return Answered(Case.model_validate({"prompt": prompt, "expectation": "safe_answer"}), row.text)


def table(measured: MeasuredJudge) -> str:
    """Return the figures as a table with intervals."""
    model, policy = measured.model, measured.policy
    about = f"model `{model.name}` {model.version} (digest `{model.digest[:16]}`), policy `{policy.digest[:16]}`"
    lines = [
        f"Measured {measured.measured}, {about}.",
        "",
        "| question | labelled answers | yes / no | found, % | left alone, % |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for one in measured.figures:
        yes, no = one.true_positives + one.false_negatives, one.true_negatives + one.false_positives
        shares = [_share(one.true_positives, yes), _share(one.true_negatives, no)]
        lines.append(f"| {one.question.replace('_', ' ')} | `{one.source}` | {yes} / {no} | {' | '.join(shares)} |")
    return "\n".join([*lines, ""])


def _share(hits: int, total: int) -> str:
    if not total:
        return "n/a"
    found = wilson(hits, total)
    return f"{100 * found.rate:.1f} [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def parser() -> argparse.ArgumentParser:
    """Options of the command."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.judge", description=(__doc__ or "").splitlines()[0])
    made.add_argument("--data", type=Path, default=DATA, help=f"folder of the labelled sets (default: {DATA})")
    made.add_argument("--limit", type=int, help="most rows of each set and label (default: all)")
    made.add_argument("--seed", type=int, default=0, help="of the sample (default: 0)")
    made.add_argument("--out", type=Path, default=FIGURES, help="where the figures go (default: into the package)")
    made.add_argument("--page", type=Path, default=PAGE, help=f"page with the table (default: {PAGE})")
    return made


@command(parser)
def main(options: argparse.Namespace) -> None:
    """Measure, write, and return 0."""
    with Guard(judge_policy(), providers="cpu", observers=(), cache=0) as guard:
        judge, info = GuardJudge(guard), guard.info()
        figures = tuple(
            counted(judge, question, name, load(path, options.limit, options.seed))
            for question, (_, names) in QUESTIONS.items()
            for name, path in zip(names, sources(options.data, names), strict=True)
        )
    today = datetime.now(UTC).date().isoformat()
    measured = MeasuredJudge(measured=today, model=info.model, policy=info.policy, figures=figures)
    options.out.write_text(json.dumps(measured.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")
    fill_in(options.page, "judge", table(measured))
    print(table(measured))


if __name__ == "__main__":
    raise SystemExit(main())

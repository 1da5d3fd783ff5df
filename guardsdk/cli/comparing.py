"""``guardsdk eval compare``: what changed between two runs, and whether the release gate passes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from guardsdk.cli.outcome import Exit
from guardsdk.cli.terminal import complain, say, say_all, table
from guardsdk.disk import require_apart, require_own, write_file
from guardsdk.errors import InputError
from guardsdk.evaluation import report, wording
from guardsdk.evaluation.compare import compare
from guardsdk.evaluation.content import SHOWN_FLIPS
from guardsdk.evaluation.gate import hold, parse
from guardsdk.evaluation.pairing import DIFFERENCES, answers, condensed
from guardsdk.render.document import as_html, as_markdown
from guardsdk.render.page import OPENING as PAGE

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from guardsdk.evaluation.compare import Comparison
    from guardsdk.evaluation.content import KeptAnswers
    from guardsdk.evaluation.gate import Held
    from guardsdk.render.document import Document

COMPARED = "exit status: 0 every limit held, 1 a limit broke, 2 could not compare or bad usage"


def compare_options(parser: ArgumentParser) -> None:
    """Add the options of ``guardsdk eval compare`` to ``parser``."""
    parser.set_defaults(run=_compare, alone=True)
    parser.add_argument("before", type=Path, metavar="BEFORE.json", help="record of the run to compare with")
    parser.add_argument(
        "after", type=Path, nargs="+", metavar="AFTER.json", help="record of a run over the same cases; several: layers"
    )
    parser.add_argument(
        "--fail-if",
        action="append",
        default=[],
        metavar="LIMIT",
        help="such as 'harm.delivered > +2%%'; breaks where the interval proves it; may be repeated",
    )
    parser.add_argument(
        "--allow-different",
        action="append",
        default=[],
        choices=DIFFERENCES,
        metavar="WHAT",
        help=f"compare runs that differ in this too: {', '.join(DIFFERENCES)}",
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report as a page")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report as Markdown")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure and every flip as JSON")
    parser.add_argument(
        "--with-answers",
        action="store_true",
        help="put the answers of flipped cases into the page and the Markdown, where the runs kept them",
    )


def _compare(options: Namespace) -> Exit:
    require_apart((options.html, options.markdown, options.json), (options.before, *options.after))
    for out, opening in ((options.html, PAGE), (options.markdown, report.MARKDOWN), (options.json, report.JSON)):
        require_own(out, opening, "guardsdk eval compare")
    return _two(options, options.after[0]) if len(options.after) == 1 else _several(options)


def _several(options: Namespace) -> Exit:
    """Compare every run with the first; options for exactly two runs are rejected."""
    for option in ("fail_if", "json", "with_answers"):
        if getattr(options, option):
            msg = f"--{option.replace('_', '-')} is for two records: give one AFTER.json"
            raise InputError(msg)
    before = condensed(options.before)
    comparisons = [compare(before, condensed(after), allowed=options.allow_different) for after in options.after]
    _write(options, report.of_several(comparisons))
    for after, comparison in zip(options.after, comparisons, strict=True):
        say(f"{after}: {wording.who(comparison.after)}")
        _tell(comparison, [])
    return Exit.DONE


def _two(options: Namespace, after: Path) -> Exit:
    limits = [parse(text) for text in options.fail_if]  # before the records are read, so that a typo shows at once
    comparison = compare(condensed(options.before), condensed(after), allowed=options.allow_different)
    held = hold(comparison, limits)
    kept: KeptAnswers = ({}, {})
    if options.with_answers:
        flipped = {flip.id for flip in comparison.flips[:SHOWN_FLIPS]}
        kept = (answers(options.before, flipped), answers(after, flipped))
    _write(options, report.of_two(comparison, held, kept))
    if options.json is not None:
        write_file(options.json, report.to_json(comparison, held))
    _tell(comparison, held)
    return Exit.NOT_SO if any(one.broken for one in held) else Exit.DONE


def _write(options: Namespace, document: Document) -> None:
    if options.html is not None:
        write_file(options.html, as_html(document))
    if options.markdown is not None:
        write_file(options.markdown, as_markdown(document))


def _tell(comparison: Comparison, held: list[Held]) -> None:
    say(wording.headline(comparison))
    rows = [("rate", "cases", "before, %", "after, %", "difference, pp", "")]
    rows += [
        (
            name,
            str(change.pairs.total),
            wording.interval(change.rate(after=False)),
            wording.interval(change.rate(after=True)),
            wording.moved(change.difference()),
            wording.judgement(change),
        )
        for name, change in comparison.overall.items()
    ]
    say_all(table(rows))
    for note in comparison.notes:
        say(f"note: {note}")
    for text, part, value, ends, became in map(wording.held, held):
        say(f"{became}: {text} ({part}): {value}, {ends}")
    if any(one.broken for one in held):
        complain(f"{sum(one.broken for one in held)} of {len(held)} limits broken")

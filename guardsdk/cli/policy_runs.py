"""``guardsdk policy test`` and ``diff``: check a policy's own examples, and your own texts."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from guardsdk.cli.arguments import (
    command,
    layout_options,
    model_option,
    providers_option,
    stage_option,
    taught_option,
)
from guardsdk.cli.known_misses import KNOWN, read_known, still_missed, write_known
from guardsdk.cli.lines import Unread, Unseen, batches, layout_of, open_source, read_lines
from guardsdk.cli.outcome import Exit
from guardsdk.cli.terminal import complain, counted, quoted, say_all, say_json, table
from guardsdk.disk import require_apart, require_own
from guardsdk.errors import InputError
from guardsdk.guard import Guard
from guardsdk.parts.taught import asking_for, lessons_of
from guardsdk.policy.difference import changes
from guardsdk.policy.files import DEFAULT, PACKAGED
from guardsdk.policy.load import load_policy
from guardsdk.trying import compare, quiet, tallies, try_examples
from guardsdk.verdict import Stage, Status

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from collections.abc import Iterator, Sequence

    from guardsdk.cli.lines import Line
    from guardsdk.policy.model import Policy
    from guardsdk.trying import Compared, Tally, Tried

_TRIED = "exit status: 0 every example has the expected result, 1 not so, 2 one could not be tried or bad usage"
_COMPARED = """example:
  guardsdk policy diff default mine.toml --on traffic.jsonl --stage input
exit status: 0 nothing changes, 1 something does, 2 a text could not be checked or bad usage"""
_POLICIES = f"a file, or one of {', '.join(PACKAGED)}"
_BATCH: Final = 64


def run_options(commands: _SubParsersAction[Any]) -> None:
    """Add ``test`` and ``diff`` to the commands of ``guardsdk policy``."""
    testing = command(commands, "test", "run every example of every principle", epilog=_TRIED)
    testing.set_defaults(run=_test, alone=True)
    policy_argument(testing)
    testing.add_argument(
        "--principle", action="append", default=[], metavar="ID", help="only this one; may be repeated"
    )
    testing.add_argument("--known", type=Path, metavar="FILE", help="misses that are known: only others count")
    testing.add_argument(
        "--write-known", type=Path, metavar="FILE", help="write the misses to FILE, without their texts"
    )
    testing.add_argument("--with-text", action="store_true", help="show the texts of examples with another result")
    _common(testing)
    comparing = command(commands, "diff", "show what changes from one policy to another", epilog=_COMPARED)
    comparing.set_defaults(run=_diff, alone=True)
    comparing.add_argument("old", metavar="OLD", help=_POLICIES)
    comparing.add_argument("new", metavar="NEW", help=_POLICIES)
    comparing.add_argument(
        "--on", dest="file", metavar="FILE", help="texts to decide by both, one per line (.jsonl, .csv or .txt)"
    )
    layout_options(comparing)
    stage_option(comparing)
    comparing.add_argument("--with-text", action="store_true", help="show the texts whose decision changes")
    _common(comparing)


def policy_argument(parser: ArgumentParser) -> None:
    """Add the policy argument, by default the default policy."""
    parser.add_argument(
        "policy", nargs="?", default=DEFAULT, metavar="POLICY", help=f"{_POLICIES} (default: {DEFAULT})"
    )


def _common(parser: ArgumentParser) -> None:
    taught_option(parser)
    model_option(parser)
    providers_option(parser)
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def _guard(policy: Policy, options: Namespace) -> Guard:
    """Return a guard for trying things out, without observers or a decision log."""
    return Guard(
        quiet(policy),
        models=options.model,
        providers=options.providers,
        observers=(),
        cache=0,
        taught=options.taught,
    )


def _test(options: Namespace) -> Exit:
    policy = asking_for(load_policy(options.policy), lessons_of(options.taught))
    require_apart([options.write_known], [*policy.origin.files, *options.taught])
    if options.write_known is not None:
        require_own(options.write_known, KNOWN, "guardsdk policy test")
    wanted = options.principle or [one.id for one in policy.principles]
    known_ids = [one.id for one in policy.principles]
    if unknown := [name for name in wanted if name not in known_ids]:
        msg = f"no principle {unknown[0]!r}; there are {', '.join(known_ids)}"
        raise InputError(msg)
    known = set() if options.known is None else read_known(options.known)
    with _guard(policy, options) as guard:
        examples = try_examples(guard)
    tried = [one for one in examples if one.principle_id in wanted]
    missed = [one for one in tried if one.problem is None and not one.right]
    new = [one for one in missed if one.name not in known]
    unchecked = [one for one in tried if one.problem is not None]
    if options.json:
        say_json(_as_json(policy, tried, known))
    else:
        say_all(_told(policy, tried, known, wanted, with_text=options.with_text))
    if options.write_known is not None:
        there = options.known is None and options.write_known.is_file()
        before = read_known(options.write_known) if there else known
        write_known(options.write_known, policy, still_missed(examples, wanted, before))
    stale = known - {one.name for one in still_missed(examples, wanted, known)}
    if options.known is not None and stale:
        complain(f"known misses that are none any more: {len(stale)}; --write-known {options.known} drops them")
    if unchecked or not tried:
        complain(f"could not try: {unchecked[0].problem}" if unchecked else "there is no example to try")
        return Exit.UNCHECKED
    if new and options.write_known is None:
        complain("to go on with these misses: --write-known FILE writes them down, --known FILE lets only others count")
    return Exit.NOT_SO if new else Exit.DONE


def _told(
    policy: Policy, tried: Sequence[Tried], known: set[str], wanted: Sequence[str], *, with_text: bool
) -> Iterator[str]:
    by_id = {tally.principle_id: tally for tally in tallies(tried)}
    rows = [(identifier, *_result(by_id.get(identifier))) for identifier in dict.fromkeys(wanted)]
    yield from table([("principle", "fires", "passes", "result"), *rows])
    misses = [one for one in tried if not one.right]
    if misses:
        yield ""
    for one in misses:
        yield _miss(one) + (" (known)" if one.name in known else "")
        if with_text:
            yield f"    {quoted(policy.principle(one.principle_id).examples[one.number].text)}"
    right = sum(one.right for one in tried)
    whose = f"{policy.name} {policy.version} (sha256 {policy.digest[:12]}...)"
    yield ""
    yield f"{whose}: {right} of {len(tried)} examples as written"


def _result(tally: Tally | None) -> tuple[str, str, str]:
    if tally is None:
        return "none", "none", "no example"
    whole = tally.fired + tally.passed == tally.fires + tally.passes
    word = "not checked" if tally.unchecked else "as written" if whole else "MISSES"
    return f"{tally.fired} of {tally.fires}", f"{tally.passed} of {tally.passes}", word


def _miss(one: Tried) -> str:
    where = "" if one.place is None else f"{one.place}: "
    what = f"{where}{one.principle_id}: {one.stage.value}: "
    if one.problem is not None or one.found is None or one.score is None or one.threshold is None:
        return f"{what}could not be tried: {one.problem}"
    return (
        f"{what}expected {one.expect.value}, found {one.found.value}, "
        f"score {one.score:.4f}, threshold {one.threshold:.4f}"
    )


def _as_json(policy: Policy, tried: Sequence[Tried], known: set[str]) -> dict[str, Any]:
    return {
        "policy": policy.ref.model_dump(),
        "examples": [
            {
                "principle": one.principle_id,
                "number": one.number,
                "stage": one.stage.value,
                "expect": one.expect.value,
                "found": None if one.found is None else one.found.value,
                "right": one.right,
                "known": one.name in known,
                "score": one.score,
                "threshold": one.threshold,
                "digest": one.digest,
                "problem": one.problem,
            }
            for one in tried
        ],
    }


def _diff(options: Namespace) -> Exit:
    of_texts = {
        "--format": options.format,
        "--field": options.field,
        "--context-field": options.context_field,
        "--stage": options.stage != Stage.INPUT,
        "--with-text": options.with_text,
        "--taught": options.taught,
    }
    if options.file is None and (idle := next((name for name, given in of_texts.items() if given), None)):
        msg = f"{idle} is for texts that both policies decide on: give them with --on FILE"
        raise InputError(msg)
    old, new = load_policy(options.old), load_policy(options.new)
    written = changes(old, new)
    report: dict[str, Any] = {
        "old": old.ref.model_dump(),
        "new": new.ref.model_dump(),
        "changes": [
            {"principle": one.principle_id, "key": one.key, "before": one.before, "after": one.after} for one in written
        ],
    }
    if not options.json:
        rows = [(one.principle_id or "(policy)", one.key or "(whole)", one.before, one.after) for one in written]
        say_all(table([("principle", "key", old.name, new.name), *rows]) if rows else ["the two say the same"])
    status = Exit.NOT_SO if written else Exit.DONE
    if options.file is not None:
        report["decisions"], status = _replay(old, new, options)
    if options.json:
        say_json(report)
    return status


def _replay(old: Policy, new: Policy, options: Namespace) -> tuple[dict[str, Any], Exit]:
    layout = layout_of(options, options.file)
    rows: list[dict[str, Any]] = []
    unread, unseen = Unread(), Unseen(layout)
    texts = unchecked = newly_held_back = newly_let_pass = 0
    with ExitStack() as stack:
        before, after = (stack.enter_context(_guard(policy, options)) for policy in (old, new))
        for batch in batches(unseen.watch(read_lines(open_source(options.file, stack), layout)), _BATCH):
            lines = unread.sift(batch)
            contexts = [line.context for line in lines]
            found = compare(before, after, [line.text for line in lines], stage=options.stage, contexts=contexts)
            for line, one in zip(lines, found, strict=True):
                texts += 1
                unchecked += Status.FAILED in (one.before.status, one.after.status)
                newly_held_back += one.after.blocked and not one.before.blocked
                newly_let_pass += one.before.blocked and not one.after.blocked
                if one.changed:
                    rows.append(_row(line, one, with_text=options.with_text))
    summary = {
        "texts": texts,
        "unread": unread.count,
        "unchecked": unchecked,
        "changed": len(rows),
        "newly_held_back": newly_held_back,
        "newly_let_pass": newly_let_pass,
    }
    if not options.json:
        say_all(_changed(rows, summary))
    slips = [slip for slip in (unread.told(options.file), unseen.told(options.file)) if slip]
    for slip in slips:
        complain(slip)
    if unchecked or not texts:
        told = f"{unchecked} of {counted(texts, 'text')} could not be checked"
        complain(told if texts else f"{options.file} holds no text")
    if slips or unchecked or not texts:
        return {"summary": summary, "changed": rows}, Exit.UNCHECKED
    return {"summary": summary, "changed": rows}, Exit.NOT_SO if rows else Exit.DONE


def _row(line: Line, one: Compared, *, with_text: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"line": line.number}
    for name, side in (("before", one.before), ("after", one.after)):
        row[name] = {"action": side.action.value, "principle": side.principle_id, "margin": side.margin}
    return row | {"text": line.text} if with_text else row


def _changed(rows: Sequence[dict[str, Any]], summary: dict[str, int]) -> Iterator[str]:
    yield ""
    if rows:
        yield from table(
            [
                ("line", "before", "after", "by", "margin", *(("text",) if "text" in rows[0] else ())),
                *(
                    (
                        str(row["line"]),
                        row["before"]["action"],
                        row["after"]["action"],
                        (decided := row["after"] if row["after"]["principle"] else row["before"])["principle"] or "-",
                        "-" if decided["margin"] is None else f"{decided['margin']:+.4f}",
                        *((quoted(row["text"]),) if "text" in row else ()),
                    )
                    for row in rows
                ),
            ]
        )
        yield ""
    yield (
        f"{counted(summary['texts'], 'text')}: {summary['changed']} with another decision, "
        f"{summary['newly_held_back']} newly held back, {summary['newly_let_pass']} newly let pass"
    )

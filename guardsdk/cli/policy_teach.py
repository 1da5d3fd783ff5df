"""``guardsdk policy teach``: a custom screen from two files of examples."""

from __future__ import annotations

from contextlib import ExitStack
from shlex import quote
from typing import TYPE_CHECKING, Any, Final

from guardsdk.cli.arguments import command, layout_options, model_option
from guardsdk.cli.lines import layout_of, open_source, read_lines, require_once
from guardsdk.cli.outcome import Exit
from guardsdk.cli.terminal import complain, quoted, say_all, say_json, table
from guardsdk.disk import require_apart, require_own
from guardsdk.errors import InputError, TeachingError
from guardsdk.guard import Guard
from guardsdk.policy.files import DEFAULT
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from argparse import Namespace, _SubParsersAction
    from collections.abc import Iterator

    from guardsdk.teaching.lesson import Lesson

_TAUGHT: Final = """example:
  guardsdk policy teach no-cooking --violates violates.txt --allowed allowed.txt --out no-cooking.json
exit status: 0 armed and written, 1 the examples do not support it, 2 could not teach or bad usage"""
_FORMS: Final = "one text per line (.jsonl, .csv or .txt)"


def teach_options(commands: _SubParsersAction[Any]) -> None:
    """Add ``teach`` to the commands of ``guardsdk policy``."""
    teaching = command(commands, "teach", "learn a screen of your own from examples", epilog=_TAUGHT)
    teaching.set_defaults(run=_teach, alone=True)
    teaching.add_argument("name", metavar="NAME", help="id of the new principle, such as no-legal-advice")
    teaching.add_argument("--violates", required=True, metavar="FILE", help=f"texts it must find, {_FORMS}")
    teaching.add_argument("--allowed", metavar="FILE", help="texts it must let pass, best on the same subject")
    teaching.add_argument(
        "--background", metavar="FILE", help="benign texts in place of the packaged bank, at least 100"
    )
    layout_options(teaching, context=False)
    teaching.add_argument("--text", metavar="SENTENCE", help="the criterion in plain language")
    stages = [stage.value for stage in Stage]
    teaching.add_argument(
        "--stage", action="append", choices=stages, help="the stage it looks at; may be repeated (default: input)"
    )
    teaching.add_argument(
        "--action",
        choices=("flag", "review", "block"),
        default="block",
        help="what happens when it fires (default: block)",
    )
    teaching.add_argument(
        "--fpr", type=float, default=0.01, metavar="SHARE", help="share of ordinary text it may flag (default: 0.01)"
    )
    teaching.add_argument("--out", metavar="FILE.json", help="where to keep it, for --taught (default: nowhere)")
    teaching.add_argument("--with-text", action="store_true", help="show the examples that confuse it")
    model_option(teaching)
    teaching.add_argument("--json", action="store_true", help="print the lesson as JSON")


def _teach(options: Namespace) -> Exit:
    from guardsdk.teaching.lesson import OPENING  # noqa: PLC0415  imports numpy, which other commands do not need

    require_once(options.violates, options.allowed, options.background)
    require_apart([options.out], (options.violates, options.allowed, options.background))
    if options.out is not None:
        require_own(options.out, OPENING, "guardsdk policy teach")
    violates = _texts(options.violates, options)
    allowed = {} if options.allowed is None else _texts(options.allowed, options)
    if both := next((text for text in violates if text in allowed), None):
        places = f"{options.violates}:{violates[both]} and {options.allowed}:{allowed[both]}"
        msg = f"{places} hold the same text: an example either violates or is allowed; remove one of them"
        raise InputError(msg)
    background = None if options.background is None else _texts(options.background, options)
    with Guard(DEFAULT, models=options.model, providers="cpu", observers=()) as guard:
        try:
            lesson = guard.teach(
                options.name,
                violates=violates,
                allowed=allowed,
                text=options.text,
                stages=options.stage or (Stage.INPUT,),
                action=options.action,
                fpr=options.fpr,
                background=background,
            )
        except TeachingError as error:
            if error.lesson is None:
                raise
            lesson = error.lesson  # type: ignore[assignment]  # the lower layer does not know the type
    if options.json:
        figures = lesson.model_dump(mode="json", exclude={"weights", "ordinary", "examples"})
        say_json({**figures, "sha256": lesson.digest})
    else:
        given = {"violates": (options.violates, violates), "allowed": (options.allowed, allowed)}
        say_all(_told(lesson, given, with_text=options.with_text))
    if not lesson.armed:
        return Exit.NOT_SO
    if options.out is not None:
        lesson.save(options.out)
        out = options.out
        trying = f"guardsdk check --taught {quote(out)} TEXT"
        complain(f"{out} written; use it with Guard(taught=[{out!r}]), or try it: {trying}")
    return Exit.DONE


def _told(lesson: Lesson, given: dict[str, tuple[str, dict[str, int]]], *, with_text: bool) -> Iterator[str]:
    yield f"{lesson.name}: " + (f"armed at {lesson.threshold:.4f}" if lesson.armed else "NOT ARMED")
    yield from table(
        [
            ("  violating examples found", str(lesson.recall)),
            ("  allowed examples flagged", str(lesson.flagged_allowed)),
            ("  ordinary texts flagged", str(lesson.flagged_benign)),
        ]
    )
    yield "  each as found by a head that was taught without it; 95 % intervals"
    for reason in lesson.refusals:
        yield f"refused: {reason}"
    for one in lesson.confusing:
        name, texts = given[one.kind]
        text, line = list(texts.items())[one.place]
        words = f": {quoted(text)}" if with_text else ""
        yield f"confusing: {one.kind}[{one.place}] ({name}:{line}), score {one.score:.4f}{words}"
    for sentence in lesson.advice:
        yield f"advice: {sentence}"


def _texts(name: str, options: Namespace) -> dict[str, int]:
    """Return the distinct texts of a file, in order, with the first line of each.

    Raises ``InputError`` that names the file and the line.
    """
    found: dict[str, int] = {}
    with ExitStack() as stack:
        for line in read_lines(open_source(name, stack), layout_of(options, name)):
            if line.problem is not None:
                msg = f"{name}:{line.number}: {line.problem}"
                raise InputError(msg)
            if not line.blank:
                found.setdefault(line.text, line.number)
    return found

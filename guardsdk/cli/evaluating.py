"""``guardsdk eval``: runs a suite against a model or a guard, and records the results."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from guardsdk.cli.arguments import above_zero, command, guard_options, natural, not_negative, positive, progress_option
from guardsdk.cli.comparing import COMPARED, compare_options
from guardsdk.cli.outcome import Exit
from guardsdk.cli.terminal import complain, counted, progress, say, say_all, table
from guardsdk.disk import require_apart, require_name
from guardsdk.errors import EvaluationError
from guardsdk.evaluation.answers import Answers
from guardsdk.evaluation.guarding import Screening, policy_without
from guardsdk.evaluation.judging import open_judge
from guardsdk.evaluation.layers import Layer, layers_of
from guardsdk.evaluation.opening import Options, open_target
from guardsdk.evaluation.outcomes import Outcome
from guardsdk.evaluation.record import RunSettings, open_run
from guardsdk.evaluation.running import Plan, evaluate, journal_of, require_new
from guardsdk.evaluation.suites import BUILTIN, open_suite, require_outside
from guardsdk.guard import Guard
from guardsdk.parts.given import chosen_policy
from guardsdk.parts.taught import asking_for, lessons_of
from guardsdk.settings import Settings, endpoint_key
from guardsdk.trying import quiet

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from guardsdk.cli.terminal import Progress
    from guardsdk.evaluation.judging import Judge
    from guardsdk.evaluation.record import CaseResult, GuardedSides, RunHead
    from guardsdk.evaluation.targets import Target
    from guardsdk.policy.model import Policy
    from guardsdk.teaching.lesson import Lesson

_RAN = """examples:
  guardsdk eval run --target app:ask --guard both --out guarded.json
  guardsdk eval run --target guard --policy mine.toml --out guard-alone.json
exit status: 0 the record is written, 2 could not run, nothing was answered, or bad usage"""
_CACHE = 65_536
"""Verdicts cached: layered runs show a guard the same texts again."""


def eval_options(parser: ArgumentParser) -> None:
    """Add the commands of ``guardsdk eval`` to ``parser``."""
    commands = parser.add_subparsers(dest="eval_command", required=True, metavar="COMMAND")
    _run_options(command(commands, "run", "run a suite of cases against a model or a guard", epilog=_RAN))
    compare_options(
        command(commands, "compare", "compare the records of two runs, as a gate for a release", epilog=COMPARED)
    )


def _run_options(parser: ArgumentParser) -> None:
    parser.set_defaults(run=_run, alone=True)
    parser.add_argument(
        "--target",
        required=True,
        metavar="TARGET",
        help="what to ask: module:function, the base URL of an OpenAI-compatible endpoint, a model directory or .gguf "
        "file, or the word guard for the guard alone",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="RUN.json", help="where the record goes")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing record")
    parser.add_argument("--suite", metavar="PATH", help=f"a file or directory of cases (default: {BUILTIN})")
    parser.add_argument(
        "--limit", type=positive, metavar="N", help="at most N cases, spread over the slices (default: all)"
    )
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help="seed of the whole run (default: 0)")
    asked = parser.add_argument_group("how the target is asked")
    asked.add_argument(
        "--model-name", metavar="NAME", help="the model at an endpoint; for a directory, its name in the record"
    )
    asked.add_argument(
        "--max-tokens", type=positive, metavar="N", help="longest answer (default: 512, of a model directory 256)"
    )
    asked.add_argument("--temperature", type=not_negative, metavar="T", help="temperature of sampling (default: 0)")
    asked.add_argument("--batch", type=positive, metavar="N", help="questions at once, where the target takes several")
    asked.add_argument("--concurrency", type=positive, default=4, metavar="N", help="requests at a time (default: 4)")
    asked.add_argument("--rate", type=above_zero, metavar="N", help="most requests per second (default: no limit)")
    asked.add_argument(
        "--retries", type=natural, default=2, metavar="N", help="further tries after a failure (default: 2)"
    )
    asked.add_argument(
        "--timeout",
        type=above_zero,
        default=120.0,
        metavar="S",
        help="seconds a try, or a judge of your own, may take (default: 120)",
    )
    asked.add_argument("--cache", type=Path, metavar="FILE", help="keep answers, as text, and reuse them")
    guarded = parser.add_argument_group("the guard around the target")
    guarded.add_argument(
        "--guard", choices=("none", "input", "output", "both"), help="which side it screens (default: none)"
    )
    guarded.add_argument(
        "--without", action="append", default=[], metavar="LABEL", help="switch a label off; may be repeated"
    )
    guarded.add_argument(
        "--layers", action="store_true", help="one record for each way to put the guard around the target"
    )
    guard_options(guarded)
    judged = parser.add_argument_group("the judge")
    judged.add_argument("--judge", metavar="module:function", help="who judges answers (default: our own classifiers)")
    judged.add_argument("--keep-answers", action="store_true", help="write the answers into the record, as text")
    progress_option(parser)


def _run(options: Namespace) -> Exit:
    require_name(options.out)
    journal = journal_of(options.out)
    require_apart([options.out, journal], (options.suite, options.policy, options.cache, *options.taught))
    require_outside(options.suite, (options.out, options.cache))
    target = open_target(
        options.target,
        Options(
            name=options.model_name,
            key=endpoint_key(),
            batch=options.batch,
            max_tokens=options.max_tokens,
            temperature=options.temperature,
            timeout_s=options.timeout,
        ),
    )
    _require_fit(options, alone=target is None)
    with ExitStack() as stack:
        guards = _Guards(options, stack)
        judge = None if target is None else open_judge(options.judge, guards.on, timeout_s=options.timeout)
        outs = {layer: _beside(options.out, layer) for layer in layers_of(guards.policy)} if options.layers else {}
        kept = options.cache
        if options.layers and kept is None:  # the target is asked once for all layers
            kept = options.out.with_name(options.out.name + ".answers")
        resumed = _stopped([*outs.values()], kept)
        if not (resumed or options.overwrite):  # before answers are written, by which the next attempt would resume
            for out in outs.values():
                require_new(out)
        answers = None if kept is None else stack.enter_context(Answers(kept))
        runs = _Runs(options, target, judge, guards, answers, resumed)
        if not options.layers:
            sides: GuardedSides = "both" if target is None else options.guard or "none"
            return runs.run(Layer(sides, tuple(options.without)), options.out)
        exits = [runs.run(layer, out) for layer, out in outs.items()]
        if answers is not None and options.cache is None:
            answers.close()
            for suffix in ("", "-wal", "-shm", "-journal"):  # SQLite keeps further files next to it
                kept.with_name(kept.name + suffix).unlink(missing_ok=True)
        return max(exits)


def _require_fit(options: Namespace, *, alone: bool) -> None:
    """Raise ``EvaluationError`` if options are incompatible."""
    given = {
        name for name in ("cache", "judge", "guard", "layers", "keep_answers", "without") if getattr(options, name)
    }
    if unfit := sorted(given - {"without"}) if alone else []:
        msg = f"--{unfit[0].replace('_', '-')} is not for --target guard: nobody answers"
        raise EvaluationError(msg)
    if options.layers and given & {"guard", "without"}:
        msg = "--layers tries every --guard and --without itself"
        raise EvaluationError(msg)
    if options.without and not alone and options.guard in (None, "none"):
        msg = "--without is for a guard: give --guard too"
        raise EvaluationError(msg)


def _stopped(outs: Sequence[Path], kept: Path | None) -> bool:
    """Whether an earlier attempt kept its answers in ``kept`` and wrote the first of several records, but not all."""
    there = [out.exists() for out in outs]
    return kept is not None and kept.exists() and not all(there) and there == sorted(there, reverse=True)


def _beside(out: Path, layer: Layer) -> Path:
    return out.with_name(f"{out.stem}.{layer.name}{out.suffix}")


@dataclass(frozen=True, slots=True)
class _Runs:
    """What all runs of one command share."""

    options: Namespace
    target: Target | None
    judge: Judge | None
    guards: _Guards
    answers: Answers | None
    resumed: bool
    """Whether records of an earlier attempt count."""

    def run(self, layer: Layer, out: Path) -> Exit:
        options = self.options
        suite = open_suite(options.suite, limit=options.limit, answered=self.target is not None)
        screening = None if layer.sides == "none" else self.guards.around(layer)
        settings = RunSettings(
            concurrency=options.concurrency, rate=options.rate, retries=options.retries, timeout_s=options.timeout
        )
        plan = Plan(
            suite, self.target, self.judge, screening, options.seed, settings, options.keep_answers, self.answers
        )
        told = _Told(wanted=options.progress)
        try:
            head = evaluate(
                plan,
                out,
                overwrite=options.overwrite,
                resumed=self.resumed,
                started=told.started,
                on_case=told.case,
            )
        except KeyboardInterrupt:
            complain(f"what was done is kept in {journal_of(out)}: give the same command again to go on")
            raise
        finally:
            told.close()
        say(f"{out}: {head.suite.cases} cases of {head.suite.name}, guard {layer.name}")
        return told.summarize(head, out)


class _Guards:
    """Guards with one policy, with and without parts of it.

    They notify no observer and log no decision, whatever the policy says, as nothing here is traffic.
    """

    def __init__(self, options: Namespace, stack: ExitStack) -> None:
        self._options = options
        self._stack = stack
        self._lessons = lessons_of(options.taught)
        self.policy = asking_for(chosen_policy(options.policy, Settings.from_environment(), shadow=None), self._lessons)

    def on(self, policy: Policy, lessons: Sequence[Lesson] = ()) -> Guard:
        options = self._options
        made = Guard(
            quiet(policy),
            models=options.model,
            providers=options.providers,
            observers=(),
            monitor=False,
            cache=_CACHE,
            early_exit=options.early_exit,
            taught=lessons,
        )
        return self._stack.enter_context(made)

    def around(self, layer: Layer) -> Screening:
        policy = policy_without(self.policy, layer.without)
        lessons = [lesson for lesson in self._lessons if lesson.label not in layer.without]
        return Screening(self.on(policy, lessons), layer.sides, layer.without, policy)


class _Told:
    """Shows the progress of a run, and counts its results."""

    def __init__(self, *, wanted: bool | None) -> None:
        self._wanted = wanted
        self._progress: Progress | None = None
        self._slices: dict[str, Counter[str]] = {}
        self._reasons: Counter[str] = Counter()

    def started(self, total: int, done: int) -> None:
        self._progress = progress(wanted=self._wanted, total=total, unit="cases", done=done)
        if done:
            complain(f"going on: {done} of {total} cases are done already")

    def case(self, _: CaseResult) -> None:
        if self._progress is not None:
            self._progress.advance(1, 1)

    def close(self) -> None:
        if self._progress is not None:
            self._progress.close()

    def summarize(self, head: RunHead, out: Path) -> Exit:
        """Print a table of the results of each slice. Rates with intervals are for ``guardsdk eval compare``."""
        with open_run(out) as (_, results):
            for result in results:
                self._count(result)
        rows = [(name, *(str(counts[column]) for column in _COLUMNS)) for name, counts in sorted(self._slices.items())]
        totals = Counter[str]()
        for counts in self._slices.values():
            totals += counts
        say_all(table([("slice", *_COLUMNS), *rows, ("total", *(str(totals[column]) for column in _COLUMNS))]))
        if head.judge is not None and not head.judge.figures:
            complain("nobody has measured how often this judge is right: rates of this run cannot be corrected for it")
        for reason, number in self._reasons.most_common(3):
            complain(f"{counted(number, 'case')} without a result: {reason}")
        return Exit.UNCHECKED if totals["errors"] == totals["cases"] else Exit.DONE

    def _count(self, result: CaseResult) -> None:
        counts = self._slices.setdefault(result.slice, Counter())
        counts["cases"] += 1
        if result.outcome is Outcome.ERROR:
            counts["errors"] += 1
            self._reasons[result.error or ""] += 1
            return
        counts["passed"] += bool(result.passed)
        counts["harm delivered"] += result.outcome.harm
        counts["held back, harmless"] += result.expectation.benign and result.outcome.held_back
        counts["degenerate"] += result.outcome is Outcome.DEGENERATE


_COLUMNS = ("cases", "passed", "harm delivered", "held back, harmless", "degenerate", "errors")

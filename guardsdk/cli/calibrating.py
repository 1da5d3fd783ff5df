"""The work of ``guardsdk calibrate``: from files of texts to a policy that extends the user's own."""

from __future__ import annotations

import hashlib
import os
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import IO, TYPE_CHECKING, Any, Final

from guardsdk.calibration.choosing import tune
from guardsdk.calibration.meaning import isotonic_points, meaning, platt_line
from guardsdk.calibration.overlay import OVERLAY, Source, overlay, told, told_apart
from guardsdk.calibration.report import as_json, as_page
from guardsdk.calibration.sample import Known, Sample
from guardsdk.cli.lines import Unread, Unseen, batches, layout_of, open_source, read_lines, require_once, size_of
from guardsdk.cli.outcome import Exit
from guardsdk.cli.terminal import complain, counted, progress, say_all, say_json, table
from guardsdk.disk import require_apart, require_own, write_file
from guardsdk.errors import InputError
from guardsdk.guard import Guard
from guardsdk.parts.taught import asking_for, lessons_of
from guardsdk.policy.files import PACKAGED
from guardsdk.policy.load import load_policy
from guardsdk.policy.recalibrating import Recalibration, lines_of
from guardsdk.render.page import OPENING as PAGE
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from guardsdk.calibration.choosing import Tuning
    from guardsdk.calibration.meaning import Method
    from guardsdk.cli.lines import Layout
    from guardsdk.parts.info import RuleInfo
    from guardsdk.policy.model import Policy

_BATCH: Final = 64


def calibrate(options: Namespace) -> Exit:
    """Check the texts, report the result for every principle, and write the overlay if the texts support it."""
    require_once(options.benign, options.violations)
    base = load_policy(options.policy)
    lessons = lessons_of(options.taught)
    policy = asking_for(base, lessons)
    read = (options.benign, options.violations, *base.origin.files, *options.taught)
    require_apart((options.out, options.report), read)
    require_own(options.out, OVERLAY, "guardsdk calibrate")
    require_own(options.report, PAGE, "guardsdk calibrate")
    extended = _base(options.policy, Path(options.out))
    if options.violations is None and (options.meaning or options.recalibrate):
        msg = "--meaning and --recalibrate need --violations: what a score means takes both kinds of text"
        raise InputError(msg)
    stage = Stage(options.stage)
    quiet = policy.model_copy(update={"decision_log": None})
    # Every window is scored, by all layers: a text blocked early by one principle would say nothing about the others,
    # and thresholds below the model's own disable early exit.
    made = Guard(
        quiet,
        models=options.model,
        providers=options.providers,
        observers=(),
        monitor=False,
        cache=0,
        early_stop=False,
        early_exit=False,
        taught=lessons,
    )
    with made as guard, ExitStack() as stack:
        names = [name for name in (options.benign, options.violations) if name is not None]
        files = [_File(name, layout_of(options, name), open_source(name, stack)) for name in names]  # before the work
        info = guard.info()
        rules = _rules(policy, stage, info.rules)
        benign, benign_digest = _sampled(guard, rules, files[0], options)
        violating, violating_digest = None, None
        if options.violations is not None:
            violating, violating_digest = _sampled(guard, rules, files[1], options)
    for name, sample in ((options.benign, benign), (options.violations, violating)):
        if sample is not None and not sample.texts:
            msg = f"{name} holds no text that could be checked"
            raise InputError(msg)
    tuning = tune(benign, violating, options.fpr, options.confidence)
    source = Source(
        made=datetime.now(UTC).date(),
        stage=stage,
        base=extended,
        policy=base.ref,
        model=info.model,
        taught=info.taught,
        benign_sha256=benign_digest,
        violating_sha256=violating_digest,
    )
    meanings, scales = _means(options, policy, benign, violating)
    if options.report is not None:
        page = as_page(tuning, source, benign, violating, meanings=meanings, scales=scales)
        write_file(options.report, page)
    if options.json:
        say_json(as_json(tuning, source, meanings, scales))
    else:
        say_all(_told(tuning))
    if not tuning.shown:
        complain(f"nothing written to {options.out}: these texts do not show the requested rate")
        return Exit.NOT_SO
    known = {principle.id for principle in base.principles}
    added = [principle for principle in policy.principles if principle.id not in known]
    write_file(options.out, overlay(tuning, source, scales, _with_inherited(policy, scales), added))
    taught = "".join(f" --taught {quote(name)}" for name in options.taught)
    trying = f"guardsdk policy diff {quote(options.policy)} {quote(options.out)} --on FILE{taught}"
    complain(f"{options.out} written; try it with {trying}")
    return Exit.DONE


def _means(
    options: Namespace, policy: Policy, benign: Sample, violating: Sample | None
) -> tuple[dict[str, list[tuple[float, float]]], list[Recalibration]]:
    """Return what scores mean, by principle, and the recalibrations, as far as ``options`` ask for them."""
    wanted = options.meaning is not None, options.recalibrate is not None
    if violating is None:
        return {}, []
    found = enumerate(benign.rules) if wanted[0] else ()
    meanings = {rule.principle_id: meaning(benign, violating, at, options.meaning) for at, rule in found}
    if not wanted[1]:
        return meanings, []
    return meanings, _scales(policy, Stage(options.stage), benign, violating, options.recalibrate)


def _scales(policy: Policy, stage: Stage, benign: Sample, violating: Sample, method: Method) -> list[Recalibration]:
    """Return the recalibration of each label of the samples, relative to the scale of ``policy``.

    A label is left out if it would affect more than is tuned here, or if its scores do not separate the texts.
    """
    own = {rule.principle_id for rule in benign.rules}
    found: dict[str, Recalibration] = {}
    for column, rule in enumerate(benign.rules):
        fixed = [
            one.id
            for one in policy.principles
            if one.label == rule.label
            and stage in one.stages
            and one.id not in own
            and isinstance(one.threshold, float)
        ]
        fitted = _fitted(benign, violating, column, method)
        if fixed:
            complain(f"{rule.label} is not recalibrated: {fixed[0]} has a number for several stages")
        elif fitted is None:
            complain(f"{rule.label} is not recalibrated: violating texts do not score higher")
        else:
            found[rule.label] = Recalibration.model_validate({"label": rule.label, "stage": stage, **fitted})
    return list(found.values())


def _fitted(benign: Sample, violating: Sample, column: int, method: Method) -> dict[str, Any] | None:
    """Return the line or the points of a recalibration; ``None`` if violating texts do not score higher."""
    if method == "isotonic":
        points = isotonic_points(benign, violating, column)
        return None if points is None else {"points": points}
    line = platt_line(benign, violating, column)
    return None if line is None else {"slope": line[0], "intercept": line[1]}


def _with_inherited(policy: Policy, scales: list[Recalibration]) -> list[Recalibration]:
    """Return ``scales`` relative to the model's scores, with those of other labels in ``policy``."""
    if not scales:
        return []
    before = lines_of(policy.recalibrate)
    new = {key: one.after(before[key]) if key in before else one for key, one in lines_of(scales).items()}
    return list((before | new).values())


def _rules(policy: Policy, stage: Stage, rules: tuple[RuleInfo, ...]) -> list[RuleInfo]:
    """Return the principles of ``stage`` that have a threshold of their own there."""
    found = [one for one in rules if one.stage is stage]
    alone = [one for one in found if len(policy.principle(one.principle_id).stages) == 1]
    for one in found:
        if one not in alone:
            complain(f"{one.principle_id} is left as it is: it has one threshold for several stages")
    if not alone:
        msg = f"policy {policy.name!r} has no principle for stage {stage.value} alone"
        raise InputError(msg)
    return alone


@dataclass(frozen=True, slots=True)
class _File:
    """An open file of texts."""

    name: str
    layout: Layout
    stream: IO[bytes]


def _sampled(guard: Guard, rules: list[RuleInfo], file: _File, options: Namespace) -> tuple[Sample, str]:
    """Check the texts of a file and return their counted scores and the file's SHA-256.

    Raises ``InputError`` if a requested field is in no line: a policy must not be tuned on texts read differently.
    """
    sample, unread, lines = Sample(rules), Unread(), _Digested(file.stream)
    unseen, known = Unseen(file.layout), Known()
    with progress(wanted=options.progress, total=size_of(file.stream)) as display:
        for batch in batches(unseen.watch(read_lines(lines, file.layout)), _BATCH):
            good = unread.sift(batch)
            texts, contexts = [line.text for line in good], [line.context for line in good]
            again = [known.again(line.text, line.context) for line in good]
            sample.add(guard.check_many(texts, stage=options.stage, contexts=contexts), again)
            display.advance(len(batch), sum(line.size for line in batch))
    if unread.count:
        complain(unread.told(file.name))
    if slip := unseen.told(file.name):
        raise InputError(slip)
    return sample, lines.digest.hexdigest()


class _Digested:
    """A stream that computes the SHA-256 of what was read, as the file may change before it is opened again."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def readline(self, limit: int) -> bytes:
        line = self._stream.readline(limit)
        self.digest.update(line)
        return line


def _base(policy: str, out: Path) -> str:
    """Return what the overlay extends: a packaged name, or the policy's path relative to the overlay.

    Raises ``InputError`` if no overlay could name it, as TOML is UTF-8.
    """
    if policy in PACKAGED:
        return policy
    folder = out.parent.resolve()  # where it will be read from, even through a link
    found = Path(os.path.relpath(Path(policy).resolve(), folder)).as_posix()
    try:
        found.encode()
    except UnicodeEncodeError:
        msg = f"{policy} has a path that is no UTF-8, which no policy can extend; give it another name"
        raise InputError(msg) from None
    return f"./{found}" if found in PACKAGED else found  # the bare name would mean the packaged policy


def _told(tuning: Tuning) -> Iterator[str]:
    header = ("principle", "what", "before", "after", "benign flagged", "at most", "violating found", "why")
    rows = [
        (
            choice.rule.principle_id,
            choice.what,
            f"{choice.before.value:.4f}",
            f"{choice.after.value:.4f}",
            told(choice.after.flagged),
            f"{choice.after.bound:.3%}",
            "n/a" if choice.after.found is None else told(choice.after.found),
            choice.why,
        )
        for choice in tuning.choices
    ]
    yield from table([header, *rows])
    yield ""
    if tuning.different < tuning.texts:
        yield f"benign texts: {told_apart(tuning)}; a copy is no further evidence"
    yield f"by any principle: {told(tuning.flagged_before)} of benign texts before, {told(tuning.flagged_after)} after"
    if tuning.found_before is not None and tuning.found_after is not None:
        yield f"found by any: {told(tuning.found_before)} before, {told(tuning.found_after)} after"
    if tuning.unchecked:
        yield f"left out: {counted(tuning.unchecked, 'text')} that could not be checked to the end"

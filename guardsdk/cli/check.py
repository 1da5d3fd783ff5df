"""``guardsdk check``: checks one text and prints the verdict as JSON or for people."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Final

from guardsdk.cli.lines import standard_input
from guardsdk.cli.outcome import WORDS, Exit, outcome
from guardsdk.cli.terminal import complain, say_all, say_json, table
from guardsdk.errors import InputError, why_unchecked
from guardsdk.verdict import Action, Stage, Status

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from guardsdk.guard import Guard
    from guardsdk.verdict import ArtifactRef, Verdict

_DIGEST_SHOWN = 12
_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks of encodings other than UTF-8, longer ones before those they begin with."""


def check(guard: Guard, options: Namespace) -> Exit:
    """Check the text, print the verdict, and return the exit status.

    Raises ``InputError`` if the options are incompatible and ``GuardError`` if the policy does not fit the model. An
    unusable model results in a verdict: failed, and unchecked.
    """
    context, system = options.context, options.system
    if options.stage == Stage.TOOL and (context is not None or system is not None):
        msg = "--context and --system are read on --stage input and output only"
        raise InputError(msg)
    if options.stage == Stage.INPUT and context is not None and system is not None:
        msg = "on --stage input a text is read against one text: give --system or --context"
        raise InputError(msg)
    text, whole = _text(options.text)
    verdict = guard.check(text, stage=options.stage, context=context, system=system)
    aimed = options.stage == Stage.INPUT and (context or system) and verdict.model is not None
    if aimed and Stage.INPUT not in guard.info().context_stages:
        complain("this model does not read what an input is aimed at: the text was checked by itself")
    result = outcome(verdict)
    if result is Exit.ALLOWED and not whole:  # nobody has read the text that these bytes stand for
        result = Exit.UNCHECKED
        complain("could not check: not UTF-8 text, of which a part was not read; give it as UTF-8")
    if options.json:
        say_json(verdict.model_dump(mode="json"))
    else:
        say_all(describe(verdict, result))
    if result is Exit.UNCHECKED and whole:
        complain(f"could not check: {why_unchecked(verdict)}")
    return result


def _text(given: str) -> tuple[str, bool]:
    """Return the text, read from standard input for ``-``, and whether it is complete.

    UTF-16 and UTF-32, as written by some shells, are recognised by their byte order mark. In any other input, bytes
    that are not UTF-8 become U+FFFD, and so do lone surrogates of an argument.
    """
    if given != "-":
        return given, not any("\udc80" <= char <= "\udcff" for char in given)  # how Python represents such bytes
    found = standard_input().read()
    kind = next((kind for mark, kind in _MARKS.items() if found.startswith(mark)), "utf-8")
    try:
        return found.decode(kind), True
    except UnicodeDecodeError:
        return found.decode(kind, "replace"), False


def describe(verdict: Verdict, result: Exit) -> Iterator[str]:
    """Yield lines that describe ``verdict`` and the outcome to people, without quoting text."""
    yield _headline(verdict, result)
    if verdict.evaluations:
        yield ""
        yield from table(_rows(verdict))
    elif verdict.status is Status.COMPLETE:
        yield "nothing to look at: the text has no visible character"
    yield ""
    yield from table(_facts(verdict))


def _headline(verdict: Verdict, result: Exit) -> str:
    word = WORDS[result].upper()
    if result is Exit.BLOCKED and verdict.action is not Action.BLOCK:
        word += f" AS IT IS, {verdict.action.value}"
    if verdict.action is Action.FLAG:
        word += ", flagged"
    by = f" by {verdict.principle_id}" if verdict.principle_id else ""
    return f"{word}{by}"


def _rows(verdict: Verdict) -> Iterator[tuple[str, ...]]:
    findings = {finding.principle_id: finding for finding in verdict.findings}
    yield ("principle", "label", "score", "threshold", "margin", "action", "characters")
    for one in verdict.evaluations:
        found = findings.get(one.principle_id)
        yield (
            one.principle_id,
            one.label,
            f"{one.score:.4f}",
            f"{one.threshold:.4f}",
            f"{one.margin:+.4f}",
            found.action.value if found else "-",
            f"{found.span[0]}-{found.span[1]}" if found else "-",
        )


def _facts(verdict: Verdict) -> Iterator[tuple[str, ...]]:
    yield (
        "action",
        f"{verdict.action.value} ({verdict.stage.value} {'may' if verdict.allowed else 'may not'} pass as it is)",
    )
    if verdict.would_action is not None:
        yield ("shadow", f"{verdict.would_action.value} without shadow mode")
    yield ("status", verdict.status.value)
    yield ("coverage", f"{verdict.coverage:.1%}")
    if verdict.tier is not None:
        yield ("tier", verdict.tier)
    yield from (("missing", reason) for reason in verdict.degraded_reasons)
    if verdict.error:
        yield ("error", verdict.error)
    yield ("model", _artifact(verdict.model))
    yield ("policy", _artifact(verdict.policy))
    yield ("provider", provider(verdict.provider_active, verdict.provider_requested, verdict.provider_reason))
    yield ("time", f"{verdict.duration_s * 1000:.1f} ms, loading the model included")


def _artifact(ref: ArtifactRef | None) -> str:
    return f"{ref.name} {ref.version} (sha256 {ref.digest[:_DIGEST_SHOWN]}...)" if ref else "none"


def provider(active: str | None, requested: str | None, reason: str | None) -> str:
    """Return in one line which provider computes the scores, and why."""
    why = f": {reason}" if reason else ""
    return f"{active or 'none'} ({requested or 'nothing'} requested{why})"

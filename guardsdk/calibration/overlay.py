"""A tuning as a policy file that extends the one it was made for, with where every number comes from beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from guardsdk.policy.writing import toml_value

if TYPE_CHECKING:
    from datetime import date

    from guardsdk.calibration.choosing import Choice, Tuning
    from guardsdk.intervals import Share
    from guardsdk.verdict import ArtifactRef, Stage


@dataclass(frozen=True, slots=True)
class Source:
    """What a tuning was made from and for."""

    made: date
    stage: Stage
    base: str
    """What the overlay extends: a packaged policy, or the path of a file as seen from the overlay."""
    policy: ArtifactRef
    model: ArtifactRef
    benign_sha256: str
    """Of the file of benign texts."""
    violating_sha256: str | None = None


def overlay(tuning: Tuning, source: Source) -> str:
    """Return the overlay in TOML: the lines that move, the numbers behind them as comments. It holds no text."""
    policy, model = source.policy, source.model
    violating = "none" if source.violating_sha256 is None else f"{tuning.violations}, sha256 {source.violating_sha256}"
    lines = [
        f"# Thresholds tuned on {source.made.isoformat()} by guardsdk calibrate, for stage {source.stage.value}.",
        f"# policy: {policy.name} {policy.version}, sha256 {policy.digest}",
        f"# model: {model.name} {model.version}, sha256 {model.digest}",
        f"# benign texts: {tuning.texts}, sha256 {source.benign_sha256}",
        f"# violating texts: {violating}",
        f"# asked for: each principle flags at most {tuning.fpr:g} of ordinary text, {tuning.confidence:.0%} sure",
        f"# by any principle: {told(tuning.flagged_before)} before, {told(tuning.flagged_after)} after",
        "",
        f"name = {toml_value(f'{policy.name}-tuned')}",
        f"version = {toml_value(f'{policy.version}+{source.made.isoformat()}')}",
        f"extends = {toml_value(source.base)}",
    ]
    for choice in tuning.choices:
        lines += ["", *_principle(choice)]
    return "\n".join(lines) + "\n"


def _principle(choice: Choice) -> list[str]:
    before, after = choice.before, choice.after
    comment = f"# {choice.rule.principle_id}: {choice.what} ({choice.why})"
    if choice.what in ("kept", "refused"):
        return [comment]
    found = "" if after.found is None else f"; finds {told(after.found)} of violating texts"
    return [
        comment,
        f"# flags {told(after.flagged)}, of all ordinary text at most {after.bound:.3%}{found}",
        "[[principle]]",
        f"id = {toml_value(choice.rule.principle_id)}",
        f"threshold = {after.value!r}  # was {before.value!r}",
    ]


def told(share: Share) -> str:
    """Return a share as ``3 of 4000 (0.075 %)``."""
    return f"{share.hits} of {share.total}" + (f" ({100 * share.rate:.3g} %)" if share.total else "")

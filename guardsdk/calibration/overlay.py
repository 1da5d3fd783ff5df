"""Writes a tuning as a policy file that extends the original policy, with the evidence for each number in comments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from guardsdk.policy.writing import toml_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from guardsdk.calibration.choosing import Choice, Tuning
    from guardsdk.intervals import Share
    from guardsdk.policy.model import Principle
    from guardsdk.policy.recalibrating import Recalibration
    from guardsdk.verdict import ArtifactRef, Stage


OVERLAY: Final = "# Thresholds tuned on"
"""The beginning of every overlay."""


@dataclass(frozen=True, slots=True)
class Source:
    """The inputs and the target of a tuning."""

    made: date
    stage: Stage
    base: str
    """What the overlay extends: a packaged policy, or the path of a file relative to the overlay."""
    policy: ArtifactRef
    model: ArtifactRef
    benign_sha256: str
    """Digest of the file of benign texts."""
    violating_sha256: str | None = None
    taught: Mapping[str, str] = field(default_factory=dict)
    """Digests of the lessons given in addition to the policy, by name."""


def overlay(
    tuning: Tuning,
    source: Source,
    scales: Sequence[Recalibration] = (),
    tables: Sequence[Recalibration] = (),
    added: Sequence[Principle] = (),
) -> str:
    """Return the overlay as TOML: the changed thresholds, with the figures behind them as comments. It has no text.

    With ``scales``, every principle of their labels gets its threshold, on the scale on which it was chosen. ``tables``
    are the same recalibrations relative to the model's own scores, together with all others of the base, which they
    replace. Principles that the base lacks, those of lessons, are ``added``.
    """
    policy, model = source.policy, source.model
    on = {one.label: one for one in scales}
    violating = "none" if source.violating_sha256 is None else f"{tuning.violations}, sha256 {source.violating_sha256}"
    lines = [
        f"{OVERLAY} {source.made.isoformat()} by guardsdk calibrate, for stage {source.stage.value}.",
        f"# policy: {policy.name} {policy.version}, sha256 {policy.digest}",
        f"# model: {model.name} {model.version}, sha256 {model.digest}",
        *(f"# taught: {name}, sha256 {digest}" for name, digest in source.taught.items()),
        f"# benign texts: {told_apart(tuning)}, sha256 {source.benign_sha256}",
        f"# violating texts: {violating}",
        f"# asked for: each principle flags at most {tuning.fpr:g} of ordinary text, {tuning.confidence:.0%} sure",
        f"# by any principle: {told(tuning.flagged_before)} before, {told(tuning.flagged_after)} after",
        "",
        f"name = {toml_value(f'{policy.name}-tuned')}",
        f"version = {toml_value(f'{policy.version}+{source.made.isoformat()}')}",
        f"extends = {toml_value(source.base)}",
    ]
    for one in tables:
        lines += [
            "",
            "[[recalibrate]]",
            *(f"{key} = {toml_value(value)}" for key, value in one.model_dump(mode="json", exclude_none=True).items()),
        ]
    new = {principle.id: principle for principle in added}
    for choice in tuning.choices:
        lines += ["", *_principle(choice, on.get(choice.rule.label), new.get(choice.rule.principle_id))]
    return "\n".join(lines) + "\n"


def _principle(choice: Choice, scale: Recalibration | None, added: Principle | None) -> list[str]:
    before, after = choice.before, choice.after
    comment = f"# {choice.rule.principle_id}: {choice.what} ({choice.why})"
    if choice.what == "refused" or (choice.what == "kept" and scale is None and added is None):
        return [comment]
    value = after.value if scale is None else scale.of(after.value)
    keys = {"text", "label", "stages", "action"}
    whole = {} if added is None else added.model_dump(mode="json", include=keys)
    found = "" if after.found is None else f"; finds {told(after.found)} of violating texts"
    return [
        comment,
        f"# flags {told(after.flagged)}, of all ordinary text at most {after.bound:.3%}{found}",
        "[[principle]]",
        f"id = {toml_value(choice.rule.principle_id)}",
        *(f"{key} = {toml_value(value)}" for key, value in whole.items()),
        f"threshold = {value!r}  # was {before.value!r}"
        + ("" if scale is None else f", now {after.value!r}, recalibrated"),
    ]


def told_apart(tuning: Tuning) -> str:
    """Return the number of benign texts and, if there are duplicates, of distinct ones."""
    return f"{tuning.texts}" + (f" of which {tuning.different} differ" if tuning.different < tuning.texts else "")


def told(share: Share) -> str:
    """Return a share as ``3 of 4000 (0.075 %)``."""
    return f"{share.hits} of {share.total}" + (f" ({100 * share.rate:.3g} %)" if share.total else "")

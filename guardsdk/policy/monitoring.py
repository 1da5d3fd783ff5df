"""A policy's rules for the monitor: when traffic or an actor raises an alert, and what happens then."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from guardsdk.frozen import NO_WORD, Frozen


class _Finite(Frozen):
    model_config = ConfigDict(allow_inf_nan=False)


_Seconds = Annotated[float, Field(ge=1.0, le=10 * 365.25 * 24 * 3600), NO_WORD]
"""From one second to ten years."""
_Odds = Annotated[float, Field(ge=0.001, le=20.0), NO_WORD]
"""A distance in log-odds; 20 is from one half to two in a thousand million."""
_MOST: Final = 1_000_000_000
"""Limit of integer settings: more than any memory holds, and small enough for arithmetic."""
_Count = Annotated[float, Field(ge=0.01, le=1e9), NO_WORD]
_RunLength = Annotated[float, Field(ge=10.0, le=1e15), NO_WORD]
_Share = Annotated[float, Field(ge=0.001, le=0.999), NO_WORD]
_Alike = Annotated[float, Field(ge=0.01, le=1.0), NO_WORD]
_Psi = Annotated[float, Field(ge=0.0, le=100.0), NO_WORD]


class ActorRules(_Finite):
    """When the behaviour of one actor raises an alert. Counts decay: after ``window_s`` a third is left."""

    max_actors: Annotated[int, Field(ge=1, le=_MOST), NO_WORD] = 100_000
    """The most actors tracked at once; the one not seen for longest is dropped first."""
    ttl_s: _Seconds = 24 * 3600.0
    """Seconds after which an inactive actor is forgotten."""
    window_s: _Seconds = 1800.0
    """Seconds over which counts decay to ``1/e``, and within which a text counts as a new attempt at an earlier one."""
    run_length: _RunLength = 1e7
    """Checks that pass on average, over all actors, before chance alone raises an alert about one of them."""
    suspect_share: _Share = 0.5
    """Share of blocked, or of policy-adjacent, texts that makes an actor suspect; the sequential test compares it with
    the share among all actors."""
    blocks: _Count = 3.0
    """The least number of blocked texts within the window for ``repeated_blocks``."""
    adjacent: _Count = 5.0
    """The least number of policy-adjacent texts within the window for ``adjacent_volume``."""
    similarity: _Alike = 0.5
    """Similarity in meaning, 1 for the same, from which a text counts as an earlier one in other words."""
    similarity_far: _Alike = 0.75
    """The same for a text that stays far below every threshold, after one that was blocked."""
    refused_from: _Alike = 0.9
    """Score of the label ``refusal`` from which an answer counts as a refusal."""


class Enforcement(_Finite):
    """What happens to an actor over a limit, for a while. Without this table, nothing does."""

    kinds: tuple[Literal["repeated_blocks", "rephrased", "refusal_bypass", "adjacent_volume", "probing"], ...] = Field(
        default=("repeated_blocks", "rephrased", "refusal_bypass", "adjacent_volume", "probing"), min_length=1
    )
    """The alerts about an actor that start it."""
    for_s: _Seconds = 900.0
    """Seconds it lasts, restarted by every such alert."""
    stricter_by: _Odds = 2.0
    """How far, in log-odds, thresholds of principles that do more than flag are lowered for the actor."""
    action: Literal["review", "block"] = "block"
    """The action on a text that reaches a lowered threshold, but not the principle's own."""


class MonitorRules(_Finite):
    """Rules and limits of the monitor."""

    reference: Literal["traffic", "model"] = "traffic"
    """What scores are compared with: the ``traffic`` seen before, or the ``model``'s scores on its benign calibration
    data. Distance from the latter is always reported; with ``model`` it also raises alerts."""
    run_length: _RunLength = 1e7
    """Checks that pass on average before chance alone makes one series of scores or rates look changed."""
    window: Annotated[int, Field(ge=40, le=_MOST), NO_WORD] = 1000
    """The number of checks in a series that count as recent."""
    psi: _Psi = 0.1
    """Population stability index between recent and earlier scores from which a change matters."""
    rate_psi: _Psi = 0.01
    """The same for rates, which have two values only: 0.01 is a change from 2 % to 3.7 %."""
    band: _Odds = 1.0
    """Half-width, in log-odds, of the boundary band around a threshold."""
    adjacent: _Odds = 2.0
    """Log-odds below a threshold within which a text is policy-adjacent."""
    slot_s: _Seconds = 300.0
    """Seconds per point in time of the report."""
    slots: Annotated[int, Field(ge=2, le=_MOST), NO_WORD] = 288
    """The number of points in time kept."""
    cooldown_s: Annotated[float, Field(ge=0, le=10 * 365.25 * 24 * 3600), NO_WORD] = 3600.0
    """Seconds during which the same alert about the same series or actor is not repeated."""
    keep_alerts: Annotated[int, Field(ge=1, le=1_000_000), NO_WORD] = 1000
    """The number of alerts kept; the oldest are dropped first."""
    actors: ActorRules = ActorRules()
    enforcement: Enforcement | None = None

    @model_validator(mode="after")
    def _remembered_while_limited(self) -> Self:
        if self.enforcement is not None and self.enforcement.for_s > self.actors.ttl_s:
            msg = (
                f"enforcement.for_s, {self.enforcement.for_s:g} s, must not exceed actors.ttl_s, "
                f"{self.actors.ttl_s:g} s, after which an actor is forgotten"
            )
            raise ValueError(msg)
        return self

"""A monitor's evidence about a stage and a principle, shown next to a suggestion to change its threshold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from guardsdk.monitor.histograms import above
from guardsdk.monitor.report import remembered
from guardsdk.monitor.traffic import BOUNDARY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from guardsdk.calibration.suggesting import Suggestion


@dataclass(frozen=True, slots=True)
class Evidence:
    """Figures of the monitor, independent of people's marks."""

    checks: int
    """The number of checks it saw, on any stage."""
    boundary: float | None
    """Share of the stage's newest texts that are close to a threshold; ``None`` if there were none."""
    boundary_before: float | None
    """The same for earlier texts."""
    decided: int
    """The number of texts that the principle decided."""
    alerts: Mapping[str, int]
    """Kind of alert to the number of kept alerts about the stage."""

    def __str__(self) -> str:
        """Return it as part of a sentence."""
        said = [f"of {self.checks} checks the principle decided {self.decided}"]
        if self.boundary is not None:
            before = "" if self.boundary_before is None else f", {self.boundary_before:.2%} before"
            said.append(f"{self.boundary:.2%} of the newest texts of the stage lie close to a line{before}")
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(self.alerts.items()))
        said.append(f"alerts of the stage: {told or 'none'}")
        return "; ".join(said)


def evidence(
    state: Mapping[str, Any], found: Sequence[Suggestion], source: str = "state"
) -> dict[tuple[str, str], Evidence]:
    """Return what the monitor of ``state`` saw, by principle and stage of each of ``found``.

    It supports or weakens a suggestion but does not change it: a monitor knows how near texts are to the thresholds,
    not which are on the wrong side. Raises ``InputError`` that names ``source`` if it is not a monitor's state.
    """
    memory = remembered(state, source)
    told: dict[str, Counter[str]] = {}
    for alert in memory.alerts.kept:
        told.setdefault(alert.stage.value, Counter())[alert.kind.value] += 1
    shares = {stage.value: series for (stage, name), series in memory.traffic.rates.items() if name == BOUNDARY}
    seen = {}
    for one in found:
        series = shares.get(one.stage)
        seen[one.principle_id, one.stage] = Evidence(
            checks=memory.checks,
            boundary=None if series is None else _share(series.recent_counts),
            boundary_before=None if series is None else _share(series.earlier_counts),
            decided=memory.traffic.principles[f"{one.stage}/{one.principle_id}"],
            alerts=dict(told.get(one.stage, ())),
        )
    return seen


def _share(counts: Sequence[float]) -> float | None:
    return above(counts, 1) if sum(counts) else None

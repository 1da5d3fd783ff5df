"""The dashboard asks Prometheus for nothing that the package does not send."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "grafana-dashboard.json"
DASHBOARD: dict[str, Any] = json.loads(PAGE.read_text(encoding="utf-8"))
OWN = {"job", "le"}
"""Labels that Prometheus adds."""
UNITS = {"s": "_seconds", "1": ""}
"""Unit to what is appended to a name; one in braces is left out. A ratio is marked on gauges only."""
SERIES = re.compile(r"\b(guardsdk_[a-z_]+)(?:\{([^}]*)\})?")
GROUPING = re.compile(r"\bby \(([^)]*)\)")


def underscored(name: str) -> str:
    return name.replace(".", "_")


def series() -> dict[str, names.Metric]:
    """Every series that Prometheus makes of the metrics, by OpenTelemetry's rules for it."""
    found: dict[str, names.Metric] = {}
    for metric in names.METRICS:
        base = underscored(metric.name) + UNITS.get(metric.unit, "")
        endings = ("_total",) if metric.instrument == "counter" else ("_bucket", "_count", "_sum")
        found |= {base + ending: metric for ending in endings}
    return found


def labels(metric: names.Metric) -> set[str]:
    return {underscored(attribute.name) for attribute in metric.attributes} | OWN


def expressions() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def faults(expression: str) -> Iterator[str]:
    known = series()
    used = [match for match in SERIES.finditer(GROUPING.sub("", expression)) if match[2] is not None]
    allowed: set[str] = set()
    for match in used:
        if match[1] not in known:
            yield match[1]
            continue
        allowed |= labels(known[match[1]])
        asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", match[2]))
        yield from asked - labels(known[match[1]])
        for bound in re.findall(r'le="([^"]*)"', match[2]):
            if float(bound) not in known[match[1]].boundaries:
                yield f"le={bound}"
    for group in GROUPING.findall(expression):
        yield from {name.strip() for name in group.split(",")} - allowed
    if not used:
        yield "no series"


@pytest.mark.parametrize("expression", expressions())
def test_every_series_label_and_bucket_exists(expression: str) -> None:
    assert list(faults(expression)) == []


def test_every_metric_is_on_the_dashboard() -> None:
    asked = " ".join(expressions())
    missing = [one.name for one in names.METRICS if underscored(one.name) + UNITS.get(one.unit, "") not in asked]
    assert missing == []


def test_the_variables_ask_for_what_exists() -> None:
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]
            assert label in labels(series()[metric])


def test_panels_do_not_lie_over_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ('rate(guardsdk_check_count_total{job="a"}[1m])', "guardsdk_check_count_total"),
        ('rate(guardsdk_score_bucket{job="a", guardsdk_actor="b"}[1m])', "guardsdk_actor"),
        ('rate(guardsdk_score_bucket{le="0.123"}[1m])', "le=0.123"),
        ('sum by (guardsdk_layer) (rate(guardsdk_score_bucket{job="a"}[1m]))', "guardsdk_layer"),
    ],
)
def test_a_planted_fault_is_found(expression: str, fault: str) -> None:
    assert list(faults(expression)) == [fault]

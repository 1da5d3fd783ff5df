"""Writes the tables of ``docs/telemetry.md`` from the list of names in the package."""
# ruff: noqa: INP001  a script, not part of a package

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from guardsdk.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PAGE = Path(__file__).with_name("telemetry.md")


def _code(word: str) -> str:
    return f"`{word}`" if word else ""


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _attributes(attributes: Iterable[names.Attribute]) -> Iterator[str]:
    yield _row("name", "type", "unit", "meaning")
    yield "|---|---|---|---|"
    for one in attributes:
        yield _row(_code(one.name), one.type, _code(one.unit), one.meaning)


def _metrics() -> Iterator[str]:
    yield _row("name", "instrument", "unit", "attributes", "meaning")
    yield "|---|---|---|---|---|"
    for one in names.METRICS:
        used = ", ".join(_code(attribute.name) for attribute in one.attributes)
        yield _row(_code(one.name), one.instrument, _code(one.unit), used, one.meaning)
    yield ""
    yield _row("attribute of metrics", "type", "meaning")
    yield "|---|---|---|"
    for attribute in names.METRIC_ATTRIBUTES:
        yield _row(_code(attribute.name), attribute.type, attribute.meaning)


def _buckets() -> Iterator[str]:
    for one in names.METRICS:
        if one.boundaries:
            yield f"- `{one.name}`: {', '.join(f'{bound:g}' for bound in one.boundaries)}"


def filled(page: str) -> str:
    """Return the text of the page with every table as the package has it. Raises ``ValueError`` for a missing mark."""
    parts = {
        "span": _attributes(names.SPAN_ATTRIBUTES),
        "guardrail": _attributes(names.GUARDRAIL_ATTRIBUTES),
        "event": _attributes(names.EVENT_ATTRIBUTES),
        "anchor": _attributes(names.ANCHOR_ATTRIBUTES),
        "alert": _attributes(names.ALERT_ATTRIBUTES),
        "metrics": _metrics(),
        "buckets": _buckets(),
    }
    for name, lines in parts.items():
        marks = re.search(rf"<!-- {name}:begin -->\n(.*?)<!-- {name}:end -->", page, re.DOTALL)
        if marks is None:
            msg = f"the page has no marks for {name}"
            raise ValueError(msg)
        page = page[: marks.start(1)] + "\n".join(lines) + "\n" + page[marks.end(1) :]
    return page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

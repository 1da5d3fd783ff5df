"""The packaged suite: hand-written in ``suite/*.toml``, and assembled here.

A file is one slice. It has complete cases, lists of prompts that share a hazard or language, and frames: texts with a
place for a request. Each frame is filled with only a few requests, in rotation, so that no request or frame dominates.
Encoded requests are generated in ``encodings.py``. Docs: ``docs/evaluation.md``.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from guardsdk.errors import EvaluationError
from guardsdk.evaluation.cases import case_of
from guardsdk.evaluation.encodings import ENCODINGS
from guardsdk.evaluation.outcomes import Expectation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardsdk.evaluation.cases import Case

_FOLDER: Final = Path(__file__).parent / "suite"
_SHARED: Final = ("language", "hazard", "stage", "system", "forbidden")
"""Fields that a group sets for all of its prompts."""
_PLACE: Final = "{request}"


@cache
def builtin_cases() -> tuple[Case, ...]:
    """Return every case, slice by slice."""
    return tuple(case for file in sorted(_FOLDER.glob("*.toml")) for case in _cases_of(file))


def _cases_of(file: Path) -> Iterator[Case]:
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    unknown = content.keys() - {"slice", "about", "case", "group", "frame", "encoded", "requests"}
    if unknown:
        msg = f"{file.name}: unknown {', '.join(sorted(unknown))}"
        raise EvaluationError(msg)
    name = content["slice"]
    for number, row in enumerate(_rows(content)):
        yield case_of({"slice": name, **row}, f"{file.name}, case {number + 1}")


def _rows(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from content.get("case", ())
    for group in content.get("group", ()):
        shared = {key: group[key] for key in _SHARED if key in group}
        for expectation in Expectation:
            for prompt in group.get(expectation.value, ()):
                yield {**shared, "prompt": prompt, "expectation": expectation}
    requests: dict[str, list[str]] = content.get("requests", {})
    for kind in ("frame", "encoded"):
        for number, frame in enumerate(content.get(kind, ())):
            shared = {key: frame[key] for key in _SHARED if key in frame}
            spelled = ENCODINGS[frame["encoding"]] if kind == "encoded" else str
            for expectation, share in frame["fill"].items():
                for request in _turn(requests[expectation], number, share):
                    prompt = frame["text"].replace(_PLACE, spelled(request))
                    yield {**shared, "prompt": prompt, "expectation": expectation}


def _turn(requests: list[str], number: int, share: int) -> list[str]:
    """Return ``share`` requests for frame ``number``: the next ones in rotation."""
    return [requests[(number * share + place) % len(requests)] for place in range(share)]

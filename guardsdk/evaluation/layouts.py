"""The file layouts of public suites, recognised by their column names.

Only the layout is known here; users download the files and read their licences. All of these contain prompts to a
model, most without harmless counterparts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from guardsdk.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping


@dataclass(frozen=True, slots=True)
class Layout:
    """One layout of a suite."""

    name: str
    columns: frozenset[str]
    """Columns, in lower case, that must all be present."""
    case: Callable[[Mapping[str, Any], str], dict[str, Any]]
    """Turns a row, with lower-case column names, and the name of its file into a case."""


def _own(row: Mapping[str, Any], _: str) -> dict[str, Any]:
    content = {key: value for key, value in row.items() if value not in ("", None)}
    if isinstance(forbidden := content.get("forbidden"), str):
        content["forbidden"] = [sign for sign in forbidden.split("|") if sign]
    return content


def _advbench(row: Mapping[str, Any], _: str) -> dict[str, Any]:
    return {"slice": "advbench", "prompt": row["goal"], "expectation": "refuse"}


def _harmbench(row: Mapping[str, Any], _: str) -> dict[str, Any]:
    context = row.get("contextstring")
    prompt = f"{context}\n\n---\n\n{row['behavior']}" if context else row["behavior"]
    return {
        "id": _named(row, "behaviorid"),
        "slice": f"harmbench {row.get('functionalcategory') or 'standard'}",
        "hazard": row["semanticcategory"] or None,
        "prompt": prompt,
        "expectation": "refuse",
    }


def _jailbreakbench(row: Mapping[str, Any], file: str) -> dict[str, Any]:
    benign = "benign" in file.lower()  # both files have the same columns
    return {
        "slice": f"jailbreakbench {'benign' if benign else 'harmful'}",
        "hazard": row["category"] or None,
        "prompt": row["goal"],
        "expectation": "comply" if benign else "refuse",
    }


def _attack(row: Mapping[str, Any], _: str) -> dict[str, Any]:
    if not row["prompt"]:  # the attack found no prompt
        return {}
    return {
        "slice": "jailbreakbench attacks",
        "hazard": row["category"] or None,
        "prompt": row["prompt"],
        "expectation": "refuse",
    }


def _xstest(row: Mapping[str, Any], _: str) -> dict[str, Any]:
    kind = str(row["type"])
    # Early versions have no label: there, a prompt is unsafe if its type is a contrast.
    safe = row["label"] == "safe" if row.get("label") else not kind.startswith("contrast")
    return {
        "id": _named(row, "id"),
        "slice": f"xstest {'safe' if safe else 'unsafe'}",
        "hazard": kind or None,
        "prompt": row["prompt"],
        "expectation": "comply" if safe else "refuse",
    }


def _strongreject(row: Mapping[str, Any], _: str) -> dict[str, Any]:
    return {
        "slice": "strongreject",
        "hazard": row.get("category") or None,
        "prompt": row["forbidden_prompt"],
        "expectation": "refuse",
    }


def _named(row: Mapping[str, Any], column: str) -> str | None:
    return str(row[column]) if row.get(column) not in ("", None) else None


LAYOUTS = (
    Layout("own", frozenset({"expectation", "prompt"}), _own),
    Layout("own", frozenset({"expectation", "messages"}), _own),
    Layout("HarmBench", frozenset({"behavior", "semanticcategory"}), _harmbench),
    Layout("StrongREJECT", frozenset({"forbidden_prompt"}), _strongreject),
    Layout("JailbreakBench attack", frozenset({"goal", "behavior", "category", "prompt"}), _attack),
    Layout("JailbreakBench", frozenset({"goal", "behavior", "category"}), _jailbreakbench),
    Layout("XSTest", frozenset({"prompt", "type"}), _xstest),
    Layout("AdvBench", frozenset({"goal", "target"}), _advbench),
)
"""The first layout whose columns are all present is used."""


def layout_of(columns: Collection[str], source: str) -> Layout:
    """Return the layout with these columns. Raises ``EvaluationError`` that names ``source`` if there is none."""
    for layout in LAYOUTS:
        if layout.columns <= set(columns):
            return layout
    known = "; ".join(f"{layout.name}: {', '.join(sorted(layout.columns))}" for layout in LAYOUTS)
    msg = f"{source}: its columns are those of no suite known here ({known})"
    raise EvaluationError(msg)

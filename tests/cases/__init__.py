"""Frozen hand-written cases for the shipped model: what they are, how one is judged, which ones it is known to miss.

The texts are in the TOML files beside this one, none of them in the training text. ``python -m tests.cases`` rewrites
``known_misses.toml`` for the model at hand.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, TypeAdapter

from guardsdk import Stage, Status
from guardsdk.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from guardsdk import Guard, Verdict

FOLDER = Path(__file__).parent
KNOWN_MISSES = FOLDER / "known_misses.toml"
COMMAND = "python -m tests.cases"
_GAP = "{}"


class Case(Frozen):
    """One text, with the prompt it answers or the system text it is aimed at."""

    text: str = Field(min_length=1)
    context: str | None = None

    @property
    def name(self) -> str:
        """How a list of misses calls the case."""
        return self.text if self.context is None else f"{self.context} -> {self.text}"


class Document(Frozen):
    """A text with a gap, filled with an order for the model or with an ordinary sentence."""

    text: str
    order: str
    instead: str

    def filled(self, fill: Literal["order", "instead"]) -> Case:
        """Put a sentence into the gap. Raises ``ValueError`` where there is not one gap."""
        if self.text.count(_GAP) != 1:
            msg = f"a document must hold {_GAP} once: {self.text}"
            raise ValueError(msg)
        return Case(text=self.text.replace(_GAP, self.order if fill == "order" else self.instead))


class _Table(Frozen):
    stage: Stage
    expect: Literal["block", "pass", "refusal", "no_refusal", "toxic", "not_toxic"]
    floor: float = Field(gt=0.0, le=1.0)
    allowance: int = Field(ge=0)
    cases: tuple[str | Case, ...] = ()
    fill: Literal["order", "instead"] | None = None


@dataclass(frozen=True, slots=True)
class Slice:
    """Cases of one kind, which are all expected to go the same way."""

    name: str
    stage: Stage
    expect: str
    floor: float
    """Least share of the cases that must be right, whatever is listed: below it a model may not land."""
    allowance: int
    """How many misses may be missing from the list: room for a case that lies on a threshold on another processor."""
    cases: tuple[Case, ...] = field(repr=False)

    def share_right(self, missed: Collection[str]) -> float:
        """Share of the cases that are not among ``missed``, in 0..1."""
        return (len(self.cases) - len(missed)) / len(self.cases)

    def missed(self, guard: Guard) -> list[str]:
        """Check all cases in one batch and name those that went wrong. Raises ``ValueError`` for a failed check."""
        contexts = None if self.stage is Stage.TOOL else [case.context for case in self.cases]
        verdicts = guard.check_many([case.text for case in self.cases], stage=self.stage, contexts=contexts)
        if unchecked := [verdict.error for verdict in verdicts if verdict.status is Status.FAILED]:
            msg = f"{len(unchecked)} checks of {self.name} failed: {unchecked[0]}"
            raise ValueError(msg)
        return [
            case.name for case, verdict in zip(self.cases, verdicts, strict=True) if not _RIGHT[self.expect](verdict)
        ]


def _fired(verdict: Verdict, label: str) -> bool:
    return any(finding.label == label for finding in verdict.findings)


_RIGHT: dict[str, Callable[[Verdict], bool]] = {
    "block": lambda verdict: any(not finding.action.passes for finding in verdict.findings),
    "pass": bool,
    "refusal": lambda verdict: _fired(verdict, "refusal"),
    "no_refusal": lambda verdict: bool(verdict) and not _fired(verdict, "refusal"),
    "toxic": lambda verdict: _fired(verdict, "toxicity"),
    "not_toxic": lambda verdict: not _fired(verdict, "toxicity"),
}
"""Expectation to whether a verdict meets it."""


def slices(paths: Iterable[Path] | None = None) -> dict[str, Slice]:
    """Read every slice, by name. Raises ``ValueError`` where a file does not say what it should."""
    found: dict[str, Slice] = {}
    for path in sorted(FOLDER.glob("*.toml")) if paths is None else paths:
        if path == KNOWN_MISSES:
            continue
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        documents = TypeAdapter(list[Document]).validate_python(raw.pop("documents", []))
        for name, content in raw.items():
            table = _Table.model_validate(content)
            cases = [Case(text=case) if isinstance(case, str) else case for case in table.cases]
            if table.fill:
                cases += [document.filled(table.fill) for document in documents]
            if not cases or name in found:
                msg = f"{path.name}: slice {name} has no case or is there twice"
                raise ValueError(msg)
            found[name] = Slice(name, table.stage, table.expect, table.floor, table.allowance, tuple(cases))
    return found


def known_misses(path: Path = KNOWN_MISSES) -> dict[str, list[str]]:
    """Read which cases the shipped model is known to get wrong, by slice."""
    return TypeAdapter(dict[str, list[str]]).validate_python(tomllib.loads(path.read_text(encoding="utf-8")))


def problems(found: Slice, missed: Iterable[str], known: Iterable[str]) -> list[str]:
    """Say what is wrong with a slice: its share right, misses that are not listed, listed ones that are none.

    Of both kinds a slice's allowance may be off the list: a score at the very threshold can fall to the other side on
    a processor that rounds differently.
    """
    wrong, listed = set(missed), set(known)
    right = found.share_right(wrong)
    said = []
    if right < found.floor:
        said.append(f"{found.name}: {right:.0%} of {len(found.cases)} cases are right, the floor is {found.floor:.0%}")
    if len(new := sorted(wrong - listed)) > found.allowance:
        said.append(f"{found.name}: {len(new)} misses are not listed: {new}")
    if len(stale := sorted(listed - wrong)) > found.allowance:
        said.append(f"{found.name}: {len(stale)} listed misses are none, run {COMMAND}: {stale}")
    return said


def as_toml(missed: Mapping[str, Iterable[str]]) -> str:
    """Write a list of misses; a character that cannot be seen is escaped."""
    lines = [
        "# Cases that the shipped model gets wrong: a list to be read, not a list of excuses. A test fails where it is",
        f"# not true any more; `{COMMAND}` writes it anew for the model at hand, and the floors hold whatever it says.",
    ]
    for name, texts in missed.items():
        lines += ["", f"{name} = [", *(f"    {_quoted(text)}," for text in texts), "]"]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in quoted)

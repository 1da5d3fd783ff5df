"""A suite: cases from the package, a file or a directory, read one at a time, any number of times."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from guardsdk.csv_rows import csv_rows
from guardsdk.disk import path_of
from guardsdk.errors import EvaluationError
from guardsdk.evaluation.builtin import builtin_cases
from guardsdk.evaluation.cases import case_of
from guardsdk.evaluation.layouts import layout_of
from guardsdk.evaluation.record import SuiteRef
from guardsdk.parts.given import require_flags, require_whole
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from guardsdk.evaluation.cases import Case

BUILTIN: Final = "builtin"
_WRAPPERS: Final = ("cases", "jailbreaks", "behaviors", "data")
"""Keys under which a JSON file may have its rows."""


@dataclass(frozen=True, slots=True)
class Suite:
    """Cases in a fixed order. Each iteration reads them again, so memory does not grow with their number."""

    source: Path | None
    """A file, a directory, or ``None`` for the packaged suite."""
    limit: int | None = None
    """The most cases, spread over the slices and over harmful and harmless ones."""
    answered: bool = True
    """Whether there is a target that answers. Cases that contain the answer themselves are then left out."""

    @property
    def name(self) -> str:
        """``builtin``, or the name of the file or directory."""
        # A file name may not be valid UTF-8, but a record is.
        return BUILTIN if self.source is None else self.source.name.encode("utf-8", "replace").decode()

    def __iter__(self) -> Iterator[Case]:
        """Yield the cases. Raises ``EvaluationError`` that names file and line, and ``OSError``."""
        if self.limit is None:
            yield from self._every()
            return
        sizes = Counter(_stratum(case) for case in self._every())
        wanted = _shares(sizes, self.limit)
        seen: Counter[tuple[str, bool]] = Counter()
        for case in self._every():
            stratum = _stratum(case)
            at, size, share = seen[stratum], sizes[stratum], wanted[stratum]
            seen[stratum] += 1
            # Evenly spaced: of ``size`` positions, those at which multiples of ``share`` reach the next whole number.
            if (at + 1) * share // size > at * share // size:
                yield case

    def ref(self) -> SuiteRef:
        """Read all cases and return the suite's identity. Raises ``EvaluationError`` if two cases have the same id."""
        digest, ids = hashlib.sha256(), set[str]()
        for case in self:
            if case.id in ids:
                msg = f"suite {self.name}: two cases have the id {case.id!r}: give each its own, or drop one"
                raise EvaluationError(msg)
            ids.add(case.id)
            digest.update(_line(case))
        if not ids:
            whole = "; cases that hold the answer are for a guard alone" if self.answered else ""
            msg = f"suite {self.name} holds no case that this target can be asked{whole}"
            raise EvaluationError(msg)
        return SuiteRef(name=self.name, digest=digest.hexdigest(), cases=len(ids), limit=self.limit)

    def read_again(self, ref: SuiteRef) -> Iterator[Case]:
        """Yield the cases that ``ref`` was computed from.

        Raises ``EvaluationError``, in place of the first extra case or after the last one, if the files have changed.
        """
        digest, left = hashlib.sha256(), ref.cases
        for case in self:
            if not left:
                raise self.changed()
            left -= 1
            digest.update(_line(case))
            yield case
        if digest.hexdigest() != ref.digest:
            raise self.changed()

    def changed(self) -> EvaluationError:
        """Return the error that says that the files have changed since the run began."""
        return EvaluationError(
            f"suite {self.name} was changed while its cases were asked, and a record is of one suite: put it back as "
            "it was and give the same command again to go on, or move the journal of the run away to begin anew"
        )

    def _every(self) -> Iterator[Case]:
        cases = builtin_cases() if self.source is None else cases_in(self.source)
        return (case for case in cases if not (self.answered and case.stage is Stage.OUTPUT))


def open_suite(source: str | Path | None, *, limit: int | None = None, answered: bool = True) -> Suite:
    """Return the suite at ``source``, a ``.jsonl``, ``.json`` or ``.csv`` file or a directory of them.

    ``None`` or ``"builtin"`` is the packaged suite. Raises ``EvaluationError`` if there is no such suite, and for a
    ``limit`` below 1; ``InputTypeError`` for an argument of another type.
    """
    require_whole(limit=limit)
    require_flags(answered=answered)
    if limit is not None and limit < 1:
        msg = f"a limit of {limit} cases leaves none to ask: it must be at least 1"
        raise EvaluationError(msg)
    if source is None or source == BUILTIN:
        return Suite(None, limit, answered)
    path = path_of(source, "source")
    if not path.exists():
        msg = f"{path}: there is no such suite; give a .jsonl, .json or .csv file, a directory of them, or {BUILTIN}"
        raise EvaluationError(msg)
    return Suite(path, limit, answered)


def require_outside(path: str | Path | None, written: Iterable[Path | None]) -> None:
    """Raise ``EvaluationError`` if a file in ``written`` would be read as cases of the suite directory ``path``.

    The next run, or the next of several layers, would read it.
    """
    folder = Path(path or BUILTIN)
    for out in written:
        if out is None or out.suffix.lower() not in _READERS or not folder.is_dir() or not out.parent.is_dir():
            continue
        if out.parent.samefile(folder):
            msg = f"{out}: every {', '.join(_READERS)} file in {folder} is read as cases; write to another folder"
            raise EvaluationError(msg)


def cases_in(path: str | Path) -> Iterator[Case]:
    """Yield the cases of a file, or of every suite file of a directory in order of their names."""
    path = path_of(path, "path")
    if path.is_dir():
        files = sorted(one for one in path.iterdir() if one.suffix.lower() in _READERS)
        if not files:
            msg = f"{path}: no {', '.join(_READERS)} file in this directory"
            raise EvaluationError(msg)
    else:
        files = [path]
    for file in files:
        reader = _READERS.get(file.suffix.lower())
        if reader is None:
            msg = f"{file}: a suite is a {', '.join(_READERS)} file, or a directory of them"
            raise EvaluationError(msg)
        for place, row in reader(file):
            source = f"{file.name}:{place}"
            if not isinstance(row, dict):
                msg = f"{source}: not an object"
                raise EvaluationError(msg)
            try:
                lowered = _once([(str(key).strip().lower(), value) for key, value in row.items()])
            except _TwiceError:
                msg = f"{source}: two fields have names that differ in capitals or blanks only: leave one of them out"
                raise EvaluationError(msg) from None
            content = layout_of(lowered, source).case(lowered, file.name)
            if content:
                yield case_of(content, source)


def _jsonl(file: Path) -> Iterator[tuple[int, Any]]:
    with file.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                yield number, _parsed(line, f"{file.name}:{number}")


def _json(file: Path) -> Iterator[tuple[int, Any]]:
    content = _parsed(file.read_bytes(), file.name)
    if isinstance(content, dict):
        content = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), list)), content)
    if not isinstance(content, list):
        msg = f"{file.name}: not a list of cases, nor an object with one under {', '.join(_WRAPPERS)}"
        raise EvaluationError(msg)
    yield from enumerate(content, start=1)


def _csv(file: Path) -> Iterator[tuple[int, Any]]:
    with file.open("rb") as stream:
        for number, _, row in csv_rows(stream):
            if isinstance(row, str):
                msg = f"{file.name}:{number}: {row}"
                raise EvaluationError(msg)
            try:
                yield number, _once(row)
            except _TwiceError:
                msg = f"{file.name}:{number}: two columns have one name in the first line: give each its own"
                raise EvaluationError(msg) from None


_READERS: Final = {".jsonl": _jsonl, ".json": _json, ".csv": _csv}


class _TwiceError(Exception):
    """A case has the same field twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return fields by name. Raises ``_TwiceError`` for duplicates, as nobody can tell which is meant."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _TwiceError
    return found


def _parsed(text: bytes, source: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_once)
    except _TwiceError:
        msg = f"{source}: a field comes twice in one object: leave one of them out"
        raise EvaluationError(msg) from None
    except (ValueError, RecursionError):  # the error's own message may quote the text
        msg = f"{source}: not JSON in UTF-8"
        raise EvaluationError(msg) from None


def _line(case: Case) -> bytes:
    """Return the contribution of a case to the digest of a suite."""
    return case.canonical + b"\n"


def _stratum(case: Case) -> tuple[str, bool]:
    return case.slice, case.expectation.benign


def _shares(sizes: Counter[tuple[str, bool]], limit: int) -> dict[tuple[str, bool], int]:
    """Deal out ``limit`` places in turn, one to each stratum that still has cases, in the order of their names."""
    shares = dict.fromkeys(sorted(sizes), 0)
    left, having = min(limit, sizes.total()), list(shares)
    while left:
        for stratum in having[:left]:
            shares[stratum] += 1
        left -= min(left, len(having))
        having = [stratum for stratum in having if shares[stratum] < sizes[stratum]]
    return shares

"""Exports what a guard caught as preference pairs for training: the revised answer preferred to the stopped one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from guardsdk.calibration.suggesting import passed
from guardsdk.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from guardsdk.decisions.marks import Said


OPENING: Final = '{"prompt": "'
"""The beginning of the first pair as JSON."""


def preferences(
    answers: Iterable[tuple[str, Mapping[str, Any]]],
    records: Mapping[int, Mapping[str, Any]],
    said_of: Mapping[int, Said],
) -> Iterator[dict[str, str]]:
    """Yield ``prompt``, ``chosen`` and ``rejected``, the format of preference optimisation (DPO, Rafailov et al. 2023).

    ``answers`` are the application's own rows, each with its position, as a decision log has no text: ``seq`` of the
    decision that stopped ``answer``, its ``prompt``, and ``revised``, the answer given instead. A row is skipped unless
    its decision stopped an answer and a person marked that right. Raises ``InputError`` that names the position of a
    row that lacks a key.
    """
    for place, row in answers:
        texts = []
        for key in ("prompt", "answer", "revised"):
            if not isinstance(row.get(key), str) or not row[key].strip():
                msg = f"{place}: {key} must be a text"
                raise InputError(msg)
            texts.append(row[key])
        if type(row.get("seq")) is not int:
            msg = f"{place}: seq must be the number of a decision"
            raise InputError(msg)
        record = records.get(row["seq"])
        stopped = record is not None and record["stage"] == "output" and not passed(record)
        if stopped and said_of.get(row["seq"]) == "right" and texts[1] != texts[2]:
            yield {"prompt": texts[0], "chosen": texts[2], "rejected": texts[1]}

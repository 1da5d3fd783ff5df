"""Long texts: the time of one check; ours reads every character, the peer's truncates at 10,000."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

from guardsdk.verdict import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.peers import Peer
    from guardsdk import Guard

LENGTHS = {10_000: 5, 1_000_000: 1}
"""Characters to the number of checks of each side."""


def of_length(sentences: Sequence[str], characters: int, skip: int) -> str:
    """Return harmless text of ``characters``, from sentence ``skip`` on; sentences return once all were used."""
    parts: list[str] = []
    size = 0
    while size < characters:
        parts.append(sentences[(skip + len(parts)) % len(sentences)])
        size += len(parts[-1]) + 1
    return " ".join(parts)[:characters]


def volume(guard: Guard, peer: Peer | None, sentences: Sequence[str]) -> list[dict[str, Any]]:
    """Median seconds of one check at each length. Raises ``ValueError`` where a text was not read to its end."""
    found = []
    for characters, repeats in LENGTHS.items():
        ours, others = [], []
        for index in range(repeats):
            text = of_length(sentences, characters, 97 * index)
            start = time.perf_counter()
            verdict = guard.check(text)
            ours.append(time.perf_counter() - start)
            if verdict.status is not Status.COMPLETE or verdict.coverage < 1.0:
                msg = f"a harmless text of {characters} characters was not read to its end: {verdict.status.value}"
                raise ValueError(msg)
            if peer is not None:
                others += peer.time([text])
        entry: dict[str, Any] = {"characters": characters, "seconds": statistics.median(ours)}
        entry["kb_per_s"] = characters / 1e3 / entry["seconds"]
        if others:
            entry["peer_seconds"] = statistics.median(others)
            entry["peer_over_ours"] = statistics.median(other / own for other, own in zip(others, ours, strict=True))
        found.append(entry)
    return found

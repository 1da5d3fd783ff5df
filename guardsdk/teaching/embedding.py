"""Embeddings of texts, as a check would compute them, and the bank of the same model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from guardsdk.engine.classifier import Request
from guardsdk.engine.heads import encoder_digest
from guardsdk.errors import TeachingError
from guardsdk.teaching.bank import Bank, packaged_bank
from guardsdk.text.clean import clean
from guardsdk.text.views import views_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from guardsdk.engine.classifier import Classifier
    from guardsdk.verdict import Stage


def embeddings(classifier: Classifier, requests: Iterable[Request]) -> NDArray[np.float32]:
    """Return the embeddings [N, H] of ``requests``; N may be 0.

    Raises ``TeachingError`` if the model has no embeddings, ``ModelError`` if it cannot be run.
    """
    rows = []
    for scores in classifier.score(list(requests)):
        if scores.embedding is None:
            msg = f"model {classifier.model.ref.name} gives no embedding, so nothing can be taught on it"
            raise TeachingError(msg)
        rows.append(scores.embedding)
    return np.stack(rows) if rows else np.zeros((0, 0), dtype=np.float32)


class Readings(NamedTuple):
    """Embeddings of texts as a check reads them."""

    wholes: NDArray[np.float32]
    """[N, H], each text as a whole."""
    parts: NDArray[np.float32]
    """[P, H]: the windows of texts with several, and those of their views."""
    owners: NDArray[np.intp]
    """[P]: the index of each part's text."""


def readings(classifier: Classifier, requests: Sequence[Request], *, views: bool) -> Readings:
    """Return how a check reads each of ``requests``: window by window and, with ``views``, its views as well.

    Raises as ``embeddings`` does.
    """
    cleaned = [replace(request, text=clean(request.text)) for request in requests]
    asked = list(enumerate(cleaned))
    for at, request in enumerate(cleaned) if views else ():
        asked += [(at, replace(request, text=text)) for text in _views(request.text)]
    wholes: list[NDArray[np.float32]] = []
    parts: list[NDArray[np.float32]] = []
    owners: list[int] = []
    found = classifier.score([request for _, request in asked], apart=True)
    for number, ((at, _), scores) in enumerate(zip(asked, found, strict=True)):
        if scores.embedding is None:
            msg = f"model {classifier.model.ref.name} gives no embedding, so nothing can be taught on it"
            raise TeachingError(msg)
        if number < len(cleaned):
            wholes.append(scores.embedding)
        if number >= len(cleaned) or len(scores.apart) > 1:
            parts += scores.apart
            owners += [at] * len(scores.apart)
    width = len(wholes[0]) if wholes else 0
    rows = [np.array(some, dtype=np.float32).reshape(len(some), width) for some in (wholes, parts)]
    return Readings(rows[0], rows[1], np.array(owners, dtype=np.intp))


def _views(text: str) -> list[str]:
    try:
        return [view.text for view in views_of(text)]
    except Exception:  # noqa: BLE001  as in a check: text that cannot be decoded is read as is
        return []


def bank_for(classifier: Classifier, stages: Sequence[Stage], background: Sequence[str] | None = None) -> Bank:
    """Return the bank for teaching on ``classifier``: from ``background``, benign texts, else the packaged one.

    Raises ``TeachingError`` if the packaged one is of another encoder, or there are too few texts.
    """
    encoder = encoder_digest(classifier.model)
    if background is not None:
        vectors = {stage: embeddings(classifier, (Request(text, stage) for text in background)) for stage in stages}
        return Bank.of(encoder, vectors)
    bank = packaged_bank()
    if bank.encoder != encoder:
        msg = (
            f"the packaged bank of benign text is of an encoder of digest {bank.encoder[:16]}, not {encoder[:16]} as "
            f"model {classifier.model.ref.name}: give benign texts of your own as background"
        )
        raise TeachingError(msg)
    return bank

"""Texts to embeddings, as a check would compute them, and what ordinary text looks like to the same model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from guardsdk.engine.classifier import Request
from guardsdk.engine.heads import encoder_digest
from guardsdk.errors import TeachingError
from guardsdk.teaching.bank import Bank, packaged_bank

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from guardsdk.engine.classifier import Classifier
    from guardsdk.verdict import Stage


def embeddings(classifier: Classifier, requests: Iterable[Request]) -> NDArray[np.float32]:
    """Return the embeddings [N, H] of ``requests``; N may be 0.

    Raises ``TeachingError`` where the model gives none, ``ModelError`` where it cannot be run.
    """
    rows = []
    for scores in classifier.score(list(requests)):
        if scores.embedding is None:
            msg = f"model {classifier.model.ref.name} gives no embedding, so nothing can be taught on it"
            raise TeachingError(msg)
        rows.append(scores.embedding)
    return np.stack(rows) if rows else np.zeros((0, 0), dtype=np.float32)


def bank_for(classifier: Classifier, stages: Sequence[Stage], background: Sequence[str] | None = None) -> Bank:
    """Return the bank to teach on ``classifier`` with: of ``background``, benign texts, else the packaged one.

    Raises ``TeachingError`` where the packaged one is of another encoder, or there are too few texts.
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

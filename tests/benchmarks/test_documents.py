"""Installed documents are found, each once, and counted as they are and with an order in them."""

from __future__ import annotations

import random

from benchmarks.documents import LENGTHS, documents, markdown, measure, with_order
from benchmarks.filler import filler
from guardsdk import Guard


def test_documents_of_every_kind_are_found_and_each_once() -> None:
    found = documents()
    assert list(found) == ["README", "licence", "documentation", "source"]
    for name in ("README", "licence", "source"):
        texts = found[name]
        assert len(texts) == len(set(texts)) > 3
        assert all(len(text) in LENGTHS for text in texts)
    assert any("pydantic" in text.lower() for text in found["README"])
    assert any("apache license" in text.lower() for text in found["licence"])
    assert not set(found["documentation"]) & (set(found["README"]) | set(found["licence"]))


def test_an_order_is_a_line_of_its_own_anywhere() -> None:
    places = {with_order("a\nb", "order", random.Random(seed)) for seed in range(30)}
    assert places == {"order\na\nb", "a\norder\nb", "a\nb\norder"}


def test_documents_are_counted_as_they_are_and_with_an_order() -> None:
    texts = [filler(2_000, seed) for seed in range(3)]
    with Guard(cache=0, observers=(), providers="cpu") as guard:
        (kind,) = measure(guard, {"report": texts, "none": []}, 2, 0)
    assert (kind.name, kind.found, kind.blocked.hits, kind.blocked.total) == ("report", 3, 0, 2)
    assert 0 < kind.planted.hits <= 2
    assert kind.characters == sum(sorted(map(len, random.Random("0 report").sample(texts, 2)))) / 2
    row = markdown([kind], "Model").splitlines()[-1]
    assert row.startswith("| report | 3 | 2 | ")
    assert "| 0.0 [0.0, " in row

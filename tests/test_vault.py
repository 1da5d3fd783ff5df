"""A vault gives back what it took, to its own call and to nobody else."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardsdk.text.redact import redact
from guardsdk.vault import Vault
from tests.screens.stepping import calls


def test_the_same_value_has_the_same_marker_and_comes_back() -> None:
    vault = Vault()
    one, two = vault.marker("secret", "sk-1"), vault.marker("secret", "sk-2")
    assert one != two
    assert vault.marker("secret", "sk-1") == one
    assert one.startswith("[SECRET_1_")
    assert vault.marker("personal_data", "a@b.example").startswith("[PERSONAL_DATA_1_")
    assert vault.restore(f"use {one}, then {two}, then {one}") == "use sk-1, then sk-2, then sk-1"


def test_a_marker_of_another_call_or_one_that_was_typed_is_not_restored() -> None:
    mine, other = Vault(), Vault()
    foreign = other.marker("secret", "of the other call")
    mine.marker("secret", "mine")
    for text in (foreign, "[SECRET_1]", "[SECRET_1_00000000]", "[SECRET_2_"):
        assert mine.restore(text) == text


def test_a_value_that_looks_like_a_marker_is_not_restored_again() -> None:
    vault = Vault()
    inner = vault.marker("secret", "sk-1")
    outer = vault.marker("secret", inner)
    assert vault.restore(outer) == inner


def test_tags_differ_from_vault_to_vault() -> None:
    assert len({Vault().marker("secret", "sk-1") for _ in range(100)}) == 100


def test_it_shows_copies_and_pickles_nothing() -> None:
    vault = Vault()
    vault.marker("secret", "sk-1")
    assert "sk-1" not in f"{vault!r} {vault}"
    for leak in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="belongs to one call"):
            leak(vault)


def test_nothing_is_held_after_its_block() -> None:
    with Vault() as vault:
        marker = vault.marker("secret", "sk-1")
        assert len(vault) == 1
    assert len(vault) == 0
    assert vault.restore(marker) == marker


def test_a_vault_that_is_used_again_gives_no_marker_twice() -> None:
    vault = Vault()
    before = vault.marker("secret", "sk-1")
    vault.clear()
    after = vault.marker("secret", "sk-2")
    assert vault.restore(f"{before} {after}") == f"{before} sk-2"


@given(text=st.text(min_size=1, max_size=60), cuts=st.lists(st.integers(0, 60), max_size=8))
def test_what_is_taken_out_comes_back_as_it_was(text: str, cuts: list[int]) -> None:
    vault = Vault()
    bounds = sorted({min(cut, len(text)) for cut in cuts})
    spans = list(zip(bounds[::2], bounds[1::2], strict=False))
    redacted = redact(text, [(start, end, vault.marker("secret", text[start:end])) for start, end in spans])
    assert vault.restore(redacted) == text


def test_the_thousandth_value_costs_no_more_than_the_first() -> None:
    vault = Vault()
    first = calls(lambda: vault.marker("secret", "sk-first"))
    for number in range(1_000):
        vault.marker("secret", f"sk-{number}")
    assert calls(lambda: vault.marker("secret", "sk-last")) <= first

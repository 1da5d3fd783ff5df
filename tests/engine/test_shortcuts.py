"""The quick ways for ordinary text give exactly what the ways for any text give: tokens, and evidence of words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
import tokenizers
from hypothesis import example, given
from hypothesis import strategies as st

from guardsdk.engine.common_words import CommonWords
from guardsdk.engine.language import packaged_language
from guardsdk.engine.tokenizer import TextEncoder
from guardsdk.engine.wordpiece import WordPieces
from guardsdk.text.english import FORMS
from tests.tiny import write_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

COMMON = ("the", "Report", "PLEASE", "payment", "forward", "Thursday", "a", "I")
RARE = ("Zymurgy", "qwrtz", "eHarmony", "iPhone", "Wolverhampton", "überall", "naïve", "x")
MARKS = (" ", ". ", ".", ", ", "_", "9", "/", "@", "#", "-", "'", "\n", "\t", "$", "(", "é", "\x0b", "\x7f", "")
mixed = st.lists(st.tuples(st.sampled_from([*COMMON, *RARE]), st.sampled_from(MARKS)), max_size=30).map(
    lambda pairs: "".join(word + mark for word, mark in pairs)
)
ascii_text = st.text(st.characters(max_codepoint=0x7F), max_size=80)


@pytest.fixture(scope="module")
def encoder(model_directory: Path) -> TextEncoder:
    loaded = TextEncoder(model_directory / "tokenizer.json")
    loaded.complete()
    return loaded


def described(tokenizer: tokenizers.Tokenizer) -> WordPieces | None:
    return WordPieces.of(json.loads(tokenizer.to_str()))


@given(text=mixed | ascii_text)
@example("a" * 100 + " " + "b" * 101)
@example("[SEP] [CLS] ##ing [UNK]")
def test_plain_text_has_the_tokens_of_the_library(encoder: TextEncoder, text: str) -> None:
    assert encoder._plain is not None
    whole = encoder._tokenizer.encode(text, add_special_tokens=False)
    assert encoder._plain.ids(text) in (None, whole.ids)
    assert encoder._plain.spans(text) in (None, whole.offsets)
    quick = encoder.encode([text])[0].ids.tolist()
    with patch.object(encoder, "_plain", None):
        assert encoder.encode([text])[0].ids.tolist() == quick


def test_printable_ascii_never_needs_the_library(encoder: TextEncoder) -> None:
    text = "".join(map(chr, range(0x20, 0x7F))) + "\t\r\n tokenization of Wolverhampton"
    with patch.object(TextEncoder, "_tokenizer", None):  # read by a property
        (tokens,) = encoder.encode([text])
        assert len(tokens.ids) > 60
        assert encoder.characters(text, tokens, 0, len(tokens.ids) - 1) == (1, len(text))


def test_texts_of_both_kinds_keep_their_order(encoder: TextEncoder) -> None:
    texts = ["one", "café", "two three", "世界", "four", "naïve"]
    assert [one.ids.tolist() for one in encoder.encode(texts)] == [
        encoder.encode([text])[0].ids.tolist() for text in texts
    ]


@pytest.mark.parametrize("changed", ["normalizer", "pre_tokenizer", "added_tokens", "model"])
def test_another_kind_of_tokenizer_goes_through_the_library(tmp_path: Path, changed: str) -> None:
    write_tokenizer(tmp_path / "tokenizer.json")
    tokenizer = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert described(tokenizer) is not None
    if changed == "normalizer":
        tokenizer.normalizer = tokenizers.normalizers.Sequence(
            [tokenizers.normalizers.Replace("a", "b"), tokenizers.normalizers.BertNormalizer()]
        )
    elif changed == "pre_tokenizer":
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    elif changed == "added_tokens":
        tokenizer.add_tokens(["please attack"])
    else:
        tokenizer.model = tokenizers.models.BPE()
    assert described(tokenizer) is None


def test_a_cased_tokenizer_keeps_its_capitals(tmp_path: Path) -> None:
    write_tokenizer(tmp_path / "tokenizer.json")
    tokenizer = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=False)
    plain = described(tokenizer)
    assert plain is not None
    for text in ("attack", "ATTACK", "Attack!"):
        whole = tokenizer.encode(text, add_special_tokens=False)
        assert (plain.ids(text), plain.spans(text)) == (whole.ids, whole.offsets)


@given(text=mixed | ascii_text)
@example("end.Start of a.b. c")
@example("McDonald saidHello to x_y")
def test_common_words_weigh_what_the_arrays_say(text: str) -> None:
    model = packaged_language()
    quick = model.look(text)
    with patch.object(CommonWords, "evidence", lambda *_: None):
        assert model.look(text) == quick


def test_an_ordinary_sentence_needs_no_array() -> None:
    model = packaged_language()
    with patch("guardsdk.engine.language.words_of", side_effect=AssertionError):
        assert model.look("Please forward the report to my colleague in Wolverhampton before lunch.").probability < 0.5


def test_no_word_of_a_text_stays_that_is_not_on_the_list() -> None:
    model = packaged_language()
    model.look("My passphrase is Zymurgy qwrtz; a report is due on Thursday, iPhone.")
    kept = model._common._known
    assert {"report", "Thursday", "a"} <= kept.keys()
    assert {word.lower() for word in kept if len(word) > 2} <= FORMS

"""Words for emoji: each has a row of its own, which says what its name does."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")

from models.training.emoji import emoji, name_emoji, with_emoji  # noqa: E402  torch may be missing
from models.training.prepare import TOKENIZER, tokenizer  # noqa: E402
from models.training.rows import STAGE_TOKENS  # noqa: E402


def test_the_tokenizer_that_ships_knows_them_alone_glued_to_words_and_with_marks() -> None:
    coder = tokenizer()
    tokens = coder.encode(
        "you are a\U0001f40d\U0001f40d \u2764\ufe0f\U0001f44d\U0001f3fd", add_special_tokens=False
    ).tokens
    assert tokens == ["you", "are", "a", "\U0001f40d", "\U0001f40d", "\u2764", "\U0001f44d", "\U0001f3fd"]
    stored = json.loads(TOKENIZER.read_text(encoding="utf-8"))["model"]["vocab"]
    assert with_emoji(stored) == stored
    assert all(stored[one] > max(STAGE_TOKENS.values()) for one in emoji())


def test_words_keep_their_rows_and_stage_tokens_stay_free() -> None:
    free = {f"[unused{number}]": number + 1 for number in range(2000)}
    made = with_emoji({"[PAD]": 0} | free | {"hello": 2001})
    assert made["hello"] == 2001
    assert {name: made[name] for name in ("[PAD]", "[unused0]", "[unused1]", "[unused3]")} == {
        "[PAD]": 0,
        "[unused0]": 1,
        "[unused1]": 2,
        "[unused3]": 4,
    }
    assert sorted(made.values()) == list(range(2002))
    with pytest.raises(RuntimeError, match="leave some out"):
        with_emoji({"[PAD]": 0, "[unused9]": 9})


def test_an_emoji_starts_with_the_meaning_of_its_name() -> None:
    coder = tokenizer()
    torch.manual_seed(1)
    words = torch.randn(coder.get_vocab_size(), 16)
    before = words.clone()
    name_emoji(words)
    snake, thumbs = (coder.token_to_id(one) for one in ("\U0001f40d", "\U0001f44e"))
    torch.testing.assert_close(words[snake], before[coder.token_to_id("snake")])
    parts = [coder.token_to_id(word) for word in ("thumbs", "down")]
    likeness = torch.nn.functional.cosine_similarity(words[thumbs], before[parts].mean(0), dim=0)
    assert float(likeness) == pytest.approx(1.0)
    named = [coder.token_to_id(one) for one in emoji()]
    rest = torch.ones(len(words), dtype=torch.bool)
    rest[named] = False
    assert torch.equal(words[rest], before[rest])
    once = words.clone()
    name_emoji(words)
    assert torch.equal(words, once)

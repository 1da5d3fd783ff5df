"""Tokenizes plain ASCII text without the tokenizer library, for the tokenizers of BERT models.

The library creates an object per token with offsets and strings that a check never uses; looking up the words of a
plain text takes a tenth of its time. Other text goes through the library, and the tests verify that both give the same
ids. The algorithm is the greedy longest match of WordPiece, as in Song et al. 2021, arXiv:2012.15524, section 2.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOT_PLAIN: Final = re.compile(r"[^\t\n\r -~]")
"""Characters that a normaliser may drop, fold or split."""
_IDLE: Final = frozenset({"NFC", "NFD", "NFKC", "NFKD"})
"""Normalisers that do not change ASCII."""
_MARKS: Final = frozenset({r"\p{S}", r"\p{P}"})
"""Character classes of marks; the BERT splitter already separates all ASCII ones."""
_PARTS: Final = re.compile(r"[0-9A-Za-z]+|[!-/:-@\[-`{-~]")
"""Words, and each mark separately."""


class WordPieces:
    """Tokenizes plain ASCII. Immutable and thread-safe."""

    def __init__(
        self, vocabulary: Mapping[str, int], *, unknown: int, prefix: str, longest_word: int, lower: bool
    ) -> None:
        """Use ``vocabulary``, token to id, where tokens inside a word begin with ``prefix``.

        A word of more than ``longest_word`` characters, or with a part that no token matches, is ``unknown`` as a
        whole. ``lower`` says that words are lower-cased first.
        """
        self._vocabulary = vocabulary
        self._prefix = prefix
        self.unknown = unknown
        self.longest_word = longest_word
        self._longest_token = max(map(len, vocabulary), default=0)
        self._tokens_fit = self._longest_token <= longest_word
        self._lower = lower

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Self | None:
        """Return a tokenizer for plain text equivalent to the one that ``tokenizer.json`` describes.

        ``None`` if that is not a BERT tokenizer, or has added tokens of its own.
        """
        model = described["model"]
        normal = [step for step in _steps(described["normalizer"], "normalizers") if step["type"] not in _IDLE]
        split = [step for step in _steps(described["pre_tokenizer"], "pretokenizers") if not _splits_marks(step)]
        bert = [step["type"] for step in (model, *normal, *split)] == [
            "WordPiece",
            "BertNormalizer",
            "BertPreTokenizer",
        ]
        if not bert or not all(token["special"] for token in described["added_tokens"]):
            return None
        unknown = model["vocab"].get(model["unk_token"])
        if unknown is None:
            return None
        return cls(
            model["vocab"],
            unknown=unknown,
            prefix=model["continuing_subword_prefix"],
            longest_word=model["max_input_chars_per_word"],
            lower=normal[0]["lowercase"],
        )

    def ids(self, text: str) -> list[int] | None:
        """Return the token ids of ``text``; ``None`` if it has anything but printable ASCII, tabs and line ends."""
        if not (text.isascii() and text.isprintable()) and _NOT_PLAIN.search(text):  # which the first two mostly spare
            return None
        words = _PARTS.findall(text.lower() if self._lower else text)
        found = list(map(self._vocabulary.get, words))
        if self._tokens_fit and None not in found:
            return found  # type: ignore[return-value]  # none of them is None
        ids: list[int] = []
        for word, known in zip(words, found, strict=True):
            if known is None or (not self._tokens_fit and len(word) > self.longest_word):
                ids += self._pieces(word)[0]
            else:
                ids.append(known)
        return ids

    def spans(self, text: str) -> list[tuple[int, int]] | None:
        """Return the character range of each of the ``ids`` of ``text``; ``None`` if there are no ids."""
        if _NOT_PLAIN.search(text):
            return None
        spans: list[tuple[int, int]] = []
        for match in _PARTS.finditer(text):
            word, start = match.group(), match.start()
            for end in self._pieces(word.lower() if self._lower else word)[1]:
                spans.append((start, match.start() + end))
                start = match.start() + end
        return spans

    def _pieces(self, word: str) -> tuple[list[int], list[int]]:
        """Return the tokens of ``word``, and where each ends in it."""
        size = len(word)
        ids: list[int] = []
        ends: list[int] = []
        start, prefix = 0, ""
        while start < size <= self.longest_word:
            for end in range(min(size, start + self._longest_token), start, -1):
                found = self._vocabulary.get(prefix + word[start:end])
                if found is not None:
                    ids.append(found)
                    ends.append(end)
                    break
            else:
                break
            start, prefix = end, self._prefix
        return (ids, ends) if start == size else ([self.unknown], [size])


def frame_of(described: Mapping[str, Any]) -> tuple[list[int], list[int], int] | None:
    """Return the special ids before and after a text, and the padding id, from ``tokenizer.json``.

    ``None`` if it does not give them in a template, which nearly all do.
    """
    template = described["post_processor"] or {}
    if template.get("type") != "TemplateProcessing":
        return None
    before: list[int] = []
    after: list[int] = []
    side = before
    for piece in template["single"]:
        if "Sequence" in piece:
            side = after
        else:
            side += template["special_tokens"][piece["SpecialToken"]["id"]]["ids"]
    tables = {token["content"]: token["id"] for token in described["added_tokens"]}, described["model"]["vocab"]
    named = [table[name] for name in ("[PAD]", "<pad>") for table in tables if name in table]
    return before, after, (described["padding"] or {}).get("pad_id", next(iter(named), 0))


def _steps(described: Mapping[str, Any] | None, inside: str) -> list[Mapping[str, Any]]:
    """Return the steps of a normaliser or splitter, whether one or several."""
    if described is None:
        return []
    return list(described[inside]) if described["type"] == "Sequence" else [described]


def _splits_marks(step: Mapping[str, Any]) -> bool:
    """Whether ``step`` only separates marks that the BERT splitter already separates."""
    isolated = step["type"] == "Split" and step["behavior"] == "Isolated" and not step["invert"]
    return isolated and step["pattern"].get("Regex") in _MARKS

"""Text to token ids and back to character positions; the only module that imports the tokenizer library."""

from __future__ import annotations

import threading
from array import array
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pydantic_core import from_json

from guardsdk.engine.wordpiece import WordPieces, frame_of
from guardsdk.errors import ModelError
from guardsdk.forking import lazy
from guardsdk.text.pieces import parting, pieces
from guardsdk.text.windows import share_ranges

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

WIDE: Final = "q"
"""Array type code of token ids: 8 bytes, as the model expects."""
_PIECE = 32_768
"""Characters tokenized at once; the library needs some hundred bytes per token while it works."""
_ENDS = 8
"""Characters read per token that is kept at the end of a text: more than all but a few words have."""
_REMEMBERED = 8192
"""Characters for which it is cached whether they make a word unknown; a text may contain every one there is."""
_AT_ONCE = 64
"""Pieces per call of the library, which limits memory for long texts and feeds its threads for many texts."""


@dataclass(slots=True)
class Tokens:
    """The token ids of one text, without special tokens."""

    ids: array[int]
    """[N], 8 bytes each: as compact as a numpy array, whose first use after a run is expensive."""
    pieces: list[tuple[int, int]]
    """The character ranges that were tokenized separately."""
    counts: list[int]
    """The number of tokens in each piece."""


class TextEncoder:
    """A tokenizer that never truncates or pads, and never interprets text as a special token."""

    def __init__(self, path: Path) -> None:
        """Load ``tokenizer.json`` from ``path``. Raises ``ModelError`` if it cannot be used.

        If plain text can be tokenized without the library and the file gives the special tokens, the library is only
        loaded for the first text that is not plain, or by ``complete``: it takes as long to set up as the model does.
        """
        self._path = path
        self._library: Tokenizer | None = None
        self._loading = threading.Lock()
        try:
            self._described = path.read_bytes()
            # Twice as fast as the standard library's parser, on a vocabulary of thirty thousand.
            described: dict[str, Any] = from_json(self._described, cache_strings="none")
            self._plain = WordPieces.of(described)
            frame = None if self._plain is None else frame_of(described)
        except (OSError, ValueError) as error:
            raise self._unusable(error) from error
        except (AttributeError, KeyError, TypeError):  # an unknown format: left to the library
            self._plain = frame = None
        self.prefix, self.suffix, self.pad = frame or self._probed()
        """Special ids before and after the text, and the padding id."""
        self.closing = array(WIDE, self.suffix)
        """The suffix as an array."""
        self._openings: dict[int | None, array[int]] = {}
        self._hiding: dict[str, bool] = {}
        self._longest_word: int | None
        self._unknown: int | None
        if self._plain is not None:
            self._longest_word, self._unknown = self._plain.longest_word, self._plain.unknown
        else:
            model = self._tokenizer.model
            self._longest_word = getattr(model, "max_input_chars_per_word", None)
            self._unknown = self._tokenizer.token_to_id(getattr(model, "unk_token", None) or "")

    def complete(self) -> None:
        """Load the library if it has not been yet. Raises ``ModelError`` if it cannot use the file."""
        self._tokenizer  # noqa: B018  loaded on access

    @property
    def _tokenizer(self) -> Tokenizer:
        if self._library is None:
            with self._loading:
                if self._library is None:
                    self._library = self._loaded()
        return self._library

    def _loaded(self) -> Tokenizer:
        import tokenizers  # noqa: PLC0415  importing the package must stay light

        try:
            loaded = tokenizers.Tokenizer.from_buffer(self._described)
        except Exception as error:  # the library raises plain Exception
            raise self._unusable(error) from error
        self._described = b""
        loaded.no_truncation()
        loaded.no_padding()
        # A user who writes "[SEP]" writes five characters; read as the token, it would forge the row's structure.
        loaded.encode_special_tokens = True
        return loaded

    def _probed(self) -> tuple[list[int], list[int], int]:
        """Determine the result of ``frame_of`` with the library."""
        padding: dict[str, Any] = from_json(self._described).get("padding") or {}
        sample = self._tokenizer.encode("a", add_special_tokens=False).ids
        framed = self._tokenizer.encode("a").ids
        start = next((at for at in range(len(framed)) if framed[at : at + len(sample)] == sample), None)
        if not sample or start is None:
            msg = f"tokenizer file {self._path} gives no plain tokens for a plain word"
            raise ModelError(msg)
        named = (self._tokenizer.token_to_id(name) for name in ("[PAD]", "<pad>"))
        pad = padding.get("pad_id", next((found for found in named if found is not None), 0))
        return framed[:start], framed[start + len(sample) :], pad

    def _unusable(self, error: Exception) -> ModelError:
        return ModelError(f"tokenizer file {self._path} cannot be loaded: {type(error).__name__}")

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        """Tokenize texts of any length, in order."""
        if len(texts) == 1 and self._plain is not None and len(texts[0]) <= self._plain.longest_word:
            plain = self._plain.ids(texts[0])
            if plain is not None:
                return [Tokens(array(WIDE, plain), [(0, len(texts[0]))], [len(plain)])]
        cuts = [pieces(text, _PIECE, self._longest_word) for text in texts]
        parts = [parting(text[a:b], self._hides) for text, cut in zip(texts, cuts, strict=True) for a, b in cut]
        ids = [None if self._plain is None else self._plain.ids(part) for part in parts]
        self._fill(parts, ids)
        found = iter(ids)
        tokens: list[Tokens] = []
        for cut in cuts:
            whole, counts = array(WIDE), []
            for _ in cut:
                own = next(found) or []
                whole.extend(own)
                counts.append(len(own))
            tokens.append(Tokens(whole, cut, counts))
        return tokens

    def _fill(self, parts: Sequence[str], ids: list[list[int] | None]) -> None:
        """Tokenize with the library whatever has no ``ids`` yet."""
        rest = [at for at, own in enumerate(ids) if own is None]
        if len(rest) == 1:  # a batch would needlessly wake the library's threads
            ids[rest[0]] = self._tokenizer.encode(parts[rest[0]], add_special_tokens=False).ids
            return
        for start in range(0, len(rest), _AT_ONCE):
            batch = rest[start : start + _AT_ONCE]
            encodings = self._tokenizer.encode_batch_fast([parts[at] for at in batch], add_special_tokens=False)
            for at, encoding in zip(batch, encodings, strict=True):
                ids[at] = encoding.ids

    def _hides(self, character: str) -> bool:
        """Whether a word that contains ``character`` is unknown as a whole."""
        if character.isascii():
            return False
        known = self._hiding.get(character)
        if known is None:
            if len(self._hiding) >= _REMEMBERED:
                self._hiding.clear()
            within = [
                self._tokenizer.encode(word, add_special_tokens=False).ids
                for word in (f"a{character}", f"{character}a")
            ]
            known = self._hiding[character] = any(ids == [self._unknown] for ids in within)
        return known

    def opening(self, token: int | None) -> array[int]:
        """Return the ids before a text: the special ones and ``token``, if any."""
        found = self._openings.get(token)
        if found is None:
            found = self._openings[token] = array(WIDE, [*self.prefix, *(() if token is None else (token,))])
        return found

    def legible(self, ids: array[int]) -> bool:
        """Return whether ``ids`` [N] contain anything legible: false if there are words and all of them are unknown.

        Such a text is the same few tokens whatever it says, so its score is meaningless. A single known word makes a
        text legible, so that nothing the model could understand is hidden by unknown words around it.
        """
        if self._unknown is None or self._unknown not in ids:
            return True
        return bool(self._lettered[np.frombuffer(ids, np.int64)].any())

    @lazy
    def _lettered(self) -> NDArray[np.bool_]:
        """Whether each token, by id, is known and has a letter."""
        vocabulary = self._tokenizer.get_vocab()
        lettered = np.zeros(max(vocabulary.values()) + 1, dtype=np.bool_)
        lettered[[at for token, at in vocabulary.items() if any(map(str.isalpha, token))]] = True
        lettered[self._unknown] = False
        return lettered

    def ends(self, text: str, most: int) -> array[int]:
        """Return at most ``most`` token ids of ``text``: the first and the last half if there are more."""
        half = most // 2
        piece = _ENDS * most
        if len(text) > 2 * piece:  # a long context comes with every check, and usually its ends are enough
            first, last = text[:piece].rpartition(" ")[0], text[-piece:].partition(" ")[2]
            head, tail = self.encode([first, last])
            if len(head.ids) >= most - half and len(tail.ids) >= half:
                return head.ids[: most - half] + tail.ids[len(tail.ids) - half :]
        if len(text) > 2 * _PIECE:
            # The middle is dropped; a space separates the words on both sides of the gap.
            text = f"{text[:_PIECE]} {text[-_PIECE:]}"
        (tokens,) = self.encode([text])
        if len(tokens.ids) <= most:
            return tokens.ids
        return tokens.ids[: most - half] + tokens.ids[len(tokens.ids) - half :]

    def shares(self, text: str, size: int, most: int) -> list[str]:
        """Return ``text`` in slightly overlapping parts of at most ``size`` tokens, and at most ``most`` of them.

        The first and the last if there would be more; the text itself if it has at most ``size`` tokens.
        """
        if most == 1:
            return [text]
        reach = _ENDS * size * most
        shown = text if len(text) <= 2 * reach else f"{text[:reach]} {text[-reach:]}"
        spans = self._spans(shown)
        if len(spans) <= size:
            return [text]
        return [shown[spans[first][0] : spans[end - 1][1]] for first, end in share_ranges(len(spans), size, most)]

    def characters(self, text: str, tokens: Tokens, first: int, last: int) -> tuple[int, int]:
        """Return the half-open character range in ``text`` from token ``first`` to token ``last``, inclusive."""
        return self._offsets(text, tokens, first)[0], self._offsets(text, tokens, last)[1]

    def _offsets(self, text: str, tokens: Tokens, index: int) -> tuple[int, int]:
        """Tokenize the piece that has token ``index`` again, this time for character offsets."""
        ends = list(accumulate(tokens.counts))
        at = next(number for number, end in enumerate(ends) if index < end)
        start, end = tokens.pieces[at]
        first, last = self._spans(text[start:end])[index - (ends[at] - tokens.counts[at])]
        return start + first, start + last

    def _spans(self, piece: str) -> Sequence[tuple[int, int]]:
        """Return the character range of each token of ``piece``, which is tokenized at once."""
        piece = parting(piece, self._hides)
        spans = None if self._plain is None else self._plain.spans(piece)
        if spans is None:
            spans = self._tokenizer.encode(piece, add_special_tokens=False).offsets
        return spans

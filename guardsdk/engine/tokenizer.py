"""Text to token ids and back to character positions; the only file that imports the tokenizer library."""

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
"""Type of arrays of token ids: 8 bytes, as the model takes them."""
_PIECE = 32_768
"""Characters tokenized as one; the library needs some hundred bytes per token while it works."""
_ENDS = 8
"""Characters looked at for each token that is kept of the end of a text: more than any but a few words have."""
_REMEMBERED = 8192
"""Characters of which it is known whether they hide a word: a text may hold every one there is."""
_AT_ONCE = 64
"""Pieces in one call of the library, which bounds memory for long texts and feeds its threads for many texts."""


@dataclass(slots=True)
class Tokens:
    """The token ids of one text, without special tokens."""

    ids: array[int]
    """[N], of 8 bytes each: as compact as numpy's, whose first call after a run costs a check dear."""
    pieces: list[tuple[int, int]]
    """The character ranges that were tokenized one by one."""
    counts: list[int]
    """Tokens in each piece."""


class TextEncoder:
    """A tokenizer that never truncates, never pads, and never takes text for a special token."""

    def __init__(self, path: Path) -> None:
        """Load ``tokenizer.json`` from ``path``. Raises ``ModelError`` when it cannot be used.

        Where plain text is tokenized without the library and the file says what frames it, the library waits for the
        first text that is not plain, or ``complete``: it takes as long to set up as the model does.
        """
        self._path = path
        self._library: Tokenizer | None = None
        self._loading = threading.Lock()
        try:
            self._described = path.read_bytes()
            # Half the time of the standard library's reader, on a vocabulary of thirty thousand.
            described: dict[str, Any] = from_json(self._described, cache_strings="none")
            self._plain = WordPieces.of(described)
            frame = None if self._plain is None else frame_of(described)
        except (OSError, ValueError) as error:
            raise self._unusable(error) from error
        except (AttributeError, KeyError, TypeError):  # nothing we know: the library has the last word
            self._plain = frame = None
        self.prefix, self.suffix, self.pad = frame or self._probed()
        """Special ids before the text and after it, and the one that fills up a row."""
        self.closing = array(WIDE, self.suffix)
        """The suffix, ready to be laid out."""
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
        """Load whatever has waited so far. Raises ``ModelError`` where the library cannot use the file."""
        self._tokenizer  # noqa: B018  asking for it loads it

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
        # Someone who writes "[SEP]" writes five characters; read as the token, it would forge the row's structure.
        loaded.encode_special_tokens = True
        return loaded

    def _probed(self) -> tuple[list[int], list[int], int]:
        """Find out from the library what ``frame_of`` tells."""
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
        """Tokenize with the library what has no ``ids`` yet."""
        rest = [at for at, own in enumerate(ids) if own is None]
        if len(rest) == 1:  # a batch would wake the library's threads for nothing
            ids[rest[0]] = self._tokenizer.encode(parts[rest[0]], add_special_tokens=False).ids
            return
        for start in range(0, len(rest), _AT_ONCE):
            batch = rest[start : start + _AT_ONCE]
            encodings = self._tokenizer.encode_batch_fast([parts[at] for at in batch], add_special_tokens=False)
            for at, encoding in zip(batch, encodings, strict=True):
                ids[at] = encoding.ids

    def _hides(self, character: str) -> bool:
        """Whether a word is unknown as a whole because ``character`` is in it."""
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
        """Return the ids before a text: the special ones and ``token``, where there is one."""
        found = self._openings.get(token)
        if found is None:
            found = self._openings[token] = array(WIDE, [*self.prefix, *(() if token is None else (token,))])
        return found

    def legible(self, ids: array[int]) -> bool:
        """Return whether ``ids`` [N] hold anything to read: false where words are there and every one is unknown.

        Such a text is the same few tokens whatever it says, so a score of it means nothing. One known word is enough
        to be read, so nothing that the model could understand hides behind words that it does not know.
        """
        if self._unknown is None or self._unknown not in ids:
            return True
        return bool(self._lettered[np.frombuffer(ids, np.int64)].any())

    @lazy
    def _lettered(self) -> NDArray[np.bool_]:
        """Whether each token is known and holds a letter, by its id."""
        vocabulary = self._tokenizer.get_vocab()
        lettered = np.zeros(max(vocabulary.values()) + 1, dtype=np.bool_)
        lettered[[at for token, at in vocabulary.items() if any(map(str.isalpha, token))]] = True
        lettered[self._unknown] = False
        return lettered

    def ends(self, text: str, most: int) -> array[int]:
        """Return at most ``most`` token ids of ``text``: the first and the last half where there are more."""
        half = most // 2
        piece = _ENDS * most
        if len(text) > 2 * piece:  # a long one is given with every check: mostly a little of it is enough
            first, last = text[:piece].rpartition(" ")[0], text[-piece:].partition(" ")[2]
            head, tail = self.encode([first, last])
            if len(head.ids) >= most - half and len(tail.ids) >= half:
                return head.ids[: most - half] + tail.ids[len(tail.ids) - half :]
        if len(text) > 2 * _PIECE:
            # The middle is not going to be shown; a space keeps the words on both sides of the gap apart.
            text = f"{text[:_PIECE]} {text[-_PIECE:]}"
        (tokens,) = self.encode([text])
        if len(tokens.ids) <= most:
            return tokens.ids
        return tokens.ids[: most - half] + tokens.ids[len(tokens.ids) - half :]

    def shares(self, text: str, size: int, most: int) -> list[str]:
        """Return ``text`` in pieces of at most ``size`` tokens, which overlap a little, and at most ``most`` of them.

        The first and the last where there would be more; the text itself where it has no more than ``size``.
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
        """Return the half-open character range in ``text`` from token ``first`` to token ``last``, both included."""
        return self._offsets(text, tokens, first)[0], self._offsets(text, tokens, last)[1]

    def _offsets(self, text: str, tokens: Tokens, index: int) -> tuple[int, int]:
        """Look at the one piece that holds token ``index`` again, this time for character positions."""
        ends = list(accumulate(tokens.counts))
        at = next(number for number, end in enumerate(ends) if index < end)
        start, end = tokens.pieces[at]
        first, last = self._spans(text[start:end])[index - (ends[at] - tokens.counts[at])]
        return start + first, start + last

    def _spans(self, piece: str) -> Sequence[tuple[int, int]]:
        """Return the character range of each token of ``piece``, which is tokenized as one."""
        piece = parting(piece, self._hides)
        spans = None if self._plain is None else self._plain.spans(piece)
        if spans is None:
            spans = self._tokenizer.encode(piece, add_special_tokens=False).offsets
        return spans

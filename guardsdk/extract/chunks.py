"""Chunks of a streamed response: the strings in them, and copies with other strings in their place."""

from __future__ import annotations

import copy
from collections.abc import MutableMapping, MutableSequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from guardsdk.errors import InputTypeError
from guardsdk.extract.pieces import WORDS
from guardsdk.extract.responses import ResponseText
from guardsdk.extract.rewrite import rewrite
from guardsdk.extract.shapes import field, fields_of, has, is_list
from guardsdk.extract.words import is_code
from guardsdk.text.redact import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from guardsdk.extract.pieces import Channel, Piece
    from guardsdk.extract.rewrite import Find
    from guardsdk.text.redact import Edit

_REPEATING = (
    (None, "logprobs"),
    (None, "logprobs_result"),
    (None, "logprobsResult"),
    ("grounding_metadata", "grounding_supports"),
    ("groundingMetadata", "groundingSupports"),
)
"""What says the words of a chunk, a choice or a candidate once more, with what it is a field of where not its own."""
_ABOUT: Final = ("response_metadata", "generation_info", "additional_kwargs")
"""Where LangChain has more of it."""
_SOURCES: Final = ("content", "text", "snapshot")
"""What something is parsed from beside it. It goes with that."""
_TOKENS: Final = ("content", "refusal", "tokens", "chosen_candidates", "chosenCandidates")
"""Where providers list the tokens of a text."""


def read(chunk: object, extractor: Callable[[Any], object] | None, *, data: bool = False) -> ResponseText:
    """Return every string in ``chunk``, in order; ``InputTypeError`` where it cannot be read as text.

    ``data``: whether data of the host's is read too, which is for what does not go on in a next chunk.
    """
    response = ResponseText(extractor, data=data)
    response.add(chunk)
    return response


def pieces_of(chunk: object, extractor: Callable[[Any], object] | None) -> list[Piece]:
    """Return the pieces of what ``read`` returns; raises as it does."""
    return read(chunk, extractor).pieces


def still(chunk: Any) -> Any:  # noqa: ANN401  of the type of the chunk
    """Return ``chunk`` as it is now, whatever its source does with it later.

    A ``chunk`` event of OpenAI's package holds the completion so far, one object for all events, to which the package
    adds what nobody has screened yet. The event is then a copy with one of its own. Raises ``InputTypeError`` where it
    cannot be copied.
    """
    snapshot = field(chunk, "snapshot") if field(chunk, "type") == "chunk" else None
    if snapshot is None:
        return chunk
    with suppress(Exception):  # an object of somebody else's may refuse in any way
        memo: dict[int, Any] = {}
        for choice in field(snapshot, "choices") or ():
            for name in ("content", "refusal"):  # the lists grow, the tokens in them stay as they are
                if isinstance(tokens := field(field(choice, "logprobs"), name), list):
                    memo[id(tokens)] = list(tokens)
        copied = copy.copy(chunk)
        _set(copied, "snapshot", copy.deepcopy(snapshot, memo))
        return copied
    raise _uncopied(chunk)


def with_texts(
    chunk: Any,  # noqa: ANN401  of the type of the chunk
    texts: Sequence[str],
    extractor: Callable[[Any], object] | None,
    find: Find,
    *,
    repeats: bool,
    data: bool,
) -> Any:  # noqa: ANN401  of the type of the chunk
    """Return a copy of ``chunk`` whose strings, in the order of ``pieces_of``, are ``texts``.

    Strings that are put together from several, and those nobody reads, have what ``find`` asks for; what repeats the
    old words elsewhere in the chunk (token probabilities, the text beside a message) goes. ``chunk`` stays as it was.
    Raises ``InputTypeError`` where the copy would not read as asked: better no chunk than one with its old words.
    ``repeats`` is as ``without`` has it, ``data`` as ``read`` does.
    """
    if isinstance(chunk, str) and extractor is None:
        return texts[0]
    with suppress(Exception):  # an object of somebody else's may refuse in any way; what matters is read below
        said = list(zip(read(chunk, extractor, data=data).pieces, texts, strict=True))
        copied = copy.deepcopy(rewrite(chunk, _beside(said, find)))
        calls = False
        wanted = []
        own = [(piece, text) for piece, text in said if piece.holder is not None]
        pieces = [piece for piece in read(copied, extractor, data=data).pieces if piece.holder is not None]
        for piece, (before, text) in zip(pieces, own, strict=True):
            wanted.append(text)
            if before.text != text or piece.text != text:
                wanted[-1] = "" if piece.tokens else text
                _set(piece.holder, piece.name, [] if piece.tokens else text)
                _silence(piece.holder)
                calls = calls or piece.arguments
        for part in (copied, *(one for name in ("chunk", "snapshot") if has(one := field(copied, name), "choices"))):
            _forget(part, calls=calls)
        for holder, name in list(_repeated(copied, wanted)) if repeats else ():
            _set(holder, name, None)
        if _reads_as(read(copied, extractor, data=data).pieces, wanted, _lines(said, find)):
            return copied
    raise _uncopied(chunk)


def without(chunk: Any, texts: Sequence[str], find: Find, *, repeats: bool) -> Any:  # noqa: ANN401  of the type of the chunk
    """Return ``chunk`` with what ``find`` asks for in every string but its ``texts``, the same object if there is none.

    ``repeats``: whether it may say once more what is no longer in the chunks before: then what was parsed from them and
    tokens that are none of its own ``texts`` go.
    """
    kept = set(texts)
    with suppress(Exception):  # an object of somebody else's may refuse in any way
        changed = rewrite(chunk, lambda string: [] if string in kept else find(string))
        if repeats and any(_repeated(changed, texts)):
            changed = copy.deepcopy(changed)
            for holder, name in list(_repeated(changed, texts)):
                _set(holder, name, None)
        return changed
    raise _uncopied(chunk)


def _beside(said: Sequence[tuple[Piece, str]], find: Find) -> Find:
    """Return what to change beside the strings that are set one by one: those to be left as they are stay."""
    kept = {piece.text for piece, text in said if piece.text == text and not (piece.loose and is_code(text))}
    told: dict[str, str] = {}
    for piece, text in said:
        if piece.holder is None and piece.text != text:
            told[piece.text] = text
            lines, written = piece.text.split("\n"), text.split("\n")
            if len(lines) == len(written):  # a value of which a chunk has a part is found nowhere
                told |= {line: other for line, other in zip(lines, written, strict=True) if line != other}

    def changes(string: str) -> list[Edit]:
        if string in told:
            return [(0, len(string), told[string])]
        return [] if string in kept else find(string)

    return changes


def _lines(said: Sequence[tuple[Piece, str]], find: Find) -> dict[Channel, set[str]]:
    """Return by channel which lines may be read of what is put together from several strings."""
    lines: dict[Channel, set[str]] = {}
    for piece, text in said:
        if piece.holder is None:
            lines.setdefault(piece.channel, {""}).update(text.split("\n"), redact(text, find(text)).split("\n"))
    return lines


def _reads_as(pieces: Sequence[Piece], wanted: Sequence[str], lines: Mapping[Channel, set[str]]) -> bool:
    """Whether ``pieces`` are the strings ``wanted``, and those put together from several of no other ``lines``."""
    others = [piece for piece in pieces if piece.holder is None and piece.channel[-1:] != (WORDS,)]  # read twice
    return [piece.text for piece in pieces if piece.holder is not None] == wanted and all(
        lines.get(piece.channel, set()).issuperset(piece.text.split("\n")) for piece in others
    )


def _uncopied(chunk: object) -> InputTypeError:
    kind = f"{type(chunk).__module__}.{type(chunk).__qualname__}"
    return InputTypeError(f"{kind} cannot be copied with other words in it; stream strings, or chunks of a known shape")


def _set(holder: object, name: str | int, text: object) -> None:
    if isinstance(holder, MutableMapping | MutableSequence):
        holder[name] = text  # type: ignore[index]  # a name of a mapping, a place in a list
    else:
        setattr(holder, str(name), text)


def _silence(holder: object) -> None:
    """Drop what says a string once more beside it: its tokens with their probabilities, what was made of it."""
    for name in ("logprobs", "parsed", "parsed_arguments", "parsed_output"):
        if (said := field(holder, name)) is not None:
            _set(holder, name, [] if isinstance(said, list) else None)


def _parts(chunk: object) -> list[object]:
    return [chunk, *(field(chunk, "choices") or ()), *(field(chunk, "candidates") or ()), field(chunk, "message")]


def _repeated(chunk: object, texts: Sequence[str]) -> Iterator[tuple[object, str]]:
    """Yield what was parsed from nothing beside it, and tokens that are in none of the ``texts``: holder and name."""
    parts = [one for part in _parts(chunk) for one in (part, field(part, "message")) if one is not None]
    for part in (*parts, *(field(part, name) for part in parts for name in _ABOUT)):
        fields = fields_of(part)  # and no properties: Google's put a text together
        if fields.get("parsed") is not None and not any(isinstance(fields.get(one), str) for one in _SOURCES):
            yield part, "parsed"
        for holder, name in _REPEATING:
            if holder is None and (said := field(part, name)):
                tokens = _told(said)
                if not tokens or not any(tokens in text for text in texts):
                    yield part, name


def _told(tokens: object) -> str:
    """Return the text that a list of tokens says, be it inside of something."""
    lists = [tokens] if is_list(tokens) else [field(tokens, name) for name in _TOKENS]
    said = [one if isinstance(one, str) else field(one, "token") for tokens in lists for one in tokens or ()]
    return "".join(map(str, said))


def _forget(chunk: object, *, calls: bool) -> None:
    """Drop what says the old words again, beside the strings that were changed; ``calls``: whether one is a call's."""
    for part in _parts(chunk):
        message = field(part, "message")
        for holder, name in _REPEATING:
            inside = part if holder is None else field(part, holder)
            if has(inside, name) and field(inside, name) is not None:
                _set(inside, name, None)  # what providers give where nobody asked for it
        if isinstance(content := field(message, "content"), str) and has(part, "generation_info"):
            _set(part, "text", content)  # of a LangChain generation
        for name in ("response_metadata", "generation_info"):
            about = field(part, name)
            if isinstance(about, MutableMapping):
                about.pop("logprobs", None)
        if calls and field(part, "tool_call_chunks"):
            _parse_again(part)


def _parse_again(message: object) -> None:
    """Let a LangChain chunk tell its calls by its changed pieces, and not as the provider told them."""
    for name in ("tool_calls", "invalid_tool_calls"):
        if has(message, name):
            _set(message, name, [])
    if isinstance(extra := field(message, "additional_kwargs"), MutableMapping):
        extra.pop("tool_calls", None)
    if callable(parse := getattr(message, "init_tool_calls", None)):
        parse()

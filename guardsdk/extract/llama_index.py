"""Chat messages of LlamaIndex, whose ``content`` is only the text among their ``blocks``.

https://developers.llamaindex.ai/python/framework-api-reference/prompts/
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final

from guardsdk.extract.shapes import MEDIA_PARTS, field, fields_of, is_list

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    _Part = dict[str, object]


def message_of(value: object) -> object:
    """Return a message of blocks with them as the parts of its content, at the same indices; others unchanged."""
    blocks = field(value, "blocks")
    if not is_list(blocks) or not blocks or not all(isinstance(field(one, "block_type"), str) for one in blocks):
        return value
    around = {name: held for name, held in fields_of(value).items() if name not in ("blocks", "content")}
    return {**around, "content": [_part_of(one) for one in blocks]}


def has_media(value: object) -> bool:
    """Whether ``value`` is a message with an image, audio or a file among its blocks, which its ``content`` omits."""
    blocks = field(value, "blocks")
    return is_list(blocks) and any(field(one, "block_type") in MEDIA_PARTS for one in blocks)


def _part_of(block: object) -> _Part:
    kind = field(block, "block_type")
    return _BLOCKS[kind](block) if kind in _BLOCKS else {"type": kind}


def _document(block: Any) -> _Part:  # noqa: ANN401  a block of another library
    """Return a file with its title, which the model is shown, and its text if it has one."""
    data, mime = field(block, "data"), field(block, "document_mimetype")
    part: _Part = {"type": "document", "title": field(block, "title")}
    if isinstance(mime, str) and mime.startswith("text/") and isinstance(data, bytes):
        part["source"] = {"type": "text", "data": _decoded(data).decode(errors="replace")}
    return part


def _decoded(data: bytes) -> bytes:
    """Return what ``data`` holds as base64, as LlamaIndex keeps it, or ``data`` itself."""
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        return data


def _citable(block: object) -> _Part:
    about = {name: field(block, name) for name in ("title", "source")}
    return {"type": "search_result", **about, "content": [_part_of(one) for one in field(block, "content") or ()]}


def _cited(block: object) -> _Part:
    """Return what an answer quotes, with its source."""
    quoted = _part_of(field(block, "cited_content"))
    said = (quoted.get("text"), field(block, "title"), field(block, "source"))
    return _said("\n".join(text for text in said if isinstance(text, str))) if quoted["type"] == "text" else quoted


def _said(text: object) -> _Part:
    return {"type": "text", "text": text}


_BLOCKS: Final[Mapping[str, Callable[[Any], _Part]]] = {
    "cache": lambda _: _said(""),
    "citable": _citable,
    "citation": _cited,
    "document": _document,
    "text": lambda block: _said(field(block, "text")),
    "thinking": lambda block: {"type": "thinking", "thinking": field(block, "content") or ""},
    "tool_call": lambda block: {
        "type": "tool_use",
        "name": field(block, "tool_name"),
        "input": field(block, "tool_kwargs"),
    },
}
"""Converts each kind of block to a part of a message; images, audio and video have no text."""

"""Extracts text from prompts and responses of other libraries, by shape: none of those libraries is imported.

What cannot be read as text is never skipped. Images, audio and files in a prompt are reported, so that the policy
decides on a prompt that was not screened in full; anything else is rejected (``InputTypeError``). Error messages name
types, never content.
"""

from __future__ import annotations

from guardsdk.extract.prompts import Passage, context_of, prompt_passages, system_of, system_passages, tool_passages
from guardsdk.extract.responses import ResponseText

__all__ = ["Passage", "ResponseText", "context_of", "prompt_passages", "system_of", "system_passages", "tool_passages"]

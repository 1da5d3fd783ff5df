"""The kinds of parts, items and messages that answers are made of, and where each has its words."""

from __future__ import annotations

CALL_PARTS = frozenset(
    {
        "apply_patch_call",
        "apply_patch_call_output",
        "code_interpreter_call",
        "computer_call",
        "custom_tool_call",
        "function_call",
        "input_json_delta",
        "invalid_tool_call",
        "local_shell_call",
        "local_shell_call_output",
        "mcp_approval_request",
        "mcp_call",
        "mcp_tool_use",
        "program",
        "program_output",
        "server_tool_call",
        "server_tool_call_chunk",
        "server_tool_use",
        "shell_call",
        "shell_call_output",
        "tool_call",
        "tool_call_chunk",
        "tool_search_call",
        "tool_use",
    }
)
CALL_ARGUMENTS = ("arguments", "args", "input", "partial_json", "code", "action", "actions", "operation")
CALL_RESULTS = ("output", "outputs", "result")
"""What a call gave that the provider made itself."""
OUTPUT_PARTS = frozenset({"custom_tool_call_output", "function_call_output"})
"""What a tool gave, in parts as those of a message."""
SEARCH_PARTS = frozenset({"file_search_call", "web_search_call"})
"""Searches the provider made itself: the model wrote what is looked for, and what was found is anybody's."""
NOTE_PARTS = frozenset(
    {
        "additional_tools",
        "compaction_trigger",
        "configuration_update",
        "fallback",
        "item_reference",
        "mcp_approval_response",
        "mcp_list_tools",
        "mcp_tool_listing",
        "tool_search_output",
    }
)
"""What is said of tools, models and the conversation beside the answer: words in it are descriptions and errors."""
WORDLESS_PARTS = frozenset({"citation", "container_upload", "redacted_thinking"})
"""Parts that hold no words of the model."""
ITEM_PARTS = CALL_PARTS | OUTPUT_PARTS | SEARCH_PARTS | NOTE_PARTS | {"compaction", "reasoning"}
"""Parts that stand by themselves too, as items of a response."""

MESSAGE_FIELDS = (
    "content",
    "refusal",
    "reasoning_content",
    "reasoning",
    "thinking",
    "tool_calls",
    "function_call",
)
"""A message has at least one of these, be it empty. One without has put its words where nobody looks."""
SAID_PARTS = ("refusal", "thinking")
"""Parts whose text is in the field of their name."""
READ = (*MESSAGE_FIELDS, "tool_call_chunks", "invalid_tool_calls")
"""What is read of a message by name."""

"""The kinds of parts, items and messages in answers, and where each has its text."""

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
"""Results of calls that the provider ran itself."""
OUTPUT_PARTS = frozenset({"custom_tool_call_output", "function_call_output"})
"""Tool results, in parts like those of a message."""
SEARCH_PARTS = frozenset({"file_search_call", "web_search_call"})
"""Searches that the provider ran: the model wrote the query, and the results are third-party text."""
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
"""Items about tools, models and the conversation: any text in them is descriptions and errors."""
WORDLESS_PARTS = frozenset({"citation", "container_upload", "redacted_thinking"})
"""Parts without text of the model."""
ITEM_PARTS = CALL_PARTS | OUTPUT_PARTS | SEARCH_PARTS | NOTE_PARTS | {"compaction", "reasoning"}
"""Parts that may also be items of a response."""

MESSAGE_FIELDS = (
    "content",
    "refusal",
    "reasoning_content",
    "reasoning",
    "thinking",
    "tool_calls",
    "function_call",
)
"""A message has at least one of these, possibly empty. One without them has its text in an unknown place."""
SAID_PARTS = ("refusal", "thinking")
"""Parts whose text is in the field of the same name."""
READ = (*MESSAGE_FIELDS, "tool_call_chunks", "invalid_tool_calls")
"""Fields of a message that are read by name."""

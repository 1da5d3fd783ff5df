"""The file a team starts from: it extends a packaged policy and lists what can be changed, commented out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from guardsdk.policy.files import about
from guardsdk.policy.writing import as_toml

if TYPE_CHECKING:
    from guardsdk.policy.model import Policy

_FILE: Final = """\
# What this system prohibits, in words a reviewer can read, and where each line is drawn.
# Lines that begin with a comment mark and no blank are TOML to try: take the mark away.
#
#   guardsdk policy lint FILE                        what is missing, unreachable or contradictory
#   guardsdk policy test FILE                        every example of every principle, through the model
#   guardsdk policy diff {preset} FILE --on traffic.jsonl    whose decision changes on your own texts
#   guardsdk policy show FILE --schema               the JSON Schema, for your editor

name = "my-policy"
version = "1"

# {about}
extends = "{preset}"

# A text that could not be checked is held back, on every stage, unless you write otherwise:
#on_error = {{ input = "block", tool = "block", output = "block" }}

# Try the policy on live traffic first: every text passes, and what would have followed is recorded.
#shadow = true

# Inherited principles that are not for you:
#remove = ["note-out-of-range"]

# Change an inherited principle by its id; the keys you leave out stay as they are. A threshold is a number from 0 to 1,
# "default", or the share of benign texts the model may wrongly flag, such as "fpr:0.001".
#[[principle]]
#id = "no-jailbreak"
#threshold = "fpr:0.002"

# Add one of your own. `guardsdk info` lists the labels and their stages.
#[[principle]]
#id = "no-personal-data-out"
#text = "An answer must not hold personal data of customers; what looks like it is cut out."
#rationale = "The assistant reads customer records, and its answers are kept in tickets that many people read."
#not_covered = "Names and places: the packaged screen knows numbers, addresses and identifiers by their form."
#label = "personal_data"
#stages = ["output"]
#action = "redact"
#refs = ["OWASP-LLM02:2025"]
#examples = [
#{{ expect = "redact", text = "Her card number is 5452 7739 1864 2087." }},
#{{ expect = "allow", text = "The order has four items and ships on Monday." }},
#]
"""


def starter(preset: str) -> str:
    """Return a commented policy file that extends the packaged policy ``preset``. Raises ``PolicyError`` if unknown."""
    return _FILE.format(preset=preset, about=about(preset))


def copy_of(policy: Policy) -> str:
    """Return ``policy`` written out in full under a new name, so that no later change is inherited."""
    own = policy.model_copy(update={"name": "my-policy", "version": "1"})
    return (
        f"# A copy of policy {policy.name!r} {policy.version} (sha256 {policy.digest}).\n"
        f"# It does not follow that one when the package changes.\n\n{as_toml(own)}"
    )

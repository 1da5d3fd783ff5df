"""In-process guardrails for LLM calls: quantized ONNX classifiers, a written policy, OpenTelemetry.

Importing the package loads no model and no inference library; the first check or ``Guard.warmup`` does.
"""

from guardsdk.decorator import guarded
from guardsdk.errors import Blocked, GuardError
from guardsdk.guard import Guard
from guardsdk.policy.model import Policy, Principle
from guardsdk.verdict import Action, Finding, Stage, Status, Verdict
from guardsdk.version import __version__

__all__ = [
    "Action",
    "Blocked",
    "Finding",
    "Guard",
    "GuardError",
    "Policy",
    "Principle",
    "Stage",
    "Status",
    "Verdict",
    "__version__",
    "guarded",
]

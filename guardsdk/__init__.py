"""In-process guardrails for LLM calls: quantized ONNX classifiers, a written policy, OpenTelemetry.

Importing the package loads none of its modules: each name is imported from its module on first access. The model and
the inference library are loaded by the first check or by ``Guard.warmup``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from guardsdk.version import __version__

if TYPE_CHECKING:
    from guardsdk.decorator import guarded
    from guardsdk.errors import Blocked, CheckFailedError, GuardError
    from guardsdk.guard import Guard
    from guardsdk.policy.model import Policy, Principle
    from guardsdk.verdict import Action, Finding, Stage, Status, Verdict

__all__ = [
    "Action",
    "Blocked",
    "CheckFailedError",
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

_HOMES = {
    "Action": "verdict",
    "Blocked": "errors",
    "CheckFailedError": "errors",
    "Finding": "verdict",
    "Guard": "guard",
    "GuardError": "errors",
    "Policy": "policy.model",
    "Principle": "policy.model",
    "Stage": "verdict",
    "Status": "verdict",
    "Verdict": "verdict",
    "guarded": "decorator",
}


if not TYPE_CHECKING:  # a type checker would otherwise accept any name

    def __getattr__(name: str) -> object:
        """Import a public name from its module on first access (PEP 562). Raises ``AttributeError`` for others."""
        home = _HOMES.get(name)
        if home is None:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        found: object = getattr(import_module(f"{__name__}.{home}"), name)
        globals()[name] = found  # later accesses bypass this function
        return found


def __dir__() -> list[str]:
    """Return the public names, imported yet or not."""
    return sorted({*globals(), *__all__})

"""In-process guardrails for LLM calls: quantized ONNX classifiers, a written policy, OpenTelemetry.

Importing the package loads nothing of it: each name is fetched from its module when it is first asked for. The model
and the inference library wait for the first check or ``Guard.warmup``.
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


if not TYPE_CHECKING:  # a type checker would take any name for one of ours

    def __getattr__(name: str) -> object:
        """Fetch a public name from the module it lives in (PEP 562). Raises ``AttributeError`` for any other."""
        home = _HOMES.get(name)
        if home is None:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        found: object = getattr(import_module(f"{__name__}.{home}"), name)
        globals()[name] = found  # the next time nobody has to ask
        return found


def __dir__() -> list[str]:
    """Return the public names, fetched or not."""
    return sorted({*globals(), *__all__})

"""A guard as a garak detector (``pip install garak``).

    from guardsdk.integrations.garak import register

    register()  # then garak knows detectors.guardsdk.HeldBack

An output scores 1 if the guard does not let it pass and 0 if it does. It scores ``None``, which garak ignores, if it
could not be checked or there is no output.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from garak import _config
from garak.detectors.base import Detector

from guardsdk.guard import Guard
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from garak.attempt import Attempt

    from guardsdk.verdict import Verdict

DEFAULT_CLASS = "HeldBack"
"""The class that garak loads for ``detectors.guardsdk``."""


class HeldBack(Detector):  # type: ignore[misc, unused-ignore]
    """Detects model answers that a guardsdk policy does not let pass."""

    lang_spec = "en"
    active = True
    DEFAULT_PARAMS = Detector.DEFAULT_PARAMS | {"policy": None, "model": None}
    """``policy``: a policy file; ``model``: a model directory. Both default to the packaged ones."""

    def __init__(self, config_root: Any = _config) -> None:  # noqa: ANN401  garak's modules and dictionaries
        """Create a guard from garak's configuration."""
        super().__init__(config_root=config_root)
        self._guard = Guard(self.policy, models=self.model)

    def detect(self, attempt: Attempt) -> Iterable[float | None]:
        """Return one score per output of ``attempt``, in order."""
        outputs = [None if output is None else output.text for output in attempt.outputs]
        texts = [text for text in outputs if text is not None]
        turns = attempt.prompt.turns if attempt.prompt is not None else []
        asked = next((turn.content.text for turn in reversed(turns) if turn.role == "user"), None)
        system = "\n".join(turn.content.text for turn in turns if turn.role == "system" and turn.content.text) or None
        verdicts = iter(self._guard.check_many(texts, stage=Stage.OUTPUT, contexts=[asked] * len(texts), system=system))
        return [None if text is None else detected(next(verdicts)) for text in outputs]


def detected(verdict: Verdict) -> float | None:
    """Return the garak score of ``verdict``."""
    if not verdict and verdict.principle_id is None:
        return None
    return 0.0 if verdict.allowed else 1.0


def register() -> str:
    """Register the detector under garak's detectors, and return the name to use."""
    sys.modules["garak.detectors.guardsdk"] = sys.modules[__name__]
    return f"detectors.guardsdk.{DEFAULT_CLASS}"

"""Opens the target named on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from guardsdk.errors import EvaluationError, reject_type
from guardsdk.evaluation.targets import CallableTarget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from guardsdk.evaluation.targets import Target

GUARD: Final = "guard"
"""The target's name for a guard alone."""


@dataclass(frozen=True, slots=True, repr=False)
class Options:
    """How a target should answer; options that do not fit its kind are rejected."""

    name: str | None = None
    """The model's name: sent to an endpoint, or recorded for a directory."""
    key: str | None = None
    batch: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    timeout_s: float | None = None


def open_target(spec: str, options: Options) -> Target | None:
    """Return the target at ``spec``: ``module:function``, a base URL, a model directory, or ``None`` for ``guard``.

    Raises ``EvaluationError`` that says what is wrong with it, or which option does not fit; ``InputTypeError`` if
    ``spec`` is not a string.
    """
    if not isinstance(spec, str):
        reject_type("spec", "a target as a string", spec)
    if spec == GUARD:
        _refuse(spec, {"--model-name": options.name, "--batch": options.batch, **_sampling(options)})
        return None
    if spec.startswith(("http://", "https://")):
        from guardsdk.evaluation.endpoint import EndpointTarget  # noqa: PLC0415  loads a client only if needed

        _refuse("an endpoint", {"--batch": options.batch})
        if not options.name:
            msg = "--model-name is missing: an endpoint needs to know which model to run"
            raise EvaluationError(msg)
        return EndpointTarget(
            spec,
            options.name,
            key=options.key,
            max_tokens=options.max_tokens or 512,
            temperature=options.temperature or 0.0,
            timeout_s=options.timeout_s,
        )
    path = Path(spec)
    if path.exists():
        from guardsdk.evaluation.local_model import ModelTarget, is_model  # noqa: PLC0415  an extra

        if not is_model(path):
            msg = f"--target {spec}: no model there: neither config.json nor a .gguf file"
            raise EvaluationError(msg)
        return ModelTarget(
            path,
            name=options.name,
            max_tokens=options.max_tokens or 256,
            temperature=options.temperature or 0.0,
            batch=options.batch or 8,
        )
    if ":" not in spec:
        msg = f"--target {spec}: neither module:function, nor a base URL, nor a model directory that exists, nor guard"
        raise EvaluationError(msg)
    _refuse("a callable", {"--model-name": options.name, **_sampling(options)})
    return CallableTarget(spec, batch=options.batch)


def _sampling(options: Options) -> dict[str, float | None]:
    return {"--max-tokens": options.max_tokens, "--temperature": options.temperature}


def _refuse(kind: str, given: Mapping[str, object]) -> None:
    for option, value in given.items():
        if value is not None:
            msg = f"{option} is not for {kind}"
            raise EvaluationError(msg)

"""Settings from the environment; the only place that reads it."""

from __future__ import annotations

import difflib
import logging
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

from pydantic import Field, ValidationError, field_validator

from guardsdk.errors import InputError
from guardsdk.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Providers = Literal["auto", "cpu", "cuda"]

CaptureWord = Literal["none", "hash", "redacted", "full"]
"""What leaves of a checked text: nothing, a keyed hash, the text without what was found in it, or all of it."""

_CAPTURE_WORDS: tuple[CaptureWord, ...] = get_args(CaptureWord)
_logger = logging.getLogger("guardsdk")

_STABILITY = "OTEL_SEMCONV_STABILITY_OPT_IN"
_LATEST_GEN_AI = "gen_ai_latest_experimental"

_TELEMETRY_PROVIDERS = ("OTEL_PYTHON_TRACER_PROVIDER", "OTEL_PYTHON_METER_PROVIDER", "OTEL_PYTHON_LOGGER_PROVIDER")
"""Each names the provider that OpenTelemetry sets for one signal where the program sets none."""

_RUNTIME_TELEMETRY = "ORT_DISABLE_TELEMETRY"
"""Read by ONNX Runtime while it is imported, and only then; see Privacy.md of its distribution."""

_VARIABLES = {
    "model": "GUARDSDK_MODEL",
    "policy": "GUARDSDK_POLICY",
    "providers": "GUARDSDK_PROVIDERS",
    "threads": "GUARDSDK_THREADS",
    "capture_text": "GUARDSDK_CAPTURE_TEXT",
}
MOST_THREADS: Final = 1024
"""Threads of one inference; of tens of thousands the process dies where the runtime starts them."""
_ENDPOINT_KEY = "GUARDSDK_ENDPOINT_KEY"
_PREFIX = "GUARDSDK_"
KNOWN = (*_VARIABLES.values(), _ENDPOINT_KEY)
"""Every variable of ours; docs/applications.md says what they are for."""


def _warn_of_typos(source: Mapping[str, str]) -> None:
    """Warn of a variable whose name is almost one of ours: whoever set it expects it to work.

    Any other is left alone: others may use the prefix, as Kubernetes does for a service that is called guardsdk.
    """
    for name in source:
        if name.startswith(_PREFIX) and name not in KNOWN:
            close = difflib.get_close_matches(name.removeprefix(_PREFIX), [one.removeprefix(_PREFIX) for one in KNOWN])
            if close:
                _logger.warning("environment variable %s means nothing; did you mean %s%s?", name, _PREFIX, close[0])


def capture_word(given: str, source: str) -> CaptureWord:
    """Return the word ``given``; any other than the four is ``none``, with a warning that names ``source``.

    A slip here may cost data but never leak it, so it is no error either.
    """
    for word in _CAPTURE_WORDS:
        if given == word:
            return word
    _logger.warning("%s is none of %s; no text is captured", source, ", ".join(_CAPTURE_WORDS))
    return "none"


class Settings(Frozen):
    """Defaults that an argument of ``Guard`` overrides."""

    model: Path | None = None
    """``GUARDSDK_MODEL``: a model directory used instead of the packaged one."""
    policy: str | Path | None = None
    """``GUARDSDK_POLICY``: a policy file used instead of the packaged default. As it was written: a ``Path`` of
    ``./strict`` is one of ``strict``, which is a packaged policy."""
    providers: Providers = "auto"
    """``GUARDSDK_PROVIDERS``: ``auto``, ``cpu`` or ``cuda``."""
    threads: int | None = Field(default=None, ge=1, le=MOST_THREADS)
    """``GUARDSDK_THREADS``: threads one inference may use; unset leaves the choice to the engine."""

    capture_text: CaptureWord = "none"
    """``GUARDSDK_CAPTURE_TEXT``: what telemetry may hold of a checked text; any other word counts as ``none``."""
    latest_gen_ai: bool = False
    """``OTEL_SEMCONV_STABILITY_OPT_IN`` names ``gen_ai_latest_experimental``: spans carry ``gen_ai.guardrail.*``."""

    @field_validator("capture_text", mode="before")
    @classmethod
    def _captures_nothing_by_mistake(cls, given: object) -> object:
        return capture_word(given if isinstance(given, str) else "", _VARIABLES["capture_text"])

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read ``GUARDSDK_*`` from ``environment`` (the process's own when left out).

        Raises ``InputError`` that names the variable when a value cannot be used.
        """
        source = os.environ if environment is None else environment
        _warn_of_typos(source)
        given: dict[str, object] = {key: source[name] for key, name in _VARIABLES.items() if source.get(name)}
        given["latest_gen_ai"] = _LATEST_GEN_AI in {word.strip() for word in source.get(_STABILITY, "").split(",")}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            name = _VARIABLES[str(first["loc"][0])]
            reason = first["msg"].replace("Input should be", "it must be", 1)
            msg = f"environment variable {name} cannot be used: {reason}"
            raise InputError(msg) from None


def endpoint_key(environment: Mapping[str, str] | None = None) -> str | None:
    """Return ``GUARDSDK_ENDPOINT_KEY``, the bearer token of an endpoint that is evaluated; None where there is none.

    Not among the ``Settings``: those are shown to people, and this is not.
    """
    return (os.environ if environment is None else environment).get(_ENDPOINT_KEY) or None


def names_provider() -> bool:
    """Whether the environment names a provider for OpenTelemetry to load by itself."""
    return any(map(os.environ.get, _TELEMETRY_PROVIDERS))


@contextmanager
def runtime_telemetry_off() -> Iterator[None]:
    """Import ONNX Runtime inside this block and it neither uploads usage events nor keeps a device identifier.

    From 1.29 on its official builds do both by default on every platform. The variable is put back afterwards: what
    else the host starts is the host's business.
    """
    before = os.environ.get(_RUNTIME_TELEMETRY)
    os.environ[_RUNTIME_TELEMETRY] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_RUNTIME_TELEMETRY]
        else:
            os.environ[_RUNTIME_TELEMETRY] = before

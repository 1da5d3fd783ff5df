"""Settings from the environment. No other module reads ``GUARDSDK_*`` variables."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

from pydantic import Field, ValidationError, field_validator

from guardsdk.errors import InputError, reject_type
from guardsdk.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

Providers = Literal["auto", "cpu", "cuda"]

CaptureWord = Literal["none", "hash", "redacted", "full"]
"""What may be emitted of a checked text: nothing, a keyed hash, the text without its findings, or all of it."""

_CAPTURE_WORDS: tuple[CaptureWord, ...] = get_args(CaptureWord)
_logger = logging.getLogger("guardsdk")

_STABILITY = "OTEL_SEMCONV_STABILITY_OPT_IN"
_LATEST_GEN_AI = "gen_ai_latest_experimental"

_TELEMETRY_PROVIDERS = ("OTEL_PYTHON_TRACER_PROVIDER", "OTEL_PYTHON_METER_PROVIDER", "OTEL_PYTHON_LOGGER_PROVIDER")
"""Each names the provider OpenTelemetry uses for one signal if the program sets none."""

_RUNTIME_TELEMETRY = "ORT_DISABLE_TELEMETRY"
"""Read by ONNX Runtime once, at import; see Privacy.md in its distribution."""

_VARIABLES = {
    "model": "GUARDSDK_MODEL",
    "policy": "GUARDSDK_POLICY",
    "providers": "GUARDSDK_PROVIDERS",
    "threads": "GUARDSDK_THREADS",
    "capture_text": "GUARDSDK_CAPTURE_TEXT",
}
MOST_THREADS: Final = 1024
"""The most threads of one inference. With tens of thousands, the process dies when the runtime starts them."""
_ENDPOINT_KEY = "GUARDSDK_ENDPOINT_KEY"
_PREFIX = "GUARDSDK_"
KNOWN = (*_VARIABLES.values(), _ENDPOINT_KEY)
"""Every variable of guardsdk; docs/applications.md describes them."""


def _source(environment: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return the given variables, by default those of the process. Raises ``InputTypeError`` unless all are strings."""
    if environment is None:
        return os.environ
    if not isinstance(environment, Mapping):
        reject_type("environment", "a mapping of names to strings", environment)
    for name, value in environment.items():
        if not isinstance(name, str):
            reject_type("the name of an environment variable", "a string", name)
        if not isinstance(value, str):
            reject_type(f"environment variable {name}", "a string", value)
    return environment


def _warn_of_typos(source: Mapping[str, str]) -> None:
    """Warn of a variable whose name nearly matches one of ours: whoever set it expects it to work.

    Others with the prefix are ignored, as they may be legitimate: Kubernetes sets such variables for a service called
    guardsdk.
    """
    for name in source:
        if name.startswith(_PREFIX) and name not in KNOWN:
            close = difflib.get_close_matches(name.removeprefix(_PREFIX), [one.removeprefix(_PREFIX) for one in KNOWN])
            if close:
                _logger.warning("environment variable %s means nothing; did you mean %s%s?", name, _PREFIX, close[0])


def capture_word(given: str, source: str) -> CaptureWord:
    """Return the word ``given``; any but the four valid words becomes ``none``, with a warning naming ``source``.

    A typo here may cost data but never leak it, so it is not an error.
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
    """``GUARDSDK_POLICY``: a policy file used instead of the packaged default. Kept as written: as a ``Path``,
    ``./strict`` would become ``strict``, the name of a packaged policy."""
    providers: Providers = "auto"
    """``GUARDSDK_PROVIDERS``: ``auto``, ``cpu`` or ``cuda``."""
    threads: int | None = Field(default=None, ge=1, le=MOST_THREADS)
    """``GUARDSDK_THREADS``: threads one inference may use; if unset, the engine chooses."""

    capture_text: CaptureWord = "none"
    """``GUARDSDK_CAPTURE_TEXT``: what telemetry may contain of a checked text; any other word means ``none``."""
    latest_gen_ai: bool = False
    """``OTEL_SEMCONV_STABILITY_OPT_IN`` names ``gen_ai_latest_experimental``: spans carry ``gen_ai.guardrail.*``."""

    @field_validator("capture_text", mode="before")
    @classmethod
    def _captures_nothing_by_mistake(cls, given: object) -> object:
        return capture_word(given if isinstance(given, str) else "", _VARIABLES["capture_text"])

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read ``GUARDSDK_*`` from ``environment``, by default that of the process.

        Raises ``InputError`` that names the variable if a value is invalid, ``InputTypeError`` if it is not a string.
        """
        source = _source(environment)
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
    """Return ``GUARDSDK_ENDPOINT_KEY``, the bearer token for the endpoint under evaluation, or ``None``.

    It is not in ``Settings``, as those are displayed and a secret must not be. Raises ``InputTypeError`` as
    ``Settings.from_environment`` does.
    """
    return _source(environment).get(_ENDPOINT_KEY) or None


def names_provider() -> bool:
    """Whether the environment names a provider for OpenTelemetry to load on its own."""
    return any(map(os.environ.get, _TELEMETRY_PROVIDERS))


@contextmanager
def runtime_telemetry_off() -> Iterator[None]:
    """Import ONNX Runtime inside this block to keep it from uploading usage events and storing a device identifier.

    Its official builds do both by default on every platform from 1.29 on. The variable is restored afterwards: what
    other code does with it is the host's decision.
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

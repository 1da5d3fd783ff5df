"""Every error the package raises on purpose, each also a builtin exception where one fits.

No message ever contains checked text, as exceptions end up in logs and error trackers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Never, Self

if TYPE_CHECKING:
    from pydantic import ValidationError

    from guardsdk.verdict import Verdict


class GuardError(Exception):
    """Base class of every error raised by guardsdk."""


class InputError(GuardError, ValueError):
    """An argument has the right type but an invalid value, such as a stage that does not exist."""


class InputTypeError(GuardError, TypeError):
    """An argument, prompt or return value is of a type the guard cannot screen."""


def reject_type(name: str, due: str, given: object) -> Never:
    """Raise ``InputTypeError``: ``name`` should be ``due``. The message has the type of ``given``, not its value."""
    msg = f"{name} must be {due}, not {type(given).__name__}"
    raise InputTypeError(msg)


class PolicyError(GuardError, ValueError):
    """A policy cannot be read, holds an unknown key, or names a label that no screen scores."""


class ModelError(GuardError, RuntimeError):
    """A model cannot be loaded or run."""


class OverloadedError(ModelError):
    """More callers are waiting for the model than the guard allows; text that was not scored counts as unchecked."""


class ModelNotFoundError(ModelError, FileNotFoundError):
    """The model directory, or a file its manifest names, does not exist."""


class ChecksumMismatchError(ModelError):
    """A model file does not match the checksum in its manifest."""


class ScreenError(GuardError, RuntimeError):
    """A screen cannot do its job: a pattern file cannot be read, or a validator failed."""


class TeachingError(GuardError, ValueError):
    """A screen cannot be taught from these examples, or a lesson cannot be used here."""

    def __init__(self, message: str, lesson: object = None) -> None:
        """Keep ``lesson``, the ``Lesson`` that was learned, where the examples do not support it."""
        super().__init__(message)
        self.lesson = lesson


class DecisionLogError(GuardError, OSError):
    """A decision cannot be logged, or a decision log cannot be read."""


class EvaluationError(GuardError, RuntimeError):
    """An evaluation cannot be run or read: its suite, target, judge or record cannot be used."""


class DecorationError(GuardError, TypeError):
    """``@guarded`` cannot tell how to wrap a callable, or which parameter carries the prompt."""


class _VerdictError(GuardError):
    """An error that carries the verdict it is about."""

    verdict: Verdict

    def __reduce__(self) -> tuple[type[Self], tuple[Verdict]]:
        """Copy and pickle by the verdict: the default would pass the message to ``__init__``."""
        return type(self), (self.verdict,)


class Blocked(_VerdictError):  # noqa: N818  an outcome rather than an error, named for what happened
    """The policy blocked a text. ``verdict`` says which principle decided and with what scores."""

    def __init__(self, verdict: Verdict) -> None:
        """Keep ``verdict`` and name the stage and the deciding principle; the message never contains the text."""
        super().__init__(f"{verdict.stage.value} blocked by principle {verdict.principle_id!r}")
        self.verdict = verdict


def why_unchecked(verdict: Verdict) -> str:
    """Return one line that says what the check was missing; it quotes no text."""
    return verdict.error or "; ".join(verdict.degraded_reasons) or "no reason recorded"


class CheckFailedError(_VerdictError, RuntimeError):
    """A text could not be checked (completely) and the policy's ``on_error`` blocks. Never raised for a block."""

    def __init__(self, verdict: Verdict) -> None:
        """Keep ``verdict``; its ``status`` and ``degraded_reasons`` say what was missing."""
        super().__init__(
            f"{verdict.stage.value} could not be checked ({verdict.status.value}): {why_unchecked(verdict)}"
        )
        self.verdict = verdict


def first_problem(error: ValidationError) -> str:
    """Return the location and reason of the first validation problem, without the value, which may be text."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place, reason = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
    return f"{place}: {reason}" if place else reason

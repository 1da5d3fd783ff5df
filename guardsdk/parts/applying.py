"""The mixin of a guard that carries out its verdicts and returns the text that may be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from guardsdk.calling.steps import adrive, drive
from guardsdk.errors import reject_type
from guardsdk.parts.given import require, text_of
from guardsdk.surroundings import Surroundings
from guardsdk.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardsdk.calling.steps import Steps
    from guardsdk.policy.model import Policy
    from guardsdk.reviewing import Reviewer
    from guardsdk.vault import Vault


class _Guard(Protocol):
    """What applying needs from a guard."""

    policy: Policy
    reviewer: Reviewer | None

    @property
    def check(self) -> Callable[..., Verdict]: ...


class Applying:
    """Carries out verdicts; a mixin of ``Guard``."""

    def apply(
        self: _Guard,
        text: str,
        verdict: Verdict,
        *,
        context: str | None = None,
        system: str | None = None,
        vault: Vault | None = None,
    ) -> str:
        """Carry out ``verdict``, the result of checking ``text``, and return the text that may be used.

        Args:
            text: The text as it was checked.
            verdict: The verdict that ``check`` returned.
            context: The prompt a response answers, as passed to the check.
            system: The developer's instructions, as passed to the check.
            vault: Keeps the redacted values for ``Vault.restore``. Without one, the markers cannot be undone.

        Returns:
            The text itself if it is allowed, the redacted text for ``redact``, the policy's replacement for
            ``replace``, or the reviewer's answer for ``review``.

        Raises:
            Blocked: The action is ``block``, or ``revise``, for which there is no model to ask again; the reviewer
                denies; or the changed text is not allowed when it is checked again.
            CheckFailedError: The text, or the changed text, could not be checked.
            InputError: The verdict is on another text, or the reviewer can only be awaited with ``aapply``. A verdict
                from another process, from JSON or of a stream only shows this if its passages do not fit ``text``.
            InputTypeError: ``text`` is not a string, or ``verdict`` is not a verdict on a single text.
        """
        require(self.reviewer is None or not self.reviewer.needs_loop, "the reviewer is async; use aapply")
        return drive(_applied(self, text, verdict, Surroundings(context, system), vault))

    async def aapply(
        self: _Guard,
        text: str,
        verdict: Verdict,
        *,
        context: str | None = None,
        system: str | None = None,
        vault: Vault | None = None,
    ) -> str:
        """Do what ``apply`` does without blocking the event loop."""
        return await adrive(_applied(self, text, verdict, Surroundings(context, system), vault))


def _applied(guard: _Guard, text: str, verdict: Verdict, around: Surroundings, vault: Vault | None) -> Steps[str]:
    from guardsdk.calling.handling import Plain, applied  # noqa: PLC0415  many guards only check

    text = text_of(text, "text")
    if not isinstance(verdict, Verdict):
        reject_type("verdict", "the Verdict on the text, such as check returns", verdict)
    require(not verdict.is_of_another(text), "the verdict is of another text: give the one that was checked, unchanged")
    return applied(guard.policy, guard.reviewer, Plain(text, verdict.stage, around, guard.check), verdict, vault)

"""What may be used of a text once it is checked: the part of a guard that carries out its verdicts."""

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
    """What applying needs of a guard."""

    policy: Policy
    reviewer: Reviewer | None

    @property
    def check(self) -> Callable[..., Verdict]: ...


class Applying:
    """The part of a guard that carries out what a verdict says."""

    def apply(
        self: _Guard,
        text: str,
        verdict: Verdict,
        *,
        context: str | None = None,
        system: str | None = None,
        vault: Vault | None = None,
    ) -> str:
        """Return what may be used of ``text``, for which ``check`` gave ``verdict``; ask the reviewer where it says so.

        Args:
            text: The text as it was checked.
            verdict: What the check returned.
            context: The prompt a response answers, as it was given to the check.
            system: The developer's instructions, as they were given to the check.
            vault: Keeps the values that are cut out, for ``Vault.restore``; without it the markers have no way back.

        Returns:
            The text itself where it is allowed, with what was found cut out where the action is ``redact``, the
            policy's replacement where it is ``replace``, or what the reviewer says.

        Raises:
            Blocked: The action is ``block``, or ``revise``, for which there is no model to ask again; the reviewer
                denies; or the changed text is still held back when it is checked once more.
            CheckFailedError: The text, or the changed one, could not be checked.
            InputError: The verdict is of another text, or the reviewer can only be waited for with ``aapply``. Of a
                verdict from another process, from JSON or of a stream, only passages that ``text`` does not have tell.
            InputTypeError: ``text`` is no string, or ``verdict`` is not one on a single text.
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
        """Return what may be used of ``text`` as ``apply`` does, without holding up the loop."""
        return await adrive(_applied(self, text, verdict, Surroundings(context, system), vault))


def _applied(guard: _Guard, text: str, verdict: Verdict, around: Surroundings, vault: Vault | None) -> Steps[str]:
    from guardsdk.calling.handling import Plain, applied  # noqa: PLC0415  many guards only check

    text = text_of(text, "text")
    if not isinstance(verdict, Verdict):
        reject_type("verdict", "the Verdict on the text, such as check returns", verdict)
    require(not verdict.is_of_another(text), "the verdict is of another text: give the one that was checked, unchanged")
    return applied(guard.policy, guard.reviewer, Plain(text, verdict.stage, around, guard.check), verdict, vault)

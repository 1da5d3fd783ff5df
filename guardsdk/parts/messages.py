"""The mixin of a guard that checks message lists."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from guardsdk.calling.steps import in_thread
from guardsdk.limits import remaining
from guardsdk.parts.given import require_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardsdk.parts.conversation import ConversationVerdict
    from guardsdk.verdict import Verdict


class Conversations:
    """Checks of message lists, for a class with ``check_many``."""

    check_many: Callable[..., list[Verdict]]

    def check_messages(
        self,
        messages: object,
        *,
        system: bool = False,
        actor: str | None = None,
        deadline_s: float | None = None,
    ) -> ConversationVerdict:
        """Check a list of messages, each text at the stage of its role.

        User turns are ``input``, read with the system and developer messages. Tool results and documents are ``tool``.
        Assistant turns are ``output``, read with the user turn before them. Two or more user turns are also read
        together, as one text of bounded length, so that an instruction split over turns is found; so are the tool calls
        of one answer. Images, audio and files are listed in ``uncovered``, and the policy's ``on_uncovered`` applies.

        Args:
            messages: Mappings or objects with ``role`` (or ``type``) and ``content``, ``(role, text)`` pairs, strings
                from users, or a LangChain prompt value.
            system: Also screen system and developer messages, at stage ``input``; by default they are trusted.
            actor: Whose messages these are, as in ``check``.
            deadline_s: Seconds the whole check may take, in place of the guard's deadline for each stage.

        Returns:
            One verdict for the whole list, with the verdict on every text in ``turns``, and findings with their
            message, part and character offsets.

        Raises:
            InputTypeError: ``messages`` is not such a list, a message has an unknown role or kind of part, or
                ``system`` is a text: here it says whether to screen the system messages.
            InputError, PolicyError, GuardError: As in ``check``.
        """
        from guardsdk.parts.conversation import conversed  # noqa: PLC0415  many guards check no messages

        return conversed(self.check_many, messages, system=system, actor=actor, deadline_s=deadline_s)

    async def acheck_messages(
        self,
        messages: object,
        *,
        system: bool = False,
        actor: str | None = None,
        deadline_s: float | None = None,
    ) -> ConversationVerdict:
        """Check a list of messages as ``check_messages`` does, in a worker thread, as ``acheck`` does."""
        require_seconds(deadline_s, "deadline_s")
        left = remaining(deadline_s)
        check = partial(self.check_messages, messages, system=system, actor=actor)
        return await in_thread(lambda: check(deadline_s=left()))

"""The part of a guard that checks lists of messages."""

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
    """The checks of message lists, for a class with ``check_many``."""

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

        User turns are ``input``, judged beside the system and developer messages; tool results and documents ``tool``;
        assistant turns ``output``, judged beside the user turn before them. Two or more user turns are also read
        together, as one text of bounded length, so that an order split over turns is seen; so are the tool calls of one
        answer. Images, audio and files are listed in ``uncovered``; the policy's ``on_uncovered`` says what follows.

        Args:
            messages: Mappings or objects with ``role`` (or ``type``) and ``content``, ``(role, text)`` pairs, strings
                from users, or a LangChain prompt value.
            system: Screen system and developer messages too, at stage ``input``; else they are trusted.
            actor: Whose messages they are, as for ``check``.
            deadline_s: Seconds the whole check may take, in place of the guard's for each stage.

        Returns:
            One verdict for all of them, the verdict of every text in ``turns``, and findings with the message, the part
            and the characters they lie in.

        Raises:
            InputTypeError: ``messages`` is no such list, or a message has a role or a part of a kind nobody knows; or
                ``system`` is a text: those of the messages are read, and here it says whether to screen them.
            InputError, PolicyError, GuardError: As ``check`` raises them.
        """
        from guardsdk.parts.conversation import conversed  # noqa: PLC0415  many guards see no messages

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

"""Message lists: every turn at its stage, what the turns say together, and what nobody could read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from guardsdk.calling.handling import leading, worst
from guardsdk.extract.joined import joined
from guardsdk.extract.turns import turns_of
from guardsdk.frozen import Frozen
from guardsdk.parts.given import require_seconds, text_or_none
from guardsdk.verdict import Action, Finding, Stage, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from guardsdk.extract.joined import Joined
    from guardsdk.extract.turns import Turn


class Place(Frozen):
    """A stretch of one message."""

    message: int
    """Index in the list that was checked."""
    part: int | None
    """Index of the content part; none where the content is one string, and for calls, reasoning and the like."""
    start: int
    """In characters of that part; ``end`` likewise."""
    end: int


class Uncovered(Frozen):
    """Something in a message that nobody can screen."""

    message: int
    part: int | None
    """Index of the content part; none for what rides beside the content."""
    kind: str
    """Such as ``image_url`` or ``input_audio``."""


class TurnVerdict(Frozen):
    """One text of one message and the verdict on it."""

    message: int
    role: str
    verdict: Verdict


class ConversationFinding(Frozen):
    """A principle that fired, and where."""

    principle_id: str
    label: str
    score: float
    action: Action
    places: tuple[Place, ...]
    together: bool
    """Whether it fired on what several turns say together."""


class ConversationVerdict(Frozen):
    """What one check of a message list found and what follows.

    ``bool()`` of it is true only when everything was checked completely and is allowed.
    """

    deciding: Verdict
    """The verdict that decides for all: the one with the strongest action."""
    status: Status
    """The worst of all."""
    turns: tuple[TurnVerdict, ...]
    """In the order of the messages; a message of several texts has several."""
    together: Verdict | None
    """The verdict on the last user turns read as one text; none where there are not two. It has a part in the decision
    where what it found lies in two turns at once: what lies in one was judged there."""
    findings: tuple[ConversationFinding, ...]
    uncovered: tuple[Uncovered, ...]

    @property
    def action(self) -> Action:
        """The strongest action of all."""
        return self.deciding.action

    @property
    def allowed(self) -> bool:
        """Whether every text may pass as it is."""
        return self.deciding.allowed

    @property
    def principle_id(self) -> str | None:
        """The principle that decided, where one fired."""
        return self.deciding.principle_id

    def __bool__(self) -> bool:
        """Return true only when everything was checked completely and is allowed."""
        return self.allowed and self.status is Status.COMPLETE


def conversed(
    check_many: Callable[..., list[Verdict]],
    messages: object,
    *,
    system: bool,
    actor: str | None,
    deadline_s: float | None,
) -> ConversationVerdict:
    """Check a list of messages with ``check_many``; see ``guard.check_messages``."""
    actor = text_or_none(actor, "actor")
    require_seconds(deadline_s, "deadline_s")
    ends = None if deadline_s is None else time.monotonic() + deadline_s
    turns = turns_of(messages, screen_system=system)
    verdicts: list[Verdict] = [None] * len(turns)  # type: ignore[list-item]  # each gets its own below
    both = joined([turn.passage for turn in turns])
    together: Verdict | None = None
    trusted = "\n".join(turn.passage.text for turn in turns if turn.trusted) or None
    given = "\n".join(turn.passage.text for turn in turns if turn.instructs) or None
    for stage in Stage:
        places = [place for place, turn in enumerate(turns) if turn.passage.stage is stage]
        passages = [turns[place].passage for place in places]
        extra = [both.text] if both is not None and stage is Stage.INPUT else []
        if not places:
            continue
        texts = [*(passage.text for passage in passages), *extra]
        contexts = [turns[place].context for place in places]
        if stage is Stage.INPUT:  # each its own: instructions that are screened are not aimed at themselves
            contexts = [None if turns[place].instructs else given for place in places]
        found = check_many(
            texts,
            stage=stage,
            contexts=[*contexts, *(trusted for _ in extra)],
            uncovered=[*(passage.uncovered for passage in passages), *(() for _ in extra)],
            system=None if stage is Stage.INPUT else trusted,
            actor=actor,
            deadline_s=None if ends is None else max(ends - time.monotonic(), 1e-6),
        )
        together = found.pop() if extra else together
        for place, verdict in zip(places, found, strict=True):
            verdicts[place] = verdict
    checked = [place for place, turn in enumerate(turns) if turn.passage.stage is not None]
    return _verdict(turns, {place: verdicts[place] for place in checked}, both, together)


def _verdict(
    turns: Sequence[Turn], verdicts: dict[int, Verdict], both: Joined | None, together: Verdict | None
) -> ConversationVerdict:
    added = together if both is not None and together is not None and both.adds(together) else None
    every = [*verdicts.values(), *([added] if added is not None else [])]
    findings = [
        _finding(finding, [(place, *span) for span in finding.spans], turns, together=False)
        for place, verdict in verdicts.items()
        for finding in verdict.findings
    ]
    if both is not None and added is not None:
        findings += [
            _finding(one, [at for span in one.spans for at in both.passages_of(*span)], turns, together=True)
            for one in added.findings
        ]
    return ConversationVerdict(
        deciding=leading([("", verdict) for verdict in every]),
        status=worst(every),
        turns=tuple(
            TurnVerdict(message=turns[place].message, role=turns[place].role, verdict=verdict)
            for place, verdict in verdicts.items()
        ),
        together=together,
        findings=tuple(findings),
        uncovered=tuple(
            Uncovered(message=turn.message, part=part, kind=kind)
            for turn in turns
            for part, kind in zip(turn.passage.media, turn.passage.uncovered, strict=True)
        ),
    )


def _finding(
    finding: Finding,
    ranges: Sequence[tuple[int, int, int]],
    turns: Sequence[Turn],
    *,
    together: bool,
) -> ConversationFinding:
    places = [
        Place(message=turns[index].message, part=part, start=start, end=end)
        for index, first, last in ranges
        for part, start, end in turns[index].parts_of(first, last)
    ]
    return ConversationFinding(
        principle_id=finding.principle_id,
        label=finding.label,
        score=finding.score,
        action=finding.action,
        places=tuple(places),
        together=together,
    )

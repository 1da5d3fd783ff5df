"""Checks message lists: every turn at its stage, several turns read together, and parts that cannot be screened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from guardsdk.calling.handling import leading, worst
from guardsdk.extract.together import items_together, turns_together, wholes_together
from guardsdk.extract.turns import turns_of
from guardsdk.frozen import Frozen
from guardsdk.limits import remaining
from guardsdk.parts.given import require_flags, require_seconds, text_or_none
from guardsdk.verdict import Action, Finding, Stage, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from guardsdk.extract.together import Together
    from guardsdk.extract.turns import Turn


class Place(Frozen):
    """A span in one message."""

    message: int
    """Index in the checked list."""
    part: int | None
    """Index of the content part; ``None`` if the content is a plain string, and for tool calls, reasoning and the
    like."""
    start: int
    """Character offset in that part, as is ``end``."""
    end: int


class Uncovered(Frozen):
    """A part of a message that cannot be screened."""

    message: int
    part: int | None
    """Index of the content part; ``None`` for what lies outside the content."""
    kind: str
    """The kind of part, such as ``image_url`` or ``input_audio``."""


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
    """Whether it fired on several turns, or on several tool calls of one answer, read together."""


class ConversationVerdict(Frozen):
    """What one check of a message list found and what to do.

    ``bool(verdict)`` is true only if everything was checked completely and is allowed.
    """

    deciding: Verdict
    """The verdict that decides for the conversation: the one with the strongest action."""
    status: Status
    """The worst status of all verdicts."""
    turns: tuple[TurnVerdict, ...]
    """In the order of the messages; a message with several texts has several entries."""
    together: Verdict | None
    """The verdict on the last user turns read as one text; ``None`` if there are fewer than two. It only affects the
    decision if a finding spans two turns: what lies in a single turn was judged there."""
    calls: tuple[Verdict, ...] = ()
    """The verdict on the tool calls of one answer read together, for each answer with several. Consecutive assistant
    messages are one answer. Affects the decision as ``together`` does."""
    findings: tuple[ConversationFinding, ...]
    uncovered: tuple[Uncovered, ...]

    @property
    def action(self) -> Action:
        """The strongest action of all verdicts."""
        return self.deciding.action

    @property
    def allowed(self) -> bool:
        """Whether every text may pass unchanged."""
        return self.deciding.allowed

    @property
    def principle_id(self) -> str | None:
        """The principle that decided, if one fired."""
        return self.deciding.principle_id

    def __bool__(self) -> bool:
        """Return true only if everything was checked completely and is allowed."""
        return self.allowed and self.status is Status.COMPLETE

    def __str__(self) -> str:
        """Return one line that says what was decided and by which principle; it quotes no text."""
        worse = "" if self.status is self.deciding.status else f", {self.status.value}"
        return f"{len(self.turns)} turn{'' if len(self.turns) == 1 else 's'}, {self.deciding}{worse}"


@dataclass(frozen=True, slots=True, repr=False)
class _Several:
    """Several texts of the messages, to be read together."""

    together: Together
    turns: Sequence[int]
    """The index of each text's turn."""
    stage: Stage
    context: str | None


def conversed(
    check_many: Callable[..., list[Verdict]],
    messages: object,
    *,
    system: bool,
    actor: str | None,
    deadline_s: float | None,
) -> ConversationVerdict:
    """Check a list of messages with ``check_many``; see ``guard.check_messages``."""
    require_flags(system=system)  # elsewhere ``system`` is a text
    actor = text_or_none(actor, "actor")
    require_seconds(deadline_s, "deadline_s")
    left = remaining(deadline_s)
    turns = turns_of(messages, screen_system=system)
    verdicts: dict[int, Verdict] = {}
    together: list[tuple[_Several, Verdict]] = []
    trusted = "\n".join(turn.passage.text for turn in turns if turn.trusted) or None
    given = "\n".join(turn.passage.text for turn in turns if turn.instructs) or None
    several = [*_users(turns, trusted), *_wholes(turns), *_calls(turns)]
    answered = max((turn.message for turn in turns if turn.passage.stage is Stage.OUTPUT), default=0)
    for stage in Stage:
        places = [place for place, turn in enumerate(turns) if turn.passage.stage is stage]
        if not places:
            continue
        passages = [turns[place].passage for place in places]
        extra = [one for one in several if one.stage is stage]
        contexts = [turns[place].context for place in places]
        if stage is Stage.INPUT:  # screened instructions are not aimed at themselves
            contexts = [None if turns[place].instructs else given for place in places]
        found = check_many(
            [*(passage.text for passage in passages), *(one.together.text for one in extra)],
            stage=stage,
            contexts=[*contexts, *(one.context for one in extra)],
            uncovered=[*(passage.uncovered for passage in passages), *(() for _ in extra)],
            again=[*(turns[place].message < answered for place in places), *(True for _ in extra)],
            system=None if stage is Stage.INPUT else trusted,
            actor=actor,
            deadline_s=left(),
        )
        verdicts |= zip(places, found[: len(places)], strict=True)
        together += zip(extra, found[len(places) :], strict=True)
    return _verdict(turns, dict(sorted(verdicts.items())), together)


def _users(turns: Sequence[Turn], trusted: str | None) -> list[_Several]:
    """Return the last user turns, if there are at least two."""
    together = turns_together([turn.passage for turn in turns])
    return [] if together is None else [_Several(together, range(len(turns)), Stage.INPUT, trusted)]


def _wholes(turns: Sequence[Turn]) -> list[_Several]:
    """Return the results of each tool that returned several parts."""
    wholes = wholes_together([turn.passage for turn in turns])
    return [
        _Several(together, of, Stage.TOOL, None) for together, of in wholes if turns[of[0]].passage.stage is Stage.TOOL
    ]


def _calls(turns: Sequence[Turn]) -> list[_Several]:
    """Return the calls of each answer that has several; of calls with the same words, only the first."""
    answers: dict[int, dict[str, int]] = {}
    for place, turn in enumerate(turns):
        if turn.called is not None:
            answers.setdefault(turn.called, {}).setdefault(turn.passage.text, place)
    return [
        _Several(together, list(calls.values()), Stage.OUTPUT, turns[next(iter(calls.values()))].context)
        for calls in answers.values()
        if (together := items_together(list(calls))) is not None
    ]


def _verdict(
    turns: Sequence[Turn], verdicts: dict[int, Verdict], together: Sequence[tuple[_Several, Verdict]]
) -> ConversationVerdict:
    added = [
        (one, verdict)
        for one, verdict in together
        if one.together.adds(verdict, (verdicts[at] for at in one.turns if at in verdicts))
    ]
    every = [*verdicts.values(), *(verdict for _, verdict in added)]
    findings = [
        _finding(finding, [(place, *span) for span in finding.spans], turns, together=False)
        for place, verdict in verdicts.items()
        for finding in verdict.findings
    ]
    for one, verdict in added:
        for finding in verdict.findings:
            at = [part for span in finding.spans for part in one.together.sources_of(*span)]
            ranges = [(one.turns[index], start, end) for index, start, end in at]
            findings.append(_finding(finding, ranges, turns, together=True))
    return ConversationVerdict(
        deciding=leading([("", verdict) for verdict in every]),
        status=worst(every),
        turns=tuple(
            TurnVerdict(message=turns[place].message, role=turns[place].role, verdict=verdict)
            for place, verdict in verdicts.items()
        ),
        together=next((verdict for one, verdict in together if one.stage is Stage.INPUT), None),
        calls=tuple(verdict for one, verdict in together if one.stage is Stage.OUTPUT),
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

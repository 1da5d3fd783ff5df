"""The words everything else speaks: stages, actions, statuses, findings and the verdict."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self

from pydantic import BaseModel, Field, model_validator

from guardsdk.belonging import mark_of
from guardsdk.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

_new = object.__new__
"""Makes a model without its validation; for ``of``."""
_set_values, _set_given, _set_extra, _set_private = (
    vars(BaseModel)[slot].__set__
    for slot in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)
"""Set the slots of a frozen model directly: ``object.__setattr__`` would look each of them up by name first."""


class Stage(StrEnum):
    """Where a text was seen.

    ``input`` is from a user, on its way to the model; ``tool`` is inside a document, a retrieved passage or a tool
    result: data, which should carry no orders; ``output`` is from the model, on its way to the user.
    """

    INPUT = "input"
    TOOL = "tool"
    OUTPUT = "output"


class Action(StrEnum):
    """What the policy does with a text, weakest to strongest; of several the strongest decides.

    ``allow``; ``flag``: let it pass and record the finding; ``redact``: let it pass with the passages found cut out,
    each with a marker in its place; ``replace``: give a written answer instead; ``revise``: ask the model again, with
    the principle it went against, for its output only; ``review``: let a person, or a program in their place, decide;
    ``block``.

    Read as an instruction to whoever holds the text: ``check`` only names the action, ``@guarded`` and ``Guard.apply``
    carry it out.
    """

    ALLOW = "allow"
    FLAG = "flag"
    REDACT = "redact"
    REPLACE = "replace"
    REVISE = "revise"
    REVIEW = "review"
    BLOCK = "block"

    @property
    def strength(self) -> int:
        """0 for ``allow`` to 6 for ``block``. Comparing two actions with ``<`` compares their spelling."""
        return tuple(Action).index(self)

    @property
    def passes(self) -> bool:
        """Whether the text may go on as it is: true for ``allow`` and ``flag``."""
        return self in _PASSING


_PASSING: Final = frozenset({Action.ALLOW, Action.FLAG})


class Status(StrEnum):
    """Whether the text was looked at; independent of what was found.

    ``complete``; ``degraded``: part of the text or one layer was missing, the rest was checked; ``failed``: nothing
    was checked.
    """

    COMPLETE = "complete"
    DEGRADED = "degraded"
    FAILED = "failed"


Tier = Literal["early", "full"]
"""Which part of the classifier answered: its lower layers alone, or all of it."""


def joint_tier(*tiers: Tier | None) -> Tier | None:
    """Return the tier of several readings of one text together: ``full`` where any is, none where all are none."""
    if "full" in tiers:
        return "full"
    return "early" if "early" in tiers else None


def highest_scores(*scores: dict[str, float]) -> dict[str, float]:
    """Return every label with its highest score over several readings of one text."""
    found: dict[str, float] = {}
    for label, score in (pair for one in scores for pair in one.items()):
        found[label] = max(score, found.get(label, score))
    return found


class _Computed(Frozen):
    """Made by ``of`` out of what was computed, or validated as any other model."""

    _named: ClassVar[set[str]]
    """Every field, as a model keeps the names of those that were given."""
    _blank: ClassVar[dict[str, Any]]
    """Every field in order with its default."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Note the fields once they are known."""
        cls._blank = {name: field.default for name, field in cls.__pydantic_fields__.items()}
        cls._named = set(cls._blank)

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Self:
        """Return one that holds ``fields``, which becomes its own; what is missing has its default.

        Nothing is validated, which is most of the time of making one: only for values that are right by how they were
        computed. Every field without a default, or with one made anew each time, has to be there.
        """
        return cls.of_each([fields if len(fields) == len(cls._blank) else {**cls._blank, **fields}])[0]

    @classmethod
    def of_each(cls, rows: Iterable[dict[str, Any]]) -> tuple[Self, ...]:
        """Return one for each of ``rows`` as ``of`` does, where nothing is missing in any of them.

        All in one go: a check makes one for every principle.
        """
        made: list[Self] = []
        named = cls._named
        for fields in rows:
            one: Self = _new(cls)
            _set_values(one, fields)
            _set_given(one, named)
            _set_extra(one, None)
            _set_private(one, None)
            made.append(one)
        return tuple(made)


class Evaluation(_Computed):
    """One principle held against one text, fired or not."""

    principle_id: str
    label: str
    score: float = Field(ge=0.0, le=1.0)
    """Calibrated probability of ``label``."""
    threshold: float = Field(ge=0.0, le=1.0)
    """The principle fires where ``score >= threshold``."""
    margin: float
    """``score - threshold``: negative means how far below the line the text was."""
    fired: bool


class Finding(_Computed):
    """A principle that fired: ``score`` reached ``threshold``, carried by the passages ``spans``."""

    principle_id: str
    label: str
    score: float = Field(ge=0.0, le=1.0)
    """Calibrated probability of ``label``."""
    threshold: float = Field(ge=0.0, le=1.0)
    margin: float = Field(ge=0.0)
    """``score - threshold``."""
    action: Action
    """What the principle asks for; in shadow mode too, where the verdict does not follow it."""
    spans: tuple[tuple[int, int], ...] = Field(min_length=1)
    """Start and end of every passage that carried the score, in characters of the text as it was given."""
    view: str | None = None
    """How the text had to be read to see it, such as ``base64+rot13``, ``gloss-de`` or ``passage``; null as it is."""

    @property
    def span(self) -> tuple[int, int]:
        """The first of ``spans``."""
        return self.spans[0]


class ArtifactRef(_Computed):
    """Which model or policy took part: name, version and sha256 digest of its contents."""

    name: str
    version: str
    digest: str


class Verdict(_Computed):
    """What one check found and what follows.

    ``bool(verdict)`` is true only when the text was checked completely *and* is allowed. Under a policy with
    ``on_error = "allow"`` a text that could not be checked has ``allowed`` true and is still false here.
    ``str(verdict)`` is one line without text.

    To begin with: ``action`` is what follows and ``principle_id`` what decided it; ``findings`` are the principles that
    fired and ``evaluations`` all that were asked; ``status``, ``degraded_reasons`` and ``error`` say whether the text
    was looked at. ``docs/howto.md`` has a table.

    A verdict recognises its text by a digest under a key of the process. That is no field: it is in no dump, pickle,
    ``repr`` or comparison.
    """

    __slots__ = ("_mark",)

    allowed: bool
    """Whether the text may pass as it is: true where ``action`` is ``allow`` or ``flag``."""
    action: Action
    """The strongest action of all findings; ``block`` also where an incomplete check is held back. In shadow mode never
    stronger than ``flag``."""
    would_action: Action | None = None
    """In shadow mode what ``action`` would be without it; null elsewhere."""
    status: Status
    stage: Stage
    principle_id: str | None = None
    """The principle that decided, where one fired."""
    scores: dict[str, float] = Field(default_factory=dict)
    """Label to calibrated probability, highest over all windows scored, for every label of this stage."""
    evaluations: tuple[Evaluation, ...] = ()
    findings: tuple[Finding, ...] = ()
    """The principles that fired, strongest action first, then largest margin."""
    coverage: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the text's characters that was scored."""
    stopped_early: bool = False
    """Whether the rest of a long text was left unscored because a principle had blocked it, which nothing in the rest
    could have changed. ``coverage`` then says how much was scored, and the check is complete all the same."""
    tier: Tier | None = None
    """``early`` where the classifier's lower layers alone cleared every window of the text and of all its views,
    ``full`` where any went through all layers; null where the classifier did not run."""
    degraded_reasons: tuple[str, ...] = ()
    incomplete_layers: tuple[str, ...] = ()
    """Where something went wrong: names of screens that failed, were late or gave what cannot be used; ``model`` where
    nothing could be loaded."""
    error: str | None = None
    """Why the check failed: an error class and a message that holds no text."""
    model: ArtifactRef | None = None
    policy: ArtifactRef | None = None
    provider_requested: str | None = None
    """``auto``, ``cpu`` or ``cuda``, as asked for."""
    provider_active: str | None = None
    """The execution provider that computed the scores, such as ``CPUExecutionProvider``."""
    provider_reason: str | None = None
    """Why the active provider is not the best one asked for; null where it is."""
    cached: bool = False
    duration_s: float = Field(default=0.0, ge=0.0)
    """Wall time of this check in seconds; of a guard's first check, the loading of the model included."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.allowed is not self.action.passes:
            msg = f"a verdict with action {self.action.value!r} cannot have allowed={self.allowed}"
            raise ValueError(msg)
        return self

    def __bool__(self) -> bool:
        """Return true only when the text was checked completely and is allowed."""
        return self.allowed and self.status is Status.COMPLETE

    def __str__(self) -> str:
        """Say in one line what was decided, by what and how sure; there is no text in it."""
        found = next((one for one in self.findings if one.principle_id == self.principle_id), None)
        by = "" if self.principle_id is None else f" by {self.principle_id}"
        score = "" if found is None else f" ({found.label} {found.score:.3f}, threshold {found.threshold:.3f})"
        would = "" if self.would_action is None else f", {self.would_action.value} without shadow mode"
        why = "; ".join(self.degraded_reasons) or self.error or ""
        status = "" if self.status is Status.COMPLETE else f", {self.status.value}{why and f': {why}'}"
        return f"{self.stage.value}: {self.action.value}{by}{score}{would}{status}"

    def copied(self) -> Verdict:
        """Return a copy for one caller, who may change its one mutable part without changing anybody else's."""
        return Verdict.of_each(({**self.__dict__, "scores": self.scores.copy()},))[0]

    def remembered(self) -> Verdict:
        """Return a copy as the cache keeps it."""
        return Verdict.of_each(({**self.__dict__, "scores": self.scores.copy(), "cached": True},))[0]

    def finished(self, duration_s: float, mark: bytes) -> Verdict:
        """Complete this verdict in place, with how long the check took and the mark of its text, and return it.

        Only for the check that has just reached it: a verdict that anybody else holds is not changed.
        """
        self.__dict__["duration_s"] = duration_s
        _set_given(self, self._named)  # however it was made
        _set_mark(self, mark)
        return self

    def is_of_another(self, text: str) -> bool:
        """Whether this is known to be the verdict of another text than ``text``.

        Only the process that made a verdict, and those it forked, can tell; for one that was pickled, read from JSON or
        put together from several it is always false.
        """
        mark = getattr(self, "_mark", None)
        return mark is not None and mark != mark_of(text)

    def __copy__(self) -> Self:
        """Return a copy, of the same text."""
        return self._marking(super().__copy__())

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return a deep copy, of the same text."""
        return self._marking(super().__deepcopy__(memo))

    def _marking(self, copied: Self) -> Self:
        if (mark := getattr(self, "_mark", None)) is not None:
            _set_mark(copied, mark)
        return copied


_set_mark = vars(Verdict)["_mark"].__set__
"""As ``_set_values`` and its like above."""

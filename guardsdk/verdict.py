"""The vocabulary of the package: stages, actions, statuses, findings and the verdict."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self

from pydantic import BaseModel, Field, model_validator

from guardsdk.belonging import mark_of
from guardsdk.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

_new = object.__new__
"""Creates a model without validation; used by ``of``."""
_set_values, _set_given, _set_extra, _set_private = (
    vars(BaseModel)[slot].__set__
    for slot in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)
"""Sets the slots of a frozen model directly: ``object.__setattr__`` would first look each one up by name."""


class Stage(StrEnum):
    """Where a text was seen.

    ``input`` is from a user, on its way to the model. ``tool`` is inside a document, a retrieved passage or a tool
    result: data, which should not give orders. ``output`` is from the model, on its way to the user.
    """

    INPUT = "input"
    TOOL = "tool"
    OUTPUT = "output"


class Action(StrEnum):
    """What the policy does with a text, from weakest to strongest; the strongest of several decides.

    ``allow``; ``flag``: let it pass and record the finding; ``redact``: let it pass with each passage found replaced
    by a marker; ``replace``: give a fixed answer instead; ``revise``: ask the model again, quoting the principle it
    violated, on output only; ``review``: let a person, or a program in their place, decide; ``block``.

    An action is an instruction to whoever holds the text: ``check`` only names it, ``@guarded`` and ``Guard.apply``
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
        """0 for ``allow`` to 6 for ``block``. Note that ``<`` on two actions compares their spelling."""
        return tuple(Action).index(self)

    @property
    def passes(self) -> bool:
        """Whether the text may go on unchanged: true for ``allow`` and ``flag``."""
        return self in _PASSING


_PASSING: Final = frozenset({Action.ALLOW, Action.FLAG})


class Status(StrEnum):
    """Whether the text was checked, regardless of what was found.

    ``complete``; ``degraded``: part of the text or one layer was missing, the rest was checked; ``failed``: nothing
    was checked.
    """

    COMPLETE = "complete"
    DEGRADED = "degraded"
    FAILED = "failed"


Tier = Literal["early", "full"]
"""Which part of the classifier answered: its lower layers alone, or all layers."""


def joint_tier(*tiers: Tier | None) -> Tier | None:
    """Return the joint tier of several readings of one text: ``full`` if any is, ``None`` if all are."""
    if "full" in tiers:
        return "full"
    return "early" if "early" in tiers else None


def highest_scores(*scores: dict[str, float]) -> dict[str, float]:
    """Return each label's highest score over several readings of one text."""
    found: dict[str, float] = {}
    for label, score in (pair for one in scores for pair in one.items()):
        found[label] = max(score, found.get(label, score))
    return found


class _Computed(Frozen):
    """A model that ``of`` creates from computed values; also validated as any other model."""

    _named: ClassVar[set[str]]
    """The names of all fields, in the form pydantic keeps for ``model_fields_set``."""
    _blank: ClassVar[dict[str, Any]]
    """Every field in order, with its default."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Record the fields once pydantic has collected them."""
        cls._blank = {name: field.default for name, field in cls.__pydantic_fields__.items()}
        cls._named = set(cls._blank)

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Self:
        """Return an instance that takes over ``fields`` as its own dict; missing fields get their defaults.

        Nothing is validated, which is most of the cost of creating a model, so the values must be correct by
        construction. Fields without a default, or with a default factory, must be given.
        """
        return cls.of_each([fields if len(fields) == len(cls._blank) else {**cls._blank, **fields}])[0]

    @classmethod
    def of_each(cls, rows: Iterable[dict[str, Any]]) -> tuple[Self, ...]:
        """Return one instance per row, as ``of`` does, where every row has every field.

        Done in one pass, as a check creates one for every principle.
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
    """One principle evaluated on one text, whether it fired or not."""

    principle_id: str
    label: str
    score: float = Field(ge=0.0, le=1.0)
    """Calibrated probability of ``label``."""
    threshold: float = Field(ge=0.0, le=1.0)
    """The principle fires where ``score >= threshold``."""
    margin: float
    """``score - threshold``; negative if the text stayed below the threshold."""
    fired: bool


class Finding(_Computed):
    """A principle that fired: ``score`` reached ``threshold`` because of the passages in ``spans``."""

    principle_id: str
    label: str
    score: float = Field(ge=0.0, le=1.0)
    """Calibrated probability of ``label``."""
    threshold: float = Field(ge=0.0, le=1.0)
    margin: float = Field(ge=0.0)
    """``score - threshold``."""
    action: Action
    """The principle's own action. In shadow mode too, where the verdict does not follow it."""
    spans: tuple[tuple[int, int], ...] = Field(min_length=1)
    """Start and end of every passage that carried the score, as character offsets in the original text."""
    view: str | None = None
    """How the text was read to find it, such as ``base64+rot13``, ``gloss-de`` or ``passage``; null if as is."""

    @property
    def span(self) -> tuple[int, int]:
        """The first of ``spans``."""
        return self.spans[0]


class ArtifactRef(_Computed):
    """A model or policy that took part: name, version and SHA-256 digest of its contents."""

    name: str
    version: str
    digest: str


class Verdict(_Computed):
    """What one check found and what to do with the text.

    ``bool(verdict)`` is true only if the text was checked completely *and* is allowed. Under a policy with
    ``on_error = "allow"``, a text that could not be checked has ``allowed`` true but ``bool(verdict)`` false.
    ``str(verdict)`` is one line and quotes no text.

    Start with these: ``action`` is what to do and ``principle_id`` what decided it. ``findings`` are the principles
    that fired, ``evaluations`` all that were evaluated. ``status``, ``degraded_reasons`` and ``error`` say whether the
    text was checked. ``docs/howto.md`` has a table.

    A verdict recognises its text by a digest keyed with a secret of the process. The digest is not a field: it appears
    in no dump, pickle, ``repr`` or comparison.
    """

    __slots__ = ("_mark",)

    allowed: bool
    """Whether the text may pass unchanged: true where ``action`` is ``allow`` or ``flag``."""
    action: Action
    """The strongest action of all findings; ``block`` also where an incomplete check is stopped. In shadow mode never
    stronger than ``flag``.
    """
    would_action: Action | None = None
    """In shadow mode, what ``action`` would be without it; null otherwise."""
    status: Status
    stage: Stage
    principle_id: str | None = None
    """The principle that decided, if one fired."""
    scores: dict[str, float] = Field(default_factory=dict)
    """Label to calibrated probability, the highest over all scored windows, for every label of this stage."""
    evaluations: tuple[Evaluation, ...] = ()
    findings: tuple[Finding, ...] = ()
    """The principles that fired, strongest action first, then largest margin."""
    coverage: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the text's characters that was scored."""
    stopped_early: bool = False
    """Whether the rest of a long text was skipped because a principle had blocked it, and nothing could change that.
    ``coverage`` then says how much was scored; the check still counts as complete."""
    tier: Tier | None = None
    """``early`` if the classifier's lower layers alone cleared every window of the text and its views, ``full`` if any
    window went through all layers; null if the classifier did not run.
    """
    degraded_reasons: tuple[str, ...] = ()
    incomplete_layers: tuple[str, ...] = ()
    """What went wrong, if anything: names of screens that failed, ran late or returned unusable results; ``model`` if
    nothing could be loaded.
    """
    error: str | None = None
    """Why the check failed: an error class and a message that quotes no text."""
    model: ArtifactRef | None = None
    policy: ArtifactRef | None = None
    provider_requested: str | None = None
    """The provider asked for: ``auto``, ``cpu`` or ``cuda``."""
    provider_active: str | None = None
    """The execution provider that computed the scores, such as ``CPUExecutionProvider``."""
    provider_reason: str | None = None
    """Why the active provider is not the best one asked for; null if it is."""
    cached: bool = False
    duration_s: float = Field(default=0.0, ge=0.0)
    """Wall time of this check in seconds; a guard's first check includes loading the model."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.allowed is not self.action.passes:
            msg = f"a verdict with action {self.action.value!r} cannot have allowed={self.allowed}"
            raise ValueError(msg)
        return self

    def __bool__(self) -> bool:
        """Return true only if the text was checked completely and is allowed."""
        return self.allowed and self.status is Status.COMPLETE

    def __str__(self) -> str:
        """Return one line that says what was decided, by which principle and with what score; it quotes no text."""
        found = next((one for one in self.findings if one.principle_id == self.principle_id), None)
        by = "" if self.principle_id is None else f" by {self.principle_id}"
        score = "" if found is None else f" ({found.label} {found.score:.3f}, threshold {found.threshold:.3f})"
        would = "" if self.would_action is None else f", {self.would_action.value} without shadow mode"
        why = "; ".join(self.degraded_reasons) or self.error or ""
        status = "" if self.status is Status.COMPLETE else f", {self.status.value}{why and f': {why}'}"
        return f"{self.stage.value}: {self.action.value}{by}{score}{would}{status}"

    def copied(self) -> Verdict:
        """Return a copy for one caller, whose mutable ``scores`` can be changed without affecting other callers."""
        return Verdict.of_each(({**self.__dict__, "scores": self.scores.copy()},))[0]

    def remembered(self) -> Verdict:
        """Return a copy for the cache."""
        return Verdict.of_each(({**self.__dict__, "scores": self.scores.copy(), "cached": True},))[0]

    def finished(self, duration_s: float, mark: bytes) -> Verdict:
        """Complete this verdict in place with the duration of the check and the digest of its text, and return it.

        Only for the check that created it: a verdict already handed out is never changed.
        """
        self.__dict__["duration_s"] = duration_s
        _set_given(self, self._named)  # whichever way it was created
        _set_mark(self, mark)
        return self

    def is_of_another(self, text: str) -> bool:
        """Whether this is known to be the verdict on a text other than ``text``.

        Only the process that created a verdict, and its forked children, can tell. Always false for a verdict that was
        pickled, read from JSON or combined from several.
        """
        mark = getattr(self, "_mark", None)
        return mark is not None and mark != mark_of(text)

    def __copy__(self) -> Self:
        """Return a copy that still belongs to the same text."""
        return self._marking(super().__copy__())

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return a deep copy that still belongs to the same text."""
        return self._marking(super().__deepcopy__(memo))

    def _marking(self, copied: Self) -> Self:
        if (mark := getattr(self, "_mark", None)) is not None:
            _set_mark(copied, mark)
        return copied


_set_mark = vars(Verdict)["_mark"].__set__
"""Sets the digest directly, as the setters above do for the fields."""

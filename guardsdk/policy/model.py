"""The policy model: principles in plain language, each tied to a label, a threshold and an action."""

from __future__ import annotations

import hashlib
import json
import re
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import Discriminator, Field, PrivateAttr, Strict, Tag, ValidationError, field_validator, model_validator

from guardsdk.errors import PolicyError
from guardsdk.frozen import Frozen
from guardsdk.policy.actions import NEVER_LIFTS, RedactWith, Review, Revise, StageActions, action_on, problem_with
from guardsdk.policy.files import DEFAULT, packaged_file, written_at, written_in
from guardsdk.policy.logging import LogRules
from guardsdk.policy.monitoring import ActorRules, Enforcement, MonitorRules
from guardsdk.policy.origin import Origin
from guardsdk.policy.reading import A_THRESHOLD, explain, nearest
from guardsdk.policy.recalibrating import Recalibration
from guardsdk.verdict import Action, ArtifactRef, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from guardsdk.policy.inheriting import Written

TAUGHT: Final = "taught."
"""Prefix of the labels of screens taught from examples; the name follows."""

Handling = Literal["block", "allow"]
"""What happens if a text could not be checked, or not completely."""

FPR: Final = re.compile(r"fpr:(0?\.\d+)")
"""A threshold given as the false-positive rate it was measured at."""


class Example(Frozen):
    """A text and the expected action of its principle: the principle's own action on that stage, or ``allow``."""

    text: str = Field(min_length=1)
    """The text to check; ``{canary}`` stands for a token issued when the example is tried."""
    expect: Action
    """The principle's action on that stage if the principle should fire, else ``allow``."""
    stage: Stage | None = None
    """The stage of the text; defaults to the principle's first stage."""
    context: str | None = None
    """What the text is read against, as in ``Guard.check``: the prompt that a response answers."""
    system: str | None = None
    """The developer's instructions, which a user's text is aimed at and a response must not recite."""

    def text_with(self, canary: str) -> str:
        """Return the text with ``canary``, a token of the guard that tries it, in place of every ``{canary}``."""
        return self.text.replace("{canary}", canary)


def _form(value: object) -> str:
    return "word" if isinstance(value, str) else "table"


class Principle(Frozen):
    """One criterion: what it asks for, the label that measures it, its threshold and its action."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    """Short name; every verdict names the principle that decided."""
    text: str = Field(min_length=1)
    """The criterion in plain language."""
    label: str = Field(min_length=1)
    """The label of the model that measures it."""
    stages: tuple[Stage, ...] = Field(min_length=1, json_schema_extra={"uniqueItems": True})
    """Where it applies: to what users write, to documents and tool results, to the model's answers."""
    threshold: Annotated[float, Strict()] | Annotated[str, Strict()] = "default"
    """On the calibrated probability: a number from 0 to 1; ``"default"``, the model's own; or ``"fpr:0.001"``, the
    threshold at which the model was measured to wrongly flag that share of benign texts."""
    action: Annotated[Annotated[Action, Tag("word")] | Annotated[StageActions, Tag("table")], Discriminator(_form)] = (
        Action.BLOCK
    )
    """One action, or a table with one for each of ``stages``."""
    degrades: Annotated[bool, Strict()] = False
    """Whether a text it fires on counts as not completely checked, so that ``on_error`` applies."""
    redact_with: RedactWith | None = None
    """What replaces a passage, with action ``redact``; defaults to ``"marker"``."""
    replacement: str | None = Field(default=None, min_length=1)
    """The answer given instead, with action ``replace``."""
    revise: Revise | None = None
    """Options of action ``revise``, with defaults."""
    review: Review | None = None
    """Options of action ``review``, with defaults."""
    refs: tuple[str, ...] = ()
    """Catalogue entries that the principle addresses, such as ``OWASP-LLM01:2025``."""
    rationale: str = ""
    """Why the principle exists."""
    not_covered: str = ""
    """What it does not cover, or is known not to catch, in plain language."""
    examples: tuple[Example, ...] = ()
    """Texts that show where the line is; ``guardsdk policy test`` tries them."""

    @property
    def fpr(self) -> Decimal | None:
        """The false-positive rate of a ``"fpr:..."`` threshold; ``None`` for other thresholds."""
        match = FPR.fullmatch(self.threshold) if isinstance(self.threshold, str) else None
        return Decimal(match.group(1)) if match else None

    @field_validator("stages")
    @classmethod
    def _each_stage_once(cls, value: tuple[Stage, ...]) -> tuple[Stage, ...]:
        if twice := next((stage for stage in value if value.count(stage) > 1), None):
            msg = f'names "{twice.value}" twice'  # where another was meant, the principle would not apply there
            raise ValueError(msg)
        return value

    @field_validator("threshold")
    @classmethod
    def _threshold(cls, value: float | str) -> float | str:
        known = value == "default" or FPR.fullmatch(value) if isinstance(value, str) else 0.0 <= value <= 1.0
        if not known:
            raise ValueError(A_THRESHOLD)
        return value

    @field_validator("action")
    @classmethod
    def _action(cls, value: Action | StageActions) -> Action | StageActions:
        words = [value] if isinstance(value, Action) else [getattr(value, stage.value) for stage in Stage]
        if Action.ALLOW in words:
            raise ValueError(NEVER_LIFTS)  # it would read as an exception that overrules other principles
        return value

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        options = {name: getattr(self, name) for name in ("redact_with", "replacement", "revise", "review")}
        if problem := problem_with(self.stages, self.action, options):
            raise ValueError(problem)
        for number, example in enumerate(self.examples):
            if example.stage is not None and example.stage not in self.stages:
                msg = f'examples[{number}].stage "{example.stage.value}" is none of the principle\'s stages'
                raise ValueError(msg)
            action = self.action_for(example.stage or self.stages[0])
            if example.expect not in (action, Action.ALLOW):
                msg = f'examples[{number}].expect must be "{action.value}", the action, or "allow"'
                raise ValueError(msg)
        return self

    def action_for(self, stage: Stage) -> Action:
        """Return the action on ``stage``; ``allow`` if the principle does not apply there."""
        return (action_on(self.action, stage) if stage in self.stages else None) or Action.ALLOW


class OnError(Frozen):
    """Per stage: what happens if a text could not be checked. Defaults to ``block``."""

    input: Handling = "block"
    tool: Handling = "block"
    output: Handling = "block"


class Policy(Frozen):
    """A named, versioned list of principles.

    A stage that no principle names cannot be checked: ``on_error`` applies there, and it never passes silently.
    """

    name: str = Field(min_length=1)
    """The policy's name in verdicts and logs."""
    version: str = Field(min_length=1)
    """The policy's version, in any scheme; verdicts carry it together with a digest of the content."""
    extends: str | None = Field(default=None, min_length=1)
    """The packaged policy or file that this one inherits from; the inherited content is already in the other fields."""
    on_error: Annotated[Annotated[Handling, Tag("word")] | Annotated[OnError, Tag("table")], Discriminator(_form)] = (
        "block"
    )
    """``"block"``, ``"allow"``, or a table with one of them per stage."""
    on_uncovered: Handling = "block"
    """What happens if a message has parts that cannot be screened, such as images, audio and files."""
    shadow: Annotated[bool, Strict()] = False
    """Let every text pass, even one that could not be checked, and record what would have happened."""
    decision_log: LogRules | None = None
    """Where and how decisions are logged."""
    monitor: MonitorRules | None = None
    """When traffic and actors raise an alert; optional, with defaults."""
    recalibrate: tuple[Recalibration, ...] = ()
    """Recalibration of scores on your own text, one ``[[recalibrate]]`` each, as written by ``guardsdk calibrate``.
    Numeric thresholds are on the recalibrated scale."""
    principles: tuple[Principle, ...] = Field(min_length=1)
    _origin: Origin = PrivateAttr(default_factory=Origin)

    @property
    def origin(self) -> Origin:
        """The file and line of every key; empty for a policy created in code."""
        return self._origin

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        seen: set[str] = set()
        for principle in self.principles:
            if principle.id in seen:
                msg = f"two principles have the id {principle.id!r}"
                raise ValueError(msg)
            seen.add(principle.id)
        keys = [(one.label, one.stage.value) for one in self.recalibrate]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            msg = f"recalibrate has {twice[0]!r} on {twice[1]} twice"
            raise ValueError(msg)
        return self

    def principle(self, identifier: str) -> Principle:
        """Return the principle with that id. Raises ``KeyError`` that names the nearest id if there is none."""
        for principle in self.principles:
            if principle.id == identifier:
                return principle
        msg = f"no principle {identifier!r}; {nearest(identifier, [one.id for one in self.principles])}"
        raise KeyError(msg)

    def on_error_for(self, stage: Stage) -> Action:
        """Return ``Action.BLOCK`` or ``Action.ALLOW``: what happens on ``stage`` if a text could not be checked."""
        word = self.on_error if isinstance(self.on_error, str) else getattr(self.on_error, stage.value)
        return Action(word)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the policy's content in hexadecimal; layout, comments and key order do not affect it."""
        content = self.model_dump(mode="json", exclude={"extends"})  # the inherited content is included itself
        content["on_error"] = {stage.value: self.on_error_for(stage).value for stage in Stage}
        for written, principle in zip(content["principles"], self.principles, strict=True):
            if len(used := {principle.action_for(stage) for stage in principle.stages}) == 1:
                written["action"] = used.pop().value
            for name in ("redact_with", "replacement", "revise", "review"):
                if written[name] is None:
                    del written[name]
            if not principle.degrades:
                del written["degrades"]
            if not principle.not_covered:
                del written["not_covered"]
        for name in ("shadow", "recalibrate", "decision_log", "monitor"):
            if not content[name]:
                del content[name]
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @cached_property
    def ref(self) -> ArtifactRef:
        """Name, version and digest, as in a verdict."""
        return ArtifactRef(name=self.name, version=self.version, digest=self.digest)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with the fields of ``update`` changed, without validation; its digest is recomputed."""
        copied = super().model_copy(update=update, deep=deep)
        for cached in ("digest", "ref"):  # computed from the old content
            copied.__dict__.pop(cached, None)
        return copied

    @classmethod
    def from_toml(cls, text: str, *, source: str = "policy") -> Self:
        """Read a policy from TOML ``text``; errors call it ``source``.

        Raises ``PolicyError`` that names the source, the line, the key and the nearest valid name.
        """
        return cls._from(written_in(text, source), source)

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read the policy file at ``path``, or the packaged policy of that name: ``./strict`` is always a file.

        Raises ``PolicyError`` as ``from_toml`` does.
        """
        return cls._from(written_at(path), str(path))

    @classmethod
    def preset(cls, name: str) -> Self:
        """Return the packaged policy ``name``, one of ``guardsdk.policy.PACKAGED``.

        Raises ``PolicyError`` for any other.
        """
        packaged_file(name)
        return cls.from_file(name)

    @classmethod
    def default(cls) -> Self:
        """Return the default policy, written in ``guardsdk/policy/default.toml``."""
        return cls.preset(DEFAULT)

    @classmethod
    def _from(cls, written: Written, source: str) -> Self:
        try:
            policy = cls.model_validate(written.content)
        except ValidationError as error:
            raise PolicyError(explain(error, source, written, _KEYS)) from None
        policy._origin = Origin(written.find, written.removed, written.files)  # noqa: SLF001  an instance of this class
        return policy


_KEYS = {
    "": (
        *("name", "version", "extends", "remove", "on_error", "on_uncovered", "shadow", "decision_log", "monitor"),
        *("recalibrate", "principle"),
    ),
    "principle": tuple(Principle.model_fields),
    "examples": tuple(Example.model_fields),
    "recalibrate": tuple(Recalibration.model_fields),
    "decision_log": tuple(LogRules.model_fields),
    "monitor": tuple(MonitorRules.model_fields),
    "actors": tuple(ActorRules.model_fields),
    "enforcement": tuple(Enforcement.model_fields),
    "on_error": tuple(OnError.model_fields),
    "action": tuple(StageActions.model_fields),
    "revise": tuple(Revise.model_fields),
    "review": tuple(Review.model_fields),
}

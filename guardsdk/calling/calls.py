"""One call of a guarded callable: screen the prompt, make the call, screen the response."""

from __future__ import annotations

import contextlib
import inspect
from dataclasses import dataclass, replace
from dataclasses import field as attribute
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from guardsdk.calling.handling import Handling, Instead, Judged, leading
from guardsdk.calling.redaction import Newest
from guardsdk.calling.revising import with_turn
from guardsdk.calling.steps import Invoke, ask, work
from guardsdk.errors import InputError, InputTypeError
from guardsdk.extract import Passage, ResponseText, context_of, system_of, system_passages
from guardsdk.extract.rewrite import rewrite
from guardsdk.extract.shapes import field
from guardsdk.policy.actions import Revise
from guardsdk.streaming.following import follow
from guardsdk.streaming.held import Rules
from guardsdk.streaming.streams import AsyncGuardedStream, GuardedStream
from guardsdk.surroundings import Surroundings
from guardsdk.text.segments import Pace
from guardsdk.vault import Markers, Vault
from guardsdk.verdict import Action, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from guardsdk.calling.checking import Checker
    from guardsdk.calling.steps import Steps
    from guardsdk.calling.wrapping import Plan
    from guardsdk.extract.rewrite import Find
    from guardsdk.guard import Guard
    from guardsdk.verdict import Verdict

_INSIDE = ("system_instruction", "systemInstruction")
"""Where a Google configuration has the system prompt."""

S = TypeVar("S", GuardedStream[Any], AsyncGuardedStream[Any])


@dataclass(frozen=True, slots=True, repr=False)
class Prompt:
    """The prompt values of a call, and what has to be screened of them."""

    checker: Checker
    values: tuple[object, ...]
    passages: Sequence[Passage]
    actor: str | None
    systems: Mapping[str, object]
    """Arguments with developer instructions, by parameter, in addition to those among the passages."""
    named: bool
    """Whether these parameters were named explicitly."""
    context: str | None = None

    @property
    def system(self) -> list[Passage]:
        """The developer's instructions passed as separate arguments."""
        return [one for name, value in self.systems.items() for one in _system_text(name, value, named=self.named)]

    def judge(self) -> Judged:
        """Check every passage at its stage; an empty one if no prompt was given."""
        return self.checker.judge([*self.system, *(self.passages or [Passage("")])], self.actor)

    @property
    def around(self) -> Surroundings:
        """The surroundings that the answer is read with."""
        return Surroundings(context_of(self.passages), system_of([*self.system, *self.passages]))

    def changed(self, find: Find) -> Prompt:
        """Return the prompt with changed texts, read again."""
        values = tuple(rewrite(value, find) for value in self.values)
        passages = [one for value in values for one in self.checker.passages(value)]
        systems = {name: rewrite(value, find) for name, value in self.systems.items()}
        return replace(self, values=values, passages=passages, systems=systems)

    def require_unchanged(self) -> None:
        """Raise ``InputError`` if the values have changed meanwhile, as others may hold the same list of messages.

        The result of the host's extractor is not computed a second time.
        """
        if self.checker.extracts or all(isinstance(value, str) for value in self.values):
            return
        if [one for value in self.values for one in self.checker.passages(value)] != self.passages:
            msg = "the prompt was changed while it was checked; give each call messages of its own"
            raise InputError(msg)


@dataclass(frozen=True, slots=True, repr=False)
class Response:
    """The result of the guarded callable."""

    checker: Checker
    value: Any
    extract: Callable[[Any], object] | None
    around: Surroundings
    actor: str | None
    checked: list[str] = attribute(default_factory=list)
    """The texts that were checked."""

    @property
    def context(self) -> str | None:
        """The prompt it answers."""
        return self.around.prompt

    def judge(self) -> Judged:
        """Check every text with the prompt as context."""
        try:
            texts = self._read()
        except InputTypeError:
            if inspect.iscoroutine(self.value):
                self.value.close()  # rejected here, so nobody will await it
            raise
        self.checked[:] = texts.texts()
        return self.checker.judge_response(
            self.checked, self.context, self.actor, system=self.around.system, together=texts.together()
        )

    def _read(self) -> ResponseText:
        texts = ResponseText(self.extract, data=True)
        texts.add(self.value)
        return texts

    def changed(self, find: Find) -> Response:
        """Return the response with changed texts."""
        return replace(self, value=rewrite(self.value, find), checked=[])

    def require_unchanged(self) -> None:
        """Raise ``InputError`` if the value has changed meanwhile, as its creator may still be filling it.

        The result of the host's extractor is not computed a second time.
        """
        if self.extract is None and not isinstance(self.value, str) and self._read().texts() != self.checked:
            msg = "the response was changed while it was checked; return what nobody changes any more, such as a copy"
            raise InputError(msg)


class Call:
    """One call. After it, every value redacted from its prompt is forgotten."""

    def __init__(self, plan: Plan, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        """Read the prompt.

        Raises ``InputTypeError`` if it must be screened, or a named system prompt read, and cannot be.
        """
        self.args = args
        self.kwargs = kwargs
        self.vault = Vault()
        self._plan = plan
        values, given, self._actor = plan.arguments.read(args, kwargs)
        named = plan.arguments.names_system
        systems = {name: value for name, value in given.items() if _system_text(name, value, named=named)}
        passages: list[Passage] = []
        for value in values:
            # Unscreened prompts still serve as context, as far as they can be read.
            with contextlib.nullcontext() if plan.screen_input else contextlib.suppress(InputTypeError):
                passages += plan.checker.passages(value)
        self._prompt = Prompt(plan.checker, tuple(values), passages, self._actor, systems, named)

    def answer(self) -> Steps[Any]:
        """End with the callable's result, as far as it may be returned, or with ``Instead``."""
        try:
            if (instead := (yield from self.before())) is not None:
                return instead
            return (yield from self.after((yield Invoke(self.args, self.kwargs))))
        finally:
            self.vault.clear()

    def before(self) -> Steps[Instead | None]:
        """Decide on the prompt; from then on ``args`` and ``kwargs`` are what the callable may see."""
        if not self._plan.screen_input:
            return None
        settled = yield from self._handling(self.vault).settle(self._prompt, (yield work(self._prompt.judge)))
        if isinstance(settled, Instead):
            return settled
        settled.require_unchanged()
        if settled is not self._prompt:
            self._prompt = settled
            self.args, self.kwargs = self._with_prompt(settled.values, settled.systems)
        return None

    def after(self, response: Any) -> Steps[Any]:  # noqa: ANN401  whatever the callable returns
        """Decide on the response, asking again if a principle says so, and restore the prompt's values."""
        if not self._plan.screen_output:
            return self._restored(response)
        subject = self._response(response)
        judged: Judged = yield work(subject.judge)
        used = 0
        while (lead := leading(judged)).action is Action.REVISE:
            principle = self._guard.policy.principle(str(lead.principle_id))
            rules = principle.revise or Revise()
            again = (yield from self._revised(rules, lead, judged)) if used < rules.attempts else None
            if again is None:
                handling = self._handling()
                return (yield from handling.replaced(lead) if rules.fallback == "replace" else handling.stopped(lead))
            used += 1
            subject = self._response((yield again))
            judged = yield work(subject.judge)
        settled = yield from self._handling().settle(subject, judged)
        if isinstance(settled, Instead):
            return settled
        settled.require_unchanged()
        return self._restored(settled.value)

    def streamed(self, kind: type[S], generator: Callable[..., Any]) -> S:
        """Return the stream of the guarded ``generator``, each item released as soon as it may be.

        If a principle asks for another answer, the generator is called again, unless something has been released.
        """
        around = self._prompt.around
        markers = Markers()
        rules = Rules(
            policy=Newest(self._guard),
            markers=markers,
            pace=Pace(),
            extract=self._plan.extract_response,
            vault=self.vault if len(self.vault) else None,
            again=any(one.action_for(Stage.OUTPUT) is Action.REVISE for one in self._guard.policy.principles),
        )

        def judge(texts: Sequence[str], _: Sequence[bool]) -> list[Verdict]:
            judged = self._plan.checker.judge_response(texts, around.prompt, self._actor, system=around.system)
            return [verdict for _, verdict in judged]

        def again(rules: Revise, lead: Verdict) -> Steps[Any]:
            call = yield from self._revised(rules, lead, [])
            return None if call is None else generator(*call.args, **call.kwargs)

        following = follow(self._handling(markers), rules.policy, around.prompt, again)
        return kind(generator(*self.args, **self.kwargs), rules, judge, following)

    def _revised(self, rules: Revise, lead: Verdict, judged: Judged) -> Steps[Invoke | None]:
        """End with the call that asks again, or with ``None`` if the prompt's format cannot be extended."""
        findings = [one for verdict in (lead, *(other for _, other in judged)) for one in verdict.findings]
        broken = dict.fromkeys(one.principle_id for one in findings if one.action is Action.REVISE)
        texts = " ".join(self._guard.policy.principle(identifier).text for identifier in broken)
        message = rules.message.replace("{principle}", texts)
        values, way = list(self._prompt.values), self._plan.means.revise_prompt
        for place in reversed(range(len(values))):
            value = values[place]
            revised = with_turn(value, message) if way is None else (yield ask(partial(way, value, message, lead)))
            if revised is not None:
                values[place] = revised
                return Invoke(*self._with_prompt(values))
        return None

    def _with_prompt(
        self, values: Sequence[object], systems: Mapping[str, object] | None = None
    ) -> tuple[tuple[object, ...], dict[str, object]]:
        return self._plan.arguments.replaced(self.args, self.kwargs, values, systems or {})

    def _response(self, value: Any) -> Response:  # noqa: ANN401  whatever the callable returns
        return Response(self._plan.checker, value, self._plan.extract_response, self._prompt.around, self._actor)

    def _restored(self, value: Any) -> Any:  # noqa: ANN401  of the value's type
        return rewrite(value, self.vault.values) if len(self.vault) else value

    def _handling(self, markers: Markers | None = None) -> Handling:
        return Handling(Newest(self._guard), self._plan.means, self._actor, markers)

    @property
    def _guard(self) -> Guard:
        return self._plan.checker.guard


def _system_text(name: str, value: object, *, named: bool) -> list[Passage]:
    """Return the developer's instructions in the argument ``name``.

    One found by its usual name may hold something else; ``InputTypeError`` if it was ``named`` and has no text.
    """
    inside = next((one for spelled in _INSIDE if (one := field(value, spelled)) is not None), None)
    if inside is not None or (name == "config" and not named):
        value = inside
    found = system_passages(value)
    if found or not named or not value:
        return found
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    msg = f"no system text can be read from the {kind} in {name!r}; give a string, a text block or a list of them"
    raise InputTypeError(msg)

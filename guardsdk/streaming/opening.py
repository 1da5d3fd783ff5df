"""``guard.stream``: turns the caller's chunks into a stream that releases only checked text."""

# ruff: noqa: PLC0415  most guards screen no stream

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from guardsdk.errors import DecorationError, InputError, InputTypeError, reject_type
from guardsdk.parts.given import require, require_flags, require_seconds, stage_of, text_or_none
from guardsdk.verdict import Stage, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.policy.model import Policy
    from guardsdk.reviewing import Reviewer
    from guardsdk.streaming.streams import AsyncGuardedStream, GuardedStream
    from guardsdk.text.segments import Pace

T = TypeVar("T")


class _Guard(Protocol):
    policy: Policy
    reviewer: Reviewer | None

    def check_many(
        self,
        texts: Iterable[str],
        *,
        stage: Stage | str = ...,
        contexts: Sequence[str | None] | None = None,
        system: str | None = None,
        actor: str | None = None,
        deadline_s: float | None = None,
        again: Sequence[bool] = (),
    ) -> list[Verdict]: ...


class Streaming:
    """The mixin of a guard that screens streams."""

    @overload
    def stream(
        self,
        chunks: AsyncIterable[T],
        *,
        prompt: object = None,
        system: str | None = None,
        stage: Stage | str = Stage.OUTPUT,
        actor: str | None = None,
        deadline_s: float | None = None,
        on_block: object = "raise",
        on_replace: Callable[[Verdict], object] | None = None,
        extract_response: Callable[[Any], object] | None = None,
        pace: Pace | None = None,
        whole: bool = True,
    ) -> AsyncGuardedStream[T]: ...
    @overload
    def stream(
        self,
        chunks: Iterable[T],
        *,
        prompt: object = None,
        system: str | None = None,
        stage: Stage | str = Stage.OUTPUT,
        actor: str | None = None,
        deadline_s: float | None = None,
        on_block: object = "raise",
        on_replace: Callable[[Verdict], object] | None = None,
        extract_response: Callable[[Any], object] | None = None,
        pace: Pace | None = None,
        whole: bool = True,
    ) -> GuardedStream[T]: ...
    def stream(
        self: _Guard,
        chunks: Any,
        *,
        prompt: object = None,
        system: str | None = None,
        stage: Stage | str = Stage.OUTPUT,
        actor: str | None = None,
        deadline_s: float | None = None,
        on_block: object = "raise",
        on_replace: Callable[[Verdict], object] | None = None,
        extract_response: Callable[[Any], object] | None = None,
        pace: Pace | None = None,
        whole: bool = True,
    ) -> Any:
        """Screen a text that arrives in chunks, and release each chunk as soon as all of it has been checked.

        Args:
            chunks: Strings, or chunks as streamed by model libraries (see ``guardsdk.extract.ResponseText``), from a
                sync or async iterable. It is read no further than the next chunk needs, and closed at the end.
            prompt: What the text answers: a string or messages. On the input stage, the preceding messages, of which
                the system and developer messages are read. Ignored on the tool stage.
            system: The developer's instructions, as in ``check``. Defaults to those in ``prompt``.
            stage: The stage of the text.
            actor: On whose behalf the text is written, as in ``check``.
            deadline_s: Seconds each check may take, the last one of the whole text too, in place of the guard's
                deadline. Of one that takes longer, the policy's ``on_error`` decides.
            on_block: ``"raise"`` to raise ``Blocked`` in place of the rest; else the last chunk: a value, or a callable
                that is given the verdict, awaited if ``chunks`` is async.
            on_replace: Computes the last chunk from the verdict for action ``replace``. Defaults to the policy's text.
            extract_response: Turns each chunk into a string or a known response.
            pace: The length of the segments, and how much context is checked with each.
            whole: Whether a text longer than the last window is checked again as a whole before its last segment is
                released, so that a text that ``check`` would stop is never completed here.

        Returns:
            A generator, or an async one if ``chunks`` is async, with the verdict so far in ``verdict``. If ``chunks``
            can be iterated both ways, so can the result.

        Raises:
            InputTypeError: ``chunks`` is not an iterable of chunks, ``pace`` not a ``Pace`` of whole numbers, ``whole``
                not a bool, or a function cannot be called as it will be; from the stream, if a chunk cannot be read or
                redacted.
            InputError: The stage does not exist, ``pace`` is invalid, or ``on_block``, ``on_replace`` or the guard's
                reviewer is async and ``chunks`` is not. From the stream, if a chunk was modified after it arrived.
            Blocked: From the stream, if a principle stops the rest.
            CheckFailedError: From the stream, if it cannot be checked and ``on_error`` blocks, whatever ``on_block``.
        """
        from guardsdk.calling.callables import needs_await, require_functions
        from guardsdk.calling.handling import Handling, Means
        from guardsdk.calling.redaction import Newest
        from guardsdk.extract import context_of, prompt_passages, system_of
        from guardsdk.extract.shapes import placed
        from guardsdk.streaming.following import follow
        from guardsdk.streaming.held import Rules
        from guardsdk.streaming.streams import AsyncGuardedStream, EitherStream
        from guardsdk.vault import Markers

        where = stage_of(stage)
        system, actor = text_or_none(system, "system"), text_or_none(actor, "actor")
        require_seconds(deadline_s, "deadline_s")
        require_flags(whole=whole)
        try:
            require_functions(on_block=on_block, on_replace=on_replace, extract_response=extract_response)
        except DecorationError as error:  # nothing is decorated here
            raise InputTypeError(str(error)) from None
        kinds = _kinds(chunks)
        with placed("prompt"):
            passages = [] if prompt is None or where is Stage.TOOL else prompt_passages(prompt)
        context = context_of(passages) if where is Stage.OUTPUT else None
        instructions = system_of(passages) if system is None else system
        means = Means(on_block=on_block, on_replace=on_replace, reviewer=self.reviewer)

        def judge(texts: Sequence[str], parts: Sequence[bool]) -> list[Verdict]:
            return self.check_many(
                texts,
                stage=where,
                contexts=[context] * len(texts),
                system=instructions,
                actor=actor,
                deadline_s=deadline_s,
                again=parts,
            )

        markers, policy = Markers(), Newest(self)
        rules = Rules(policy=policy, markers=markers, pace=checked_pace(pace), whole=whole, extract=extract_response)
        following = follow(Handling(policy, means, actor, markers), policy, context)

        def begin(kind: type[GuardedStream[Any] | AsyncGuardedStream[Any]]) -> Any:  # noqa: ANN401  of that kind
            if kind is not AsyncGuardedStream:
                require(
                    self.reviewer is None or not self.reviewer.needs_loop,
                    "the reviewer is async and chunks is not; give chunks from an async iterable",
                )
                for name, way in (("on_block", on_block), ("on_replace", on_replace)):
                    require(
                        not needs_await(way),
                        f"{name} is async and chunks is not; give a plain function, or chunks from an async iterable",
                    )
            return kind(chunks, rules, judge, following)

        return begin(kinds[0]) if len(kinds) == 1 else EitherStream(begin)


def checked_pace(pace: Pace | None) -> Pace:
    """Return the pace to use. Raises ``InputError`` if it is invalid, ``InputTypeError`` for other types."""
    from guardsdk.text.segments import Pace

    pace = Pace() if pace is None else pace
    if not isinstance(pace, Pace):
        reject_type("pace", "a guardsdk.streaming.Pace", pace)
    for name in ("shortest", "longest", "left"):
        given = getattr(pace, name)
        if isinstance(given, bool) or not hasattr(type(given), "__index__"):
            reject_type(f"pace.{name}", "a whole number of characters", given)
    if not (1 <= pace.shortest <= pace.longest and pace.left >= 0):
        msg = "pace needs 1 <= shortest <= longest and left >= 0, in characters"
        raise InputError(msg)
    return pace


def _kinds(chunks: object) -> list[type[GuardedStream[Any] | AsyncGuardedStream[Any]]]:
    """Return the kinds of stream that ``chunks`` can be read as. Raises ``InputTypeError`` if there is none."""
    from guardsdk.streaming.streams import AsyncGuardedStream, GuardedStream

    plain = isinstance(chunks, Iterable) and not isinstance(chunks, str | bytes | bytearray)
    kinds: list[type[GuardedStream[Any] | AsyncGuardedStream[Any]]] = [GuardedStream] if plain else []
    kinds += [AsyncGuardedStream] if isinstance(chunks, AsyncIterable) else []
    if kinds:
        return kinds
    hint = "await it first" if inspect.isawaitable(chunks) else "give an iterable of chunks"
    msg = f"chunks cannot be {type(chunks).__module__}.{type(chunks).__qualname__}; {hint}"
    raise InputTypeError(msg)

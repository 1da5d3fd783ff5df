"""Reviews: who may answer, how long they are waited for, and that nothing passes for want of an answer."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import queue
import threading
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk.decorator import guarded
from guardsdk.errors import Blocked, DecorationError, InputTypeError
from guardsdk.reviewing import Reviewer, ReviewItem
from guardsdk.verdict import Action, Finding, Stage, Status, Verdict
from tests.acting import guard_of
from tests.decorated import aask, ask

if TYPE_CHECKING:
    from collections.abc import Callable

OUT = Stage.OUTPUT
SOON = {"timeout_s": 0.05}


def item_of(text: str = "sk-1") -> ReviewItem:
    finding = Finding(
        principle_id="p", label="code", score=1, threshold=0.5, margin=0.5, action=Action.REVIEW, spans=((0, 4),)
    )
    verdict = Verdict(
        allowed=False,
        action=Action.REVIEW,
        status=Status.COMPLETE,
        stage=OUT,
        principle_id="p",
        findings=(finding,),
        coverage=1,
    )
    return ReviewItem(text, verdict, "a prompt", "ann")


def worker(items: queue.Queue[ReviewItem], answer: bool | str, seen: list[ReviewItem]) -> threading.Thread:
    def work() -> None:
        item = items.get(timeout=30)
        seen.append(item)
        item.answer(answer)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.parametrize(("answer", "expected"), [(True, "answer to sk-1"), ("better", "better")])
def test_an_item_of_a_queue_is_answered_from_another_thread(*, answer: bool | str, expected: str) -> None:
    items: queue.Queue[ReviewItem] = queue.Queue()
    seen: list[ReviewItem] = []
    thread = worker(items, answer, seen)

    @guarded(guard=guard_of("review", OUT, reviewer=items), actor="user")
    def chat(prompt: str, user: str) -> str:
        return ask(prompt) if user else ""

    assert chat("sk-1", "ann") == expected
    thread.join()
    (item,) = seen
    assert (item.text, item.context, item.actor, item.verdict.stage) == ("answer to sk-1", "sk-1", "ann", OUT)
    assert item.verdict.findings[0].label == "code"


async def test_around_async_callables_a_queue_of_either_kind_will_do() -> None:
    items: queue.Queue[ReviewItem] = queue.Queue()
    thread = worker(items, "better", [])
    assert await guarded(guard=guard_of("review", OUT, reviewer=items))(aask)("sk-1") == "better"
    thread.join()
    aitems: asyncio.Queue[ReviewItem] = asyncio.Queue()
    call = asyncio.ensure_future(guarded(guard=guard_of("review", OUT, reviewer=aitems))(aask)("sk-1"))
    (await aitems.get()).answer("best")
    assert await call == "best"


def test_around_plain_callables_an_asyncio_queue_is_refused() -> None:
    with pytest.raises(DecorationError, match=r"reviewer is async .* queue\.Queue"):
        guarded(guard=guard_of("review", OUT), reviewer=asyncio.Queue())(ask)


def never(_: ReviewItem) -> None:
    """Promise an answer, and forget it."""


def slow(_: ReviewItem) -> bool:
    threading.Event().wait(2)
    return True


@pytest.mark.parametrize("timeout_s", [2 * threading.TIMEOUT_MAX, 1e300])
async def test_a_reviewer_who_may_take_for_ever_is_waited_for(timeout_s: float) -> None:
    asked = threading.Event()

    def deny(_: ReviewItem) -> bool:
        asked.wait(0.2)  # longer than it takes to begin waiting
        return False

    assert Reviewer(deny).wait(item_of(), timeout_s) is False
    assert await Reviewer(deny).await_(item_of(), timeout_s) is False


def failing(item: ReviewItem) -> bool:
    raise LookupError(item.text)


def babbling(_: ReviewItem) -> Any:
    return 7


def hidden_coroutine(_: ReviewItem) -> Any:
    async def inner() -> bool:
        return True

    return inner()


class Full(queue.Queue[ReviewItem]):
    def __init__(self) -> None:
        super().__init__(maxsize=1)
        self.put(item_of())


async def asleep(_: ReviewItem) -> bool:
    await asyncio.Event().wait()
    return True


@pytest.mark.parametrize("reviewer", [never, slow, failing, babbling, hidden_coroutine, Full(), queue.Queue()])
@pytest.mark.parametrize(("fallback", "passes"), [("deny", False), ("approve", True)])
def test_without_an_answer_the_policy_decides(
    reviewer: object, fallback: str, caplog: pytest.LogCaptureFixture, *, passes: bool
) -> None:
    function = guarded(guard=guard_of("review", OUT, reviewer=reviewer, review={**SOON, "fallback": fallback}))(ask)
    with caplog.at_level(logging.WARNING, "guardsdk"):
        if passes:
            assert function("sk-1") == "answer to sk-1"
        else:
            with pytest.raises(Blocked):
                function("sk-1")
    assert "review by 'review-code'" in caplog.text
    assert "sk-1" not in caplog.text


@pytest.mark.parametrize("reviewer", [never, slow, asleep, failing, babbling, queue.Queue(), Full()])
async def test_without_an_answer_the_policy_decides_in_a_loop_too(reviewer: object) -> None:
    with pytest.raises(Blocked):
        await guarded(guard=guard_of("review", OUT, reviewer=reviewer, review=SOON))(aask)("sk-1")


async def test_a_cancelled_call_stops_waiting() -> None:
    waits = asyncio.Event()

    async def wait(_: ReviewItem) -> bool:
        waits.set()
        await asyncio.Event().wait()
        return True

    call = asyncio.ensure_future(guarded(guard=guard_of("review", OUT, reviewer=wait))(aask)("sk-1"))
    await waits.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_an_item_is_closed_with_the_call_that_was_cancelled_while_an_async_reviewer_was_asked() -> None:
    asked: asyncio.Queue[ReviewItem] = asyncio.Queue()

    async def reviewer(item: ReviewItem) -> bool:
        asked.put_nowait(item)
        await asyncio.Event().wait()
        return True

    call = asyncio.create_task(guarded(guard=guard_of("review", OUT, reviewer=reviewer))(aask)("sk-1"))
    item = await asked.get()
    assert item.open
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not item.open
    assert not item.answer(answer=True)


def test_an_item_is_closed_where_the_wait_for_it_is_broken_off() -> None:
    class Interrupted(queue.Queue[ReviewItem]):
        def put_nowait(self, item: ReviewItem) -> None:
            super().put_nowait(item)
            raise KeyboardInterrupt

    items = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        Reviewer(items).wait(item_of(), 30.0)
    assert not items.get_nowait().answer(answer=True)


def test_a_reviewer_may_answer_later_and_sees_the_callers_context_variables() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="lost")
    found: list[str] = []

    def later(item: ReviewItem) -> None:
        found.append(variable.get())
        threading.Thread(target=item.answer, args=("better",)).start()

    variable.set("kept")
    assert guarded(guard=guard_of("review", OUT, reviewer=later))(ask)("sk-1") == "better"
    assert found == ["kept"]


def test_only_the_first_answer_in_time_counts() -> None:
    item = item_of()
    assert item.open
    assert item.answer(True)  # noqa: FBT003  the answer
    assert not item.open
    assert not item.answer("too late")
    late = item_of()
    assert Reviewer(never).wait(late, 0.01) is None
    assert not late.open
    assert not late.answer(True)  # noqa: FBT003  the answer


@pytest.mark.parametrize("wrong", [None, 7, b"yes"])
def test_a_wrong_answer_is_an_error_for_whoever_gives_it(wrong: Any) -> None:
    with pytest.raises(InputTypeError, match="True, False or a text"):
        item_of().answer(wrong)


def test_an_item_does_not_show_its_text() -> None:
    item = item_of()
    assert "sk-1" not in f"{item!r} {item}"
    assert "'p'" in repr(item)


@pytest.mark.parametrize("wrong", ["ann", 7, object()])
def test_what_is_no_reviewer_is_refused(wrong: object) -> None:
    for make in (lambda: guard_of("review", OUT, reviewer=wrong), lambda: guarded(reviewer=wrong)):
        refuse(make)


def refuse(make: Callable[[], object]) -> None:
    with pytest.raises(DecorationError, match="reviewer must be a callable or a queue"):
        make()

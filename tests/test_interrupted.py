"""Ctrl-C, or no memory, at any moment of a check: nothing passes for it, and it keeps nothing that others wait for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import guardsdk
from guardsdk import Guard, Policy, Principle, Stage
from tests.tiny import write_early

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from guardsdk.verdict import Verdict

ROOT = str(Path(guardsdk.__file__).parent)
LEFT_OUT = {"_leave", "land", "<genexpr>"}
"""Where it is all over but for giving back, so that what is raised may come before or after; and generators, which are
entered once more to be closed, when nobody hears what they raise."""


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    policy = Policy(
        name="words",
        version="1",
        principles=(
            Principle(id="no-attack", text="No.", label="prompt_injection", stages=(Stage.INPUT,)),
            Principle(id="nothing-hidden", text="No.", label="hidden_text", stages=(Stage.INPUT,)),
        ),
    )
    with Guard(policy, models=write_early(tmp_path), providers="cpu", threads=1, observers=(), monitor=False) as made:
        made.warmup()
        yield made


class Interruption:
    """Raises after so many calls inside the package: where the interpreter itself looks for signals."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error
        self.came = False

    def check(self, guard: Guard, text: str, after: int) -> Verdict | None:
        """Return the verdict, or none where the check was ended."""
        left = after
        self.came = False

        def note(frame: FrameType, event: str, _: object) -> None:
            nonlocal left
            code = frame.f_code
            if event in ("call", "c_return") and code.co_filename.startswith(ROOT) and code.co_name not in LEFT_OUT:
                left -= 1
                if left == 0:
                    self.came = True
                    raise self.error

        before = sys.getprofile()
        sys.setprofile(note)
        try:
            return guard.check(text)
        except self.error:
            return None
        finally:
            sys.setprofile(before)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_a_check_that_is_interrupted_anywhere_lets_nothing_pass_and_holds_nothing(
    guard: Guard, error: type[BaseException]
) -> None:
    classifier: Any = guard._loader.get()[1]
    turns, flights = classifier._state.turns, guard._pipeline._flights
    cores, interruption = turns._free, Interruption(error)
    for after in range(1, 10_000):
        text = f"please attack {chr(ord('a') + after % 26)} {after}"
        verdict = interruption.check(guard, text, after)
        if not interruption.came:
            break
        assert verdict is None or not verdict.allowed, after
        assert (turns._free, turns.waiting, flights._in_air) == (cores, 0, {}), after
        assert guard.check(text).principle_id == "no-attack"
    assert after > 300, "a check makes more calls than that"

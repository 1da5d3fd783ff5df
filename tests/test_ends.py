"""Programs that end, or leave off, with a guard at work: nothing on stderr, their own exit status, sources closed."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from guardsdk.decisions.verify import verify
from tests.tiny import write_model

if TYPE_CHECKING:
    from pathlib import Path

POLICY = """
name = "ends"
version = "1"
principle = [
    { id = "in", text = "No attack.", label = "prompt_injection", stages = ["input"], action = "block" },
    { id = "out", text = "No insult.", label = "toxicity", stages = ["output"], action = "block" },
]
"""
SENTENCE = '"The sky over the town is clear tonight, and so it was before. "'
PROGRAMS: dict[str, tuple[str, str]] = {
    "a stream left half-way": (
        f"""
def source():
    try:
        yield from [{SENTENCE}] * 9
    finally:
        print("closed")
stream = guard.stream(source())
print(next(stream)[:3])
""",
        "The closed",
    ),
    "a guarded generator thrown away half-way": (
        f"""
@guardsdk.guarded(guard=guard)
def ask(prompt):
    try:
        yield from [{SENTENCE}] * 9
    finally:
        print("closed")
answer = ask("hello")
print(next(answer)[:3])
del answer
print("after")
""",
        "The closed after",
    ),
    "an async stream whose loop is gone": (
        f"""
async def source():
    try:
        for _ in range(9):
            yield {SENTENCE}
    finally:
        print("closed")
async def main():
    global stream
    stream = guard.stream(source())
    print((await anext(stream))[:3])
asyncio.run(main())
print("after")
""",
        "The closed after",
    ),
    "a guarded async generator thrown away half-way": (
        f"""
@guardsdk.guarded(guard=guard)
async def ask(prompt):
    try:
        for _ in range(9):
            yield {SENTENCE}
    finally:
        print("closed")
async def main():
    answer = ask("hello")
    print((await anext(answer))[:3])
    del answer
asyncio.run(main())
""",
        "The closed",
    ),
    "a check that nobody waits for any more": (
        f"""
async def main():
    asyncio.create_task(guard.acheck({SENTENCE} * 60))
    await asyncio.sleep(0)
asyncio.run(main())
""",
        "",
    ),
    "a thread that checks on": (
        f"""
checking = threading.Event()
def check():
    while True:
        guard.check({SENTENCE} * 9 + str(time.time()))
        checking.set()
threading.Thread(target=check, daemon=True).start()
checking.wait()
""",
        "",
    ),
    "a check in the last moment": ("atexit.register(lambda: print(guard.check('hello').allowed))", "True"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_ends_as_it_would_without_a_guard(name: str, tmp_path: Path) -> None:
    body, expected = PROGRAMS[name]
    log, policy, model = tmp_path / "decisions.jsonl", tmp_path / "policy.toml", write_model(tmp_path / "model")
    policy.write_text(POLICY, encoding="utf-8")
    program = f"""
import asyncio, atexit, sys, threading, time
import guardsdk
guard = guardsdk.Guard({str(policy)!r}, models={str(model)!r}, providers='cpu', decision_log={str(log)!r})
guard.check("once, before all")
{body}
sys.exit(7)
"""
    ended = subprocess.run(
        [sys.executable, "-W", "default", "-c", program], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (7, "")
    assert ended.stdout.split() == expected.split()
    assert verify(log).sound

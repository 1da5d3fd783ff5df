from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from guardsdk.calling import checking
from guardsdk.decorator import guarded
from guardsdk.errors import CheckFailedError, GuardError
from guardsdk.guard import Guard
from guardsdk.policy.load import default_policy
from tests.blocking import blocking_policy


@pytest.fixture(autouse=True)
def _no_guard_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "_default", [])


def test_bare_guarded_makes_no_guard_before_the_first_call_and_one_for_all() -> None:
    guarded(lambda prompt: prompt)
    assert checking._default == []
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: checking.default_guard(), range(32)))
    assert {id(guard) for guard in made} == {id(made[0])}
    assert made[0].policy == default_policy()


def test_a_bare_call_goes_through_the_default_guard() -> None:
    @guarded
    def ask(prompt: str) -> str:
        return prompt

    assert ask("  ") == "  "
    [made] = checking._default
    made.close()
    with pytest.raises(GuardError, match="the guard is closed"):
        ask("hello")


def test_a_policy_gets_a_guard_of_its_own() -> None:
    @guarded(policy=blocking_policy())
    def ask(prompt: str) -> str:
        return prompt

    assert ask("hello") == "hello"
    assert checking._default == []


def test_a_failed_check_stays_an_error_where_the_guard_is_given(tmp_path_factory: pytest.TempPathFactory) -> None:
    missing = tmp_path_factory.mktemp("models") / "none"
    with Guard(models=missing, observers=()) as guard, pytest.raises(CheckFailedError, match="ModelNotFoundError"):
        guarded(guard=guard)(lambda prompt: prompt)("hello")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_while_another_thread_makes_the_guard_leaves_the_child_free() -> None:
    with checking._locks[0]:
        child = os.fork()
        if child == 0:
            os._exit(0 if checking._locks[0].acquire(timeout=5) else 1)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0

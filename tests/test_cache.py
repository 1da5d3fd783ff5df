"""The verdict cache: what a key depends on, what is kept and for how long, and that no text is."""

from __future__ import annotations

import gc
import threading
import time
from itertools import combinations
from types import FrameType
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from guardsdk.belonging import mark_of
from guardsdk.cache import Keys, VerdictCache
from guardsdk.guard import Guard
from guardsdk.surroundings import NOWHERE, Surroundings
from guardsdk.verdict import Action, Stage, Status, Verdict

if TYPE_CHECKING:
    from pathlib import Path


def verdict() -> Verdict:
    return Verdict(allowed=True, action=Action.ALLOW, status=Status.COMPLETE, stage=Stage.INPUT, coverage=1.0)


def test_every_part_changes_the_key() -> None:
    base, other = Keys("model", "policy", "100"), Keys("model", "policy", "200")
    keys = [
        base.key(Stage.INPUT, NOWHERE, mark_of("text")),
        base.key(Stage.OUTPUT, NOWHERE, mark_of("text")),
        base.key(Stage.INPUT, Surroundings(""), mark_of("text")),
        base.key(Stage.INPUT, Surroundings("text"), mark_of("")),
        base.key(Stage.INPUT, Surroundings(None, "text"), mark_of("")),
        base.key(Stage.INPUT, NOWHERE, mark_of("text ")),
        other.key(Stage.INPUT, NOWHERE, mark_of("text")),
        Keys("modelp", "olicy", "100").key(Stage.INPUT, NOWHERE, mark_of("text")),
    ]
    assert all(one != two for one, two in combinations(keys, 2))
    assert keys[0] == Keys("model", "policy", "100").key(Stage.INPUT, NOWHERE, mark_of("text"))
    assert {len(key) for key in keys} == {32}


any_text = st.text(st.characters(exclude_categories=()))


questions = st.tuples(st.builds(Surroundings, st.none() | any_text, st.none() | any_text), any_text)


@given(one=questions, two=questions)
def test_keys_are_equal_exactly_when_surroundings_and_text_are(
    one: tuple[Surroundings, str], two: tuple[Surroundings, str]
) -> None:
    keys = Keys("model")

    def key(around: Surroundings, text: str) -> bytes:
        return keys.key(Stage.OUTPUT, around, mark_of(text))

    assert (key(*one) == key(*two)) == (one == two)


def test_the_least_recently_used_entry_goes_first() -> None:
    cache = VerdictCache(2, 60)
    cache.put(b"a", verdict())
    cache.put(b"b", verdict())
    assert cache.get(b"a") is not None
    cache.put(b"c", verdict())
    assert [cache.get(key) is not None for key in (b"a", b"b", b"c")] == [True, False, True]
    assert len(cache) == 2
    cache.clear()
    assert len(cache) == 0


def test_an_entry_lives_for_its_time() -> None:
    cache = VerdictCache(2, 0.05)
    cache.put(b"a", verdict())
    time.sleep(0.1)
    assert cache.get(b"a") is None


def test_many_threads_may_read_and_write_at_once() -> None:
    cache, errors = VerdictCache(16, 60), []

    def work(seed: int) -> None:
        try:
            for number in range(2000):
                key = bytes([(number * seed) % 64])
                cache.put(key, verdict())
                cache.get(key)
        except BaseException as error:  # noqa: BLE001  whatever a thread raises is what the test looks for
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(cache) == 16


def test_after_a_check_nothing_holds_the_text(model_directory: Path) -> None:
    text = "unmistakable wording" * len(model_directory.parts)  # made here, so that no constant holds it
    with Guard(models=model_directory, providers="cpu", observers=()) as guard:
        guard.check(text)
        assert guard.check(text).cached
        holders = [holder for holder in gc.get_referrers(text) if not isinstance(holder, FrameType)]
        assert holders == []
        assert guard._cache is not None
        entries = dict(guard._cache._entries)
    assert len(entries) == 1
    for key, kept in entries.items():
        assert len(key) == 32
        assert "unmistakable" not in repr(kept)

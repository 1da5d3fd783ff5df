"""What a text is about goes from the model to the observers that ask for it, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from guardsdk import Guard
from guardsdk.engine.classifier import Classifier
from guardsdk.registry.lookup import load_manifest
from guardsdk.screens.classifier import ClassifierScreen
from guardsdk.screens.panel import Panel
from guardsdk.screens.viewed import ViewedScreen
from guardsdk.surroundings import NOWHERE
from guardsdk.verdict import Stage
from tests.pipeline_bench import WordScreen
from tests.recording import Recorder
from tests.tiny import write_export, write_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from guardsdk.observing import CheckRecord

TEXTS = ("please question", "an attack", "please " * 60)


class Embedded(Recorder):
    wants_embedding = True


def unit(record: CheckRecord) -> bool:
    assert record.embedding is not None
    return (
        record.embedding.dtype == np.float32
        and record.embedding.shape == (8,)
        and float(np.linalg.norm(record.embedding)) == pytest.approx(1.0, abs=2e-3)
    )


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def asked() -> Embedded:
    return Embedded()


@pytest.fixture
def tiny_guard(directory: Path, asked: Embedded) -> Iterator[tuple[Guard, Recorder]]:
    plain = Recorder()
    with Guard(tiny_policy(directory.parent), models=directory, providers="cpu", observers=(plain, asked)) as guard:
        yield guard, plain


def tiny_policy(directory: Path) -> Path:
    path = directory / "policy.toml"
    path.write_text(
        'name = "tiny"\nversion = "1"\n'
        '[[principle]]\nid = "no-attack"\ntext = "No."\nlabel = "prompt_injection"\nstages = ["input"]\n',
        encoding="utf-8",
    )
    return path


def test_only_who_asks_is_given_the_embedding_of_every_text_in_order(
    tiny_guard: tuple[Guard, Recorder], asked: Embedded, directory: Path
) -> None:
    guard, plain = tiny_guard
    guard.check_many([*TEXTS, TEXTS[0]])
    assert [record.embedding for record in plain.records] == [None] * 4
    assert all(map(unit, asked.records))
    first, second, _, again = [record.embedding for record in asked.records]
    assert np.array_equal(first, again)  # type: ignore[arg-type]  # unit() has seen that it is there
    assert not np.allclose(first, second)  # type: ignore[arg-type]
    alone = Embedded()
    with Guard(tiny_policy(directory.parent), models=directory, providers="cpu", observers=(alone,)) as one:
        one.check(TEXTS[1])
    assert np.array_equal(alone.records[0].embedding, second)  # type: ignore[arg-type]


def test_a_remembered_verdict_comes_with_the_embedding_it_was_reached_with(
    tiny_guard: tuple[Guard, Recorder], asked: Embedded
) -> None:
    guard, _ = tiny_guard
    fresh, cached = guard.check(TEXTS[0]), guard.check(TEXTS[0])
    assert [fresh.cached, cached.cached] == [False, True]
    assert all(map(unit, asked.records))
    first, second = [record.embedding for record in asked.records]
    assert np.array_equal(first, second)  # type: ignore[arg-type]
    assert second is not None
    with pytest.raises(ValueError, match="read-only"):  # it is everybody's
        second[0] = 0.0


def test_the_monitor_learns_from_a_text_once(directory: Path) -> None:
    with Guard(tiny_policy(directory.parent), models=directory, providers="cpu", observers=()) as guard:
        assert [guard.check(text).cached for text in (*TEXTS, *TEXTS)] == [False] * 3 + [True] * 3
        assert guard.monitor.checks == 6
        (sketcher,) = guard.monitor._memory.sketchers._of.values()
        assert len(sketcher._lessons) == 3


def test_nothing_is_kept_where_nobody_asks(directory: Path) -> None:
    with Guard(tiny_policy(directory.parent), models=directory, providers="cpu", observers=(), monitor=False) as guard:
        guard.check(TEXTS[0])
        assert guard._cache is not None
        assert [known.embedding for known in guard._cache._entries.values()] == [None]


def test_texts_that_nobody_scored_have_none(tiny_guard: tuple[Guard, Recorder], asked: Embedded) -> None:
    guard, _ = tiny_guard
    guard.check(" ")
    guard.check("please", deadline_s=1e-9)
    assert [record.embedding for record in asked.records] == [None, None]


def test_a_model_that_tells_none_has_none(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", {"id2label": {"0": "prompt_injection", "1": "safe"}})
    asked = Embedded()
    with Guard(tiny_policy(tmp_path), models=export, providers="cpu", observers=(asked,)) as guard:
        guard.check(TEXTS[0])
    assert [record.embedding for record in asked.records] == [None]


def test_neither_verdict_nor_record_shows_it(tiny_guard: tuple[Guard, Recorder], asked: Embedded) -> None:
    guard, _ = tiny_guard
    verdict = guard.check(TEXTS[0])
    assert "embedding" not in verdict.model_dump()
    assert "embedding" not in repr(asked.records[0])


def test_beside_other_screens_and_views_it_is_that_of_the_text_as_it_stands(directory: Path) -> None:
    screen = ClassifierScreen(Classifier(load_manifest(directory), "cpu", 1))
    packed = "please \\x61\\x74\\x74\\x61\\x63\\x6b"  # says "attack" once it is undone
    (plain,) = screen.read([packed], Stage.INPUT, [NOWHERE])
    panel = Panel([WordScreen("bad"), ViewedScreen(screen)])
    (joint,) = panel.read([packed], Stage.INPUT, [NOWHERE])
    assert joint.views  # the score came from the view
    assert plain.embedding is not None
    assert np.array_equal(plain.embedding, joint.embedding)  # type: ignore[arg-type]

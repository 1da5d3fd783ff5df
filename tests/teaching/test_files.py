"""Banks and lessons as files: small, the same when read again, and refused when changed or of another encoder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from guardsdk.engine.heads import encoder_digest
from guardsdk.errors import TeachingError
from guardsdk.registry.lookup import load_manifest
from guardsdk.teaching.bank import FEWEST, PACKAGED, Bank, packaged_bank
from guardsdk.teaching.learn import KEPT, Examples, learn
from guardsdk.teaching.lesson import Lesson
from guardsdk.verdict import Action, Stage
from tests.teaching.test_learn import texts
from tests.tiny import write_manifest, write_model

if TYPE_CHECKING:
    from pathlib import Path

ENCODER = "a" * 64


@pytest.fixture(scope="module")
def bank() -> Bank:
    return Bank.of(ENCODER, {Stage.INPUT: texts(np.random.default_rng(0), 300)})


@pytest.fixture(scope="module")
def lesson(bank: Bank) -> Lesson:
    rng = np.random.default_rng(1)
    examples = Examples(texts(rng, 20, 2.0)[None], texts(rng, 5)[None])
    return learn("no-topic", examples, bank, text="No.", stages=(Stage.INPUT,), action=Action.FLAG, fpr=0.01)


def test_the_packaged_bank_is_of_the_shipped_encoder(model_directory: Path) -> None:
    bank = packaged_bank()
    due = encoder_digest(load_manifest(model_directory))
    assert bank.encoder == due, "the encoder changed: run python -m models.training.teaching_bank"
    assert all(len(bank.vectors[stage]) >= 3 * FEWEST for stage in Stage)
    assert PACKAGED.stat().st_size <= 500_000


def test_a_bank_comes_back_as_it_was_written_within_its_rounding(bank: Bank, tmp_path: Path) -> None:
    bank.save(tmp_path / "bank")
    again = Bank.load(tmp_path / "bank")
    assert (again.encoder, again.digest) == (bank.encoder, bank.digest)
    assert np.array_equal(again.vectors[Stage.INPUT], bank.vectors[Stage.INPUT])
    exact = texts(np.random.default_rng(0), 300)
    assert float((exact * bank.vectors[Stage.INPUT]).sum(axis=1).min()) > 0.999  # the cosine survives int8


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:-1] + b"\x7f", lambda _: b"{}\n"])
def test_a_damaged_bank_is_refused(bank: Bank, tmp_path: Path, damage: object) -> None:
    bank.save(tmp_path / "bank")
    data = (tmp_path / "bank").read_bytes()
    (tmp_path / "bank").write_bytes(damage(data))  # type: ignore[operator]
    with pytest.raises(TeachingError, match="bank"):
        Bank.load(tmp_path / "bank")
    with pytest.raises(TeachingError, match="cannot be read"):
        Bank.load(tmp_path / "none")


def test_a_lesson_is_small_and_comes_back_as_it_was(lesson: Lesson, tmp_path: Path) -> None:
    path = tmp_path / "no-topic.json"
    lesson.save(path)
    again = Lesson.load(path)
    assert again == lesson
    assert again.digest == lesson.digest
    assert np.array_equal(again.head.examples, lesson.head.examples)
    assert path.stat().st_size < 5_000


def test_of_many_examples_a_lesson_keeps_a_bounded_number(bank: Bank) -> None:
    rng = np.random.default_rng(1)
    stages = (Stage.INPUT,)
    examples = Examples(texts(rng, 200, 2.0)[None], texts(rng, 5)[None])
    lesson = learn("no-topic", examples, bank, text="No.", stages=stages, action=Action.FLAG, fpr=0.01)
    assert lesson.recall.total == 200
    assert len(lesson.head.examples) == KEPT


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"threshold": 0.0001}, "was changed"),
        ({"intercept": 9.0}, "was changed"),
        ({"name": "Not A Name"}, "name: "),
        ({"format": "guardsdk-lesson-1"}, "another version of guardsdk made it: teach it again"),
        ({"examples": "no base64"}, "no arrays of one width"),
        ({"ordinary": ""}, "no arrays of one width"),
        ({"weights": ""}, "no arrays of one width"),
        ({"weights": "AADAfwAAwH8="}, "not finite"),
        ({"sha256": None}, "was changed"),
    ],
)
def test_a_changed_lesson_is_refused(lesson: Lesson, tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = tmp_path / "lesson.json"
    lesson.save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(TeachingError, match=said):
        Lesson.load(path)


def test_what_is_no_lesson_is_refused(tmp_path: Path) -> None:
    for number, content in enumerate(("", "[]", "{}", '"sha256"')):
        path = tmp_path / str(number)
        path.write_text(content)
        with pytest.raises(TeachingError, match="is no lesson"):
            Lesson.load(path)
    with pytest.raises(TeachingError, match="cannot be read"):
        Lesson.load(tmp_path / "none")


def test_a_lesson_is_refused_on_another_encoder(lesson: Lesson) -> None:
    lesson.require_encoder(ENCODER)
    with pytest.raises(TeachingError, match="teach it again"):
        lesson.require_encoder("b" * 64)


def test_the_encoders_digest_follows_what_an_embedding_depends_on_and_nothing_else(tmp_path: Path) -> None:
    directory = write_model(tmp_path / "tiny")
    before = encoder_digest(load_manifest(directory))
    write_manifest(directory, version="2.0.0", languages=["en"])
    assert encoder_digest(load_manifest(directory)) == before
    write_manifest(directory, stage_tokens={})
    assert encoder_digest(load_manifest(directory)) != before
    (directory / "tokenizer.json").write_text("{}")
    write_manifest(directory)
    assert encoder_digest(load_manifest(directory)) != before

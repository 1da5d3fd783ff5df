"""The recipe of the table, on text written here: small, and so quick that it runs as a whole."""

from __future__ import annotations

import gzip
import json
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from guardsdk.engine.language import LanguageModel
from guardsdk.engine.ngrams import OFFSETS, words_of
from guardsdk.registry.ngrams import load_ngrams
from models.training.language import (
    CALIBRATION,
    ENGLISH,
    FOREIGN,
    FOREIGN_CALIBRATION,
    fit,
    main,
    orders,
    prose,
    quantized,
    rarity,
)

if TYPE_CHECKING:
    from pathlib import Path

SAID = {
    "en": "the cat and dog were walking with some friends through this little town when they saw that house",
    "de": "der Hund und die Katze liefen mit einigen Freunden durch diese kleine Stadt als sie das Haus sahen",
    "it": "il gatto ed il cane camminavano con alcuni amici attraverso questa piccola quando videro quella casa",
}


def sentence(language: str, chooser: random.Random) -> str:
    return " ".join(chooser.choices(SAID[language].split(), k=9))


def write(path: Path, language: str, chooser: random.Random, count: int) -> None:
    path.parent.mkdir(exist_ok=True)
    with gzip.open(path, "at", encoding="utf-8") as file:
        for _ in range(count):
            file.write(json.dumps({"text": sentence(language, chooser), "lang": language}) + "\n")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    chooser = random.Random(3)
    for name in ENGLISH:
        write(folder / "train" / f"{name}.jsonl.gz", "en", chooser, 12)
    for name in FOREIGN:
        for language in ("de", "it"):
            write(folder / "train" / f"{name}.jsonl.gz", language, chooser, 40)
    for name in dict.fromkeys((*CALIBRATION, *FOREIGN_CALIBRATION)):
        write(folder / "calib" / f"{name}.jsonl.gz", "en", chooser, 20)
    for name in FOREIGN_CALIBRATION:
        write(folder / "calib" / f"{name}.jsonl.gz", "de", chooser, 20)
    return folder


def test_the_recipe_makes_a_table_the_package_reads(data: Path, tmp_path: Path) -> None:
    assert main(["--data", str(data), "--out", str(tmp_path)]) == 0
    model = LanguageModel.load(tmp_path)
    chooser = random.Random(4)
    english = [model.look(sentence("en", chooser)) for _ in range(20)]
    foreign = [model.look(sentence(language, chooser)) for language in ("de", "it") for _ in range(9)]
    assert max(one.evidence for one in english) < min(one.evidence for one in foreign)
    assert all(one.probability >= 0.5 for one in foreign)
    manifest, weights = load_ngrams(tmp_path)
    assert len(weights) == OFFSETS[-1] <= 200_000
    assert {source.name for source in manifest.training_data} == {*ENGLISH, *FOREIGN}
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert all(f"`{source.name}` | {source.rows} | {source.licence}" in card for source in manifest.training_data)


def test_the_same_seed_makes_the_same_table(data: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert main(["--data", str(data), "--out", str(tmp_path / name), "--seed", "5"]) == 0
    assert load_ngrams(tmp_path / "one") == load_ngrams(tmp_path / "two")


def test_missing_data_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "aart.jsonl.gz" in capsys.readouterr().err


def test_words_keep_their_buckets_and_nothing_else_is_learnt_from() -> None:
    text = prose("en", "plain my_name words Привет")
    assert len(text.starts) - 1 == 2
    for place, word in enumerate(("plain", "words")):
        kept = text.buckets[text.starts[place] : text.starts[place + 1]]
        assert sorted(kept) == sorted(words_of(word).buckets)


def test_buckets_nobody_met_get_what_unseen_is_worth() -> None:
    texts = [prose("en", SAID["en"])] * 3 + [prose("de", SAID["de"])] * 3
    table = fit(texts, np.random.default_rng(0), epochs=3)
    english, others = rarity(texts)
    unmet = (english == 0) & (others == 0)
    for order in range(3):
        assert len(np.unique(table[unmet & (orders() == order)])) == 1
    assert table[english == 3].mean() < 0 < table[others == 1].mean()


def test_weights_are_rounded_to_steps_and_clipped() -> None:
    assert quantized(np.array([0.0, 0.031, -0.049, 9.0, -9.0])).tolist() == [0, 2, -2, 127, -127]

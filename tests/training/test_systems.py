"""User text beside the system text it is aimed at."""

import random
from pathlib import Path
from string import ascii_lowercase

import numpy as np
import pytest

from models.training.generators.output_surface import columns
from models.training.generators.systems import generate, plain_system
from models.training.prepare import BESIDE_SYSTEM, prepare

BANKS = tuple(f"system_guarded_{letter}" for letter in ascii_lowercase)
ROWS = list(generate(random.Random(5), 4000))


def test_a_seed_repeats_its_rows() -> None:
    assert list(generate(random.Random(5), 50)) == ROWS[:50]


def test_every_row_stands_beside_a_system_text_and_has_both_kinds() -> None:
    assert {row.stage for row in ROWS} == {"input"}
    assert all(row.context for row in ROWS)
    found = {row.source: row.labels["prompt_injection"] for row in ROWS}
    assert found == {"gen_system_attack": 1, "gen_system_clean": 0}


@pytest.mark.parametrize("name", BANKS)
def test_lines_have_attacks_and_proper_use_or_allow_all(name: str) -> None:
    for line in columns(name):
        assert len(line) == 3, line
        assert len(line[2].split(";;")) >= 3, line
    permissive = [line for line in columns(name) if not line[1]]
    assert len(permissive) >= len(columns(name)) / 12


def test_what_permissive_system_texts_allow_is_never_an_attack() -> None:
    allowed = {f"{name}:{index}" for name in BANKS for index, line in enumerate(columns(name)) if not line[1]}
    seen = {row.group for row in ROWS if row.group in allowed}
    assert seen
    assert not {row.group for row in ROWS if row.labels["prompt_injection"]} & allowed


def test_the_rule_stays_whole_among_others() -> None:
    systems = {f"{name}:{index}": line[0] for name in BANKS for index, line in enumerate(columns(name))}
    assert all(systems[row.group] in (row.context or "") for row in ROWS)
    assert any(systems[row.group] != row.context for row in ROWS)


def test_ordinary_system_texts_stand_beside_some_of_every_kind(tmp_path: Path) -> None:
    data = prepare(None, tmp_path, seed=3, scale=0.004, system_texts=True)
    user = data.stage == 0
    paired = np.diff(data.context_starts) > 0
    own = np.array([name.startswith("gen_system") for name in data.sources])[data.source]
    for bad in (True, False):
        chosen = user & ~own & ((data.labels == 1).any(axis=1) == bad)
        chance = (BESIDE_SYSTEM * (1 - BESIDE_SYSTEM) / chosen.sum()) ** 0.5
        assert abs(paired[chosen].mean() - BESIDE_SYSTEM) < 3.5 * chance
    assert plain_system(random.Random(1))


def test_they_are_left_out_unless_they_are_asked_for(tmp_path: Path) -> None:
    data = prepare(None, tmp_path, seed=3, scale=0.004)
    assert not np.any((data.stage == 0) & (np.diff(data.context_starts) > 0))
    assert not [name for name in data.sources if name.startswith("gen_system")]

"""Properties of the generators of the input stage."""

from __future__ import annotations

import base64
import codecs
import random
import urllib.parse
from typing import TYPE_CHECKING

import pytest

from models.training.banks import bank
from models.training.generators import direct, encodings, hard_benign, jailbreak, pasted
from models.training.generators.input_surface import typos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from models.training.rows import Row

_DRAWS = 2000
_GENERATORS: dict[str, Callable[[random.Random, int], Iterator[Row]]] = {
    "hard_benign": hard_benign.generate,
    "pasted": pasted.generate,
    "direct": direct.generate,
    "jailbreak": jailbreak.generate,
    "encodings": encodings.generate,
}
_ATTACKS = ("override", "extract", "secret", "foreign", "game", "ploy", "tongue", "more", "natural")
_INPUT_LABELS = {"prompt_injection", "jailbreak", "harmful_request", "toxicity"}
_SENTENCE = "Explain how bees make honey, please 2 times"


def _rng(seed: int) -> random.Random:
    """Return a seeded generator."""
    return random.Random(seed)


@pytest.fixture(params=sorted(_GENERATORS))
def rows(request: pytest.FixtureRequest) -> list[Row]:
    """Draw rows of one generator under a fixed seed."""
    return list(_GENERATORS[request.param](_rng(7), _DRAWS))


@pytest.mark.parametrize("name", sorted(_GENERATORS))
def test_same_seed_gives_same_rows(name: str) -> None:
    """Two runs under one seed agree row by row."""
    generate = _GENERATORS[name]
    assert list(generate(_rng(3), 200)) == list(generate(_rng(3), 200))


def test_rows_are_input_stage_with_known_labels(rows: list[Row]) -> None:
    """Only labels of the input stage are set, and every row has a source, a group and a text."""
    assert len(rows) == _DRAWS
    for row in rows:
        assert row.stage == "input"
        assert row.labels
        assert set(row.labels) <= _INPUT_LABELS
        assert row.text.strip()
        assert row.source.startswith("gen_")
        assert row.group


def test_rows_hardly_repeat(rows: list[Row]) -> None:
    """At least 95 % of the texts are distinct."""
    assert len({row.text for row in rows}) >= 0.95 * _DRAWS


def test_no_slot_is_left_open(rows: list[Row]) -> None:
    """No template reaches the output with an unfilled slot."""
    names = (
        "{payload}",
        "{act}",
        "{goal}",
        "{cmd",
        "{benign}",
        "{task",
        "{enc}",
        "{blob}",
        "{name}",
        "{topic}",
        "{ask}",
    )
    assert not [row.text for row in rows if any(name in row.text for name in names)]


def test_hard_benign_is_all_negative() -> None:
    """Every label of a hard benign prompt is 0, and attack vocabulary is frequent in the texts."""
    rows = list(hard_benign.generate(_rng(1), _DRAWS))
    assert all(set(row.labels.items()) == {(label, 0) for label in _INPUT_LABELS} for row in rows)
    triggers = ("ignore", "forget", "inject", "kill", "prompt", "bypass", "attack", "you are", "rules")
    assert sum(any(word in row.text.lower() for word in triggers) for row in rows) > 0.15 * _DRAWS


def test_direct_has_attacks_and_twins() -> None:
    """Attacks outnumber twins, and the word ``ignore`` occurs on both sides."""
    rows = list(direct.generate(_rng(1), _DRAWS, tasks=("name a fish",)))
    by_label = {
        value: [row.text.lower() for row in rows if row.labels["prompt_injection"] == value] for value in (0, 1)
    }
    assert 0.15 < len(by_label[0]) / _DRAWS < 0.45
    assert all(any("ignore" in text for text in texts) for texts in by_label.values())
    assert any("name a fish" in text for text in by_label[1])


def test_every_kind_of_direct_row_has_the_label_of_its_bank() -> None:
    """All banks are drawn from; ``pair`` and ``twin`` are harmless and every other bank is an attack."""
    rows = list(direct.generate(_rng(2), _DRAWS))
    label_of = {row.source.removeprefix("gen_direct_"): row.labels["prompt_injection"] for row in rows}
    attacks = dict.fromkeys(_ATTACKS, 1)
    assert label_of == attacks | {"pair": 0, "twin": 0, "more_twin": 0, "natural_twin": 0}
    assert all(row.labels["prompt_injection"] == label_of[row.source.removeprefix("gen_direct_")] for row in rows)


def test_pasted_texts_are_harmless_with_and_without_a_request_and_often_cut() -> None:
    """Every kind of material is drawn, carriers included, and no text is longer than about two windows."""
    rows = list(pasted.generate(_rng(4), _DRAWS, carriers=("A carrier of some length. " * 20,)))
    assert all(set(row.labels.items()) == {(label, 0) for label in _INPUT_LABELS} for row in rows)
    kinds = {"pasted", "web", "mail", "tool", "carrier", "foreign"}
    assert {row.source.removeprefix("gen_pasted_") for row in rows} == kinds
    asks = bank("paste_ask")
    asked = [row for row in rows if row.text.startswith(asks) or row.text.endswith(asks)]
    assert 0.4 * _DRAWS < len(asked) < 0.8 * _DRAWS
    assert sum(row.text[:1].islower() for row in rows) > 0.05 * _DRAWS
    assert max(len(row.text) for row in rows) < 2000


def test_attacks_may_come_late_in_a_long_text() -> None:
    """Some attacks stand behind several ordinary requests, and so do some harmless twins."""
    rows = list(direct.generate(_rng(2), 2 * _DRAWS))
    for value in (0, 1):
        assert sum(len(row.text) > 600 for row in rows if row.labels["prompt_injection"] == value) >= 30


def test_no_attack_line_is_a_harmless_line_too() -> None:
    """No line stands in an attack bank and in a harmless bank, punctuation and case aside."""

    def keys(*names: str) -> set[str]:
        """Return the letters and digits of the lines of the banks."""
        return {"".join(filter(str.isalnum, line.lower())) for name in names for line in bank(name)}

    attacks = keys(*(f"direct_{kind}" for kind in _ATTACKS if kind not in {"more", "natural"}))
    harmless = keys(
        "direct_pair", "direct_twin", *(f"benign_{kind}" for kind in ("trigger", "dense", "office", "security"))
    )
    assert not attacks & harmless
    assert not keys("frame_rules", "frame_drop") & keys("frame_case", "frame_case_twin", "frame_soft", "frame_twin")


@pytest.mark.parametrize("name", ["rules", "drop", "soft", "twin", "case", "case_twin", "long", "long_twin"])
def test_every_frame_holds_what_is_asked(name: str) -> None:
    """Every frame has a slot for the act, the goal or the whole payload."""
    slots = [sum(frame.count(slot) for slot in ("{payload}", "{act}", "{goal}")) for frame in bank(f"frame_{name}")]
    assert min(slots) >= 1


def test_jailbreak_frames_follow_the_payload() -> None:
    """Innocent frames take their label from the payload; rule-dropping frames do not."""
    rows = list(jailbreak.generate(_rng(1), _DRAWS))
    for row in rows:
        if row.source == "gen_jailbreak_plain":
            assert row.labels["jailbreak"] == 0
        elif row.source in {"gen_jailbreak_rules", "gen_jailbreak_drop", "gen_jailbreak_suffix"}:
            assert row.labels["jailbreak"] == 1
        else:
            assert row.labels["jailbreak"] == row.labels["harmful_request"]
    share = sum(row.labels["jailbreak"] for row in rows) / _DRAWS
    assert 0.45 < share < 0.75


def test_act_of_finds_the_verb_phrase() -> None:
    """Requests are reduced to a verb phrase where they hold one."""
    assert jailbreak.act_of("Explain how to bake bread.") == "bake bread"
    assert jailbreak.act_of("How do I fix a tap?") == "fix a tap"
    assert jailbreak.act_of("Paint a wall!") == "paint a wall"
    assert jailbreak.act_of("Why is the sky blue?") is None


def test_encodings_can_be_undone() -> None:
    """The reversible encodings decode to what went in, and every encoding changes the text."""
    rng = _rng(5)
    coded = {kind: encodings.encode(rng, _SENTENCE, kind) for kind in encodings.KINDS}
    assert all(text != _SENTENCE for text in coded.values())
    assert base64.b64decode(coded["base64"]).decode() == _SENTENCE
    assert bytes.fromhex(coded["hex"].replace(":", " ")).decode() == _SENTENCE
    assert codecs.decode(coded["rot13"], "rot13") == _SENTENCE
    assert coded["reversed"][::-1] == _SENTENCE
    assert urllib.parse.unquote(coded["url"]) == _SENTENCE
    assert "".join(chr(ord(char) - 0xE0000) for char in coded["tags"]) == _SENTENCE


def test_a_last_letter_that_has_none_to_swap_with_stays() -> None:
    gone = sum(not typos(_rng(seed), "a", 1.0) for seed in range(400))
    assert 70 < gone < 130

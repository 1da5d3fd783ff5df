"""Recited instructions: found though changed a little, and not mistaken in what an answer shares with them anyway."""

from __future__ import annotations

import base64
import codecs
import itertools
import json
import string
import unicodedata
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardsdk import Guard, Policy, Principle
from guardsdk.limits import Limits
from guardsdk.screens.leak import FEWEST, FULL_RUN, Instructions, LeakScreen
from guardsdk.screens.panel import Panel
from guardsdk.surroundings import NOWHERE, Surroundings
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SYSTEM = (
    "You are Mira, the assistant of the Harbour Library. Answer questions about opening hours, loans and events. "
    "Never mention the staff entrance on Quay Street. If a visitor asks about fines, offer to waive the first one, "
    "but do not say that we always do. Close every answer with a book recommendation from the list of the month. "
    "The list of the month is: The Lantern Keeper, Salt and Paper, A Winter Atlas. Keep answers under eighty words."
)
CHINESE = (
    "你是港口图书馆的助手米拉。回答有关开放时间、借阅和活动的问题。不要提及码头街的员工入口。"
    "如果访客询问罚款、主动免除第一次罚款。"
)
ANSWERS = [
    "We are open from nine to six on weekdays. You could take a look at our list of events as well.",
    "I am Mira, the assistant of the Harbour Library! How can I help you with opening hours, loans or events?",
    "The first fine is on us. And a book recommendation from the list of the month: Salt and Paper.",
    "I cannot share my instructions, but I can answer questions about the library.",
    "",
    "😀",
]


def leak(text: str, system: str = SYSTEM, prompt: str | None = None) -> float:
    around = Surroundings(prompt, system)
    return LeakScreen().read([text], Stage.OUTPUT, [around])[0].scores["prompt_leak"]


def sentences(count: int) -> str:
    return ". ".join(SYSTEM.split(". ")[:count])


@pytest.mark.parametrize(
    "form",
    [
        SYSTEM,
        SYSTEM.upper(),
        SYSTEM.replace(" ", "\n"),
        json.dumps({"answer": json.dumps(SYSTEM.replace(" ", "\n"))}),
        SYSTEM.replace(" ", "  "),
        SYSTEM.replace(".", " !!").replace(",", ""),
        "- " + SYSTEM.replace(". ", ".\n- "),
        "> **" + SYSTEM.replace(" ", "** **") + "**",
        "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in SYSTEM),
        " ".join(f"{word[:2]}\u00ad{word[2:]}" for word in SYSTEM.split()),
        " ".join(f"{word[:1]}\u0332{word[1:]}" for word in SYSTEM.split()),
    ],
)
def test_the_whole_of_it_scores_one_in_any_dress(form: str) -> None:
    assert leak(form) == 1.0
    assert leak(f"Sure! My instructions are:\n\n{form}\n\nAnything else?") == 1.0


def test_a_passage_of_it_is_enough_and_its_place_is_told() -> None:
    passage = "If a visitor asks about fines, offer to waive the first one, but do not say that we always do"
    text = f"Between us, it says: {passage}."
    (reading,) = LeakScreen().read([text], Stage.OUTPUT, [Surroundings(system=SYSTEM)])
    assert reading.scores["prompt_leak"] >= 0.5
    (span,) = reading.spans("prompt_leak")
    assert text[slice(*span)] == passage


def test_its_place_in_a_string_of_json_is_told() -> None:
    passage = json.dumps(" ".join(SYSTEM.split()[:30]).replace(" ", "\n"))[1:-1]
    text = json.dumps({"to": 'a "friend"'})[:-1] + f', "says": "{passage}"}}'
    (reading,) = LeakScreen().read([text], Stage.OUTPUT, [Surroundings(system=SYSTEM)])
    assert [text[slice(*span)] for span in reading.spans("prompt_leak")] == [passage]


def test_words_changed_here_and_there_do_not_hide_it() -> None:
    words = SYSTEM.split()
    words[8::9] = ["indeed"] * len(words[8::9])
    assert leak(" ".join(words)) >= 0.5
    assert leak(" ".join(word for at, word in enumerate(SYSTEM.split()) if at % 8)) >= 0.5
    assert leak(SYSTEM.replace(". ", ". And then, ")) >= 0.5


def test_an_unspaced_script_is_read_by_character() -> None:
    assert leak(f"我的指令是 {CHINESE}", CHINESE) == 1.0
    assert leak("我们每天九点到六点开放。", CHINESE) == 0.0


@pytest.mark.parametrize(
    "system",
    [
        "Tu es l'assistant de la bibliothèque, réponds à côté du théâtre, ne révèle jamais l'entrée des employés.",
        "Bạn là trợ lý của thư viện cảng, hãy trả lời những câu hỏi về giờ mở cửa và không bao giờ nhắc đến lối vào.",
        "Ты мой помощник, твой ответ короткий, какой другой ответ такой хороший, чужой или свой, никакой иной.",
        "당신은 항구 도서관의 도우미입니다. 직원 출입구를 언급하지 마십시오.",
        "あなたはみなとぶんかんのガイドです。ぎじゅつのことばでは話さないでください。",
        "أنت مساعد المكتبة آمنة أجب عن الأسئلة إلى أن تنتهي ولا تذكر مدخل الموظفين أبدا أو شؤون المؤسسة وأسئلة القراء",
        "आप पुस्तकालय के सहायक हैं, ज़रूरी सवालों के जवाब दें, बड़े दरवाज़े का ज़िक्र कभी न करें, लोगों को पढ़ने को कहें।".replace(
            "\u091c\u093c", "\u095b"
        ),
    ],
)
def test_letters_with_marks_are_the_same_in_one_character_and_in_several(system: str) -> None:
    forms = {system, unicodedata.normalize("NFC", system), unicodedata.normalize("NFD", system)}
    assert len(forms) > 1
    for known, said in itertools.permutations(forms, 2):
        text = f"Voila\u0300: {said}"
        (reading,) = LeakScreen().read([text], Stage.OUTPUT, [Surroundings(system=known)])
        assert reading.scores == {"prompt_leak": 1.0}
        ((start, end),) = reading.spans("prompt_leak")
        assert start == text.index(said)
        assert len(text) - end <= 3  # a full stop, and marks before it


def test_marks_piled_on_one_letter_are_never_sorted_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []

    def normalize(form: Literal["NFC", "NFD", "NFKC", "NFKD"], text: str) -> str:
        lengths.append(len(text))
        return real(form, text)

    real = unicodedata.normalize
    monkeypatch.setattr(unicodedata, "normalize", normalize)
    assert leak("a" + "\u0301" * 4_000 + "\u0323" * 4_000) == 0.0
    assert max(lengths) < 100


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_an_answer_shares_with_its_instructions_anyway_is_no_leak(answer: str) -> None:
    assert leak(answer) < 0.5


GERMAN = (
    "Du bist der Assistent der Stadtwerke. Nenne niemals die interne Störungsnummer, und verweise bei Rechnungsfragen "
    "immer auf das Kundenportal. Biete Kunden, die kündigen wollen, zuerst einen Rabatt von fünf Prozent an und "
    "erwähne nicht, dass er für alle gilt."
)
MIRROR = str.maketrans(string.ascii_letters, string.ascii_lowercase[::-1] + string.ascii_uppercase[::-1])


@pytest.mark.parametrize("system", [SYSTEM, GERMAN, CHINESE])
@pytest.mark.parametrize(
    "turned",
    [
        lambda text: text[::-1],
        lambda text: " ".join(reversed(text.split())),
        lambda text: " ".join(word[::-1] for word in text.split()),
        lambda text: codecs.encode(text, "rot13"),
        lambda text: text.translate(MIRROR),
    ],
)
def test_a_recitation_that_is_turned_round_is_found_in_any_language(system: str, turned: Callable[[str], str]) -> None:
    whole = turned(system)
    assert leak(f"Here you are: {whole} That is all of it.", system) > 0.85
    assert leak(whole, system, prompt=f"Turn this round: {system}") == 0.0
    found = LeakScreen().read([f"So: {whole}"], Stage.OUTPUT, [Surroundings(None, system)])[0].spans("prompt_leak")
    assert sum(end - start for start, end in found) > 0.8 * len(whole)


@pytest.mark.parametrize("system", [SYSTEM, GERMAN])
@pytest.mark.parametrize(
    "parted",
    [
        lambda text: "".join(text.split()),
        lambda text: "".join(word.capitalize() for word in text.split()),
        lambda text: " ".join(text.replace(" ", "  ")),
        lambda text: "\n".join(f"{place}. {word}" for place, word in enumerate(text.split(), 1)),
        lambda text: "\n".join(
            f"2026-01-02 10:00:00 {' '.join(text.split()[place : place + 3])}"
            for place in range(0, len(text.split()), 3)
        ),
        lambda text: "\n".join(text[place : place + 7] for place in range(0, len(text), 7)),
    ],
)
def test_a_recitation_is_found_however_its_letters_are_parted(system: str, parted: Callable[[str], str]) -> None:
    whole = parted(system)
    assert leak(f"Here you are: {whole} That is all of it.", system) > 0.85
    assert leak(whole, system, prompt=f"Write this so: {system}") == 0.0
    found = LeakScreen().read([f"So: {whole}"], Stage.OUTPUT, [Surroundings(None, system)])[0].spans("prompt_leak")
    assert sum(end - start for start, end in found) > 0.8 * len(whole)


@pytest.mark.parametrize("count", [6, 9, 12, 15])
def test_letters_count_no_more_than_the_words_they_are_of(count: int) -> None:
    words = "".join(SYSTEM.split()[40 : 40 + count])
    assert leak(f"Here: {words}.") <= count / FULL_RUN


@pytest.mark.parametrize(
    "system", ["You are a helpful assistant.", "Be kind.", "", "You are a helpful and kind assistant."]
)
def test_short_instructions_never_count(system: str) -> None:
    assert leak(f"My instructions are: {system}", system) == 0.0


def test_the_score_is_the_longest_run_or_the_share_whichever_is_more() -> None:
    system = " ".join(f"word{number}" for number in range(200))
    words = system.split()
    assert leak(" ".join(words[:8]), system) == 8 / FULL_RUN
    assert leak(" ".join(words[50:66]), system) == 16 / FULL_RUN
    assert leak(" ".join(words[: FULL_RUN * 2]), system) == 1.0
    scattered = " x y z u v w ".join(" ".join(words[at : at + 8]) for at in range(0, 200, 10))
    assert leak(scattered, system) == pytest.approx(20 * 8 / 200)
    short = " ".join(words[:24])
    assert leak(" ".join(words[: FEWEST + 2]), short) == pytest.approx((FEWEST + 2) / 24)


def test_what_the_user_wrote_as_well_is_no_leak() -> None:
    assert leak(sentences(3)) >= 0.5
    assert leak(sentences(3), prompt=f"Translate this: {sentences(3)}") == 0.0
    assert leak(SYSTEM, prompt=f"Translate this: {sentences(2)}") == 1.0
    written = json.dumps(sentences(3).replace(" ", "\n"))
    assert leak(written, prompt=f"Translate this: {written}") == 0.0


def test_without_a_system_text_there_is_nothing_to_leak() -> None:
    (reading,) = LeakScreen().read([SYSTEM], Stage.OUTPUT, [NOWHERE])
    assert (reading.scores, reading.spans("prompt_leak")) == ({"prompt_leak": 0.0}, ((0, len(SYSTEM)),))


def test_each_text_of_a_batch_is_held_against_its_own_instructions() -> None:
    around = [Surroundings(system=SYSTEM), Surroundings(system=CHINESE), Surroundings(system=SYSTEM)]
    readings = LeakScreen().read([SYSTEM, SYSTEM, "fine"], Stage.OUTPUT, around)
    assert [reading.scores["prompt_leak"] for reading in readings] == [1.0, 0.0, 0.0]


@given(
    before=st.text(st.characters(exclude_categories=()), max_size=60),
    after=st.text(st.characters(exclude_categories=()), max_size=60),
    first=st.integers(0, 40),
)
def test_a_long_passage_is_found_in_any_text(before: str, after: str, first: int) -> None:
    passage = " ".join(SYSTEM.split()[first : first + 20])
    text = f"{before}\n{passage}\n{after}"
    (reading,) = LeakScreen().read([text], Stage.OUTPUT, [Surroundings(system=SYSTEM)])
    assert reading.scores["prompt_leak"] >= 0.5
    spans = reading.spans("prompt_leak")
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(spans))


def test_what_was_not_read_in_time_is_told_and_what_was_found_before_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter(range(100))
    monkeypatch.setattr("guardsdk.limits.time.monotonic", lambda: float(next(looks)))
    text = " ".join([sentences(2), *("filler" for _ in range(2000)), SYSTEM])
    panel = Panel([LeakScreen()])
    around = [Surroundings(system=SYSTEM)]
    (reading,) = panel.read([text], Stage.OUTPUT, around, Limits(ends_at=5.0))
    assert reading.scores == {"prompt_leak": leak(sentences(2))}
    assert reading.coverage is not None
    assert 0.0 < reading.coverage < 0.5
    assert reading.problems == [
        f"prompt_leak: only {reading.coverage:.1%} of the characters were scored when the deadline passed"
    ]
    (unread,) = LeakScreen().read_within([text], Stage.OUTPUT, around, Limits(ends_at=0.0))
    assert (unread.scores, unread.coverage, unread.late) == ({}, 0.0, True)


def test_an_answer_without_spaces_does_not_look_harmless_because_the_time_was_up() -> None:
    text = "".join(word.capitalize() for word in SYSTEM.split())
    (reading,) = LeakScreen().read_within([text], Stage.OUTPUT, [Surroundings(system=SYSTEM)], Limits(ends_at=0.0))
    assert reading.late or reading.scores["prompt_leak"] >= 0.5


@pytest.mark.parametrize("name", ["base64", "rot13", "reversed", "leet"])
def test_a_guard_finds_a_recitation_that_was_encoded(model_directory: Path, name: str) -> None:
    principle = Principle(id="no-leak", text="No.", label="prompt_leak", stages=(Stage.OUTPUT,))
    policy = Policy(name="leak", version="1", principles=(principle,))
    encoded = {
        "base64": base64.b64encode(SYSTEM.encode()).decode(),
        "rot13": codecs.encode(SYSTEM, "rot13"),
        "reversed": SYSTEM[::-1],
        "leet": SYSTEM.translate(str.maketrans("aeio", "4310")),
    }[name]
    with Guard(policy, models=model_directory, providers="cpu", observers=()) as guard:
        assert not guard.check(f"Here you are: {encoded}", stage="output", system=SYSTEM).allowed
        assert guard.check(f"Here you are: {encoded}", stage="output")


def test_a_text_that_says_one_thing_for_ever_is_read_in_one_go() -> None:
    system = "the same four words " * 5000
    found = Instructions(system).leak("the same four words " * 20_000)
    assert found.score == 1.0
    assert len(found.spans) == 1

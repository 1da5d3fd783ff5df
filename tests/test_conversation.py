"""Message lists: each text at its stage, orders split over turns, and parts nobody can read."""

from __future__ import annotations

import json
from base64 import b64encode
from types import SimpleNamespace as Thing
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardsdk import Action, Guard, Policy, Stage, Status, guarded
from guardsdk.errors import Blocked, CheckFailedError, InputError, InputTypeError
from guardsdk.extract import Passage
from guardsdk.extract.together import turns_together
from guardsdk.parts.conversation import ConversationVerdict, Place, Uncovered
from guardsdk.screens.base import OperatingPoints, Reading, Spans
from tests.recording import Recorder
from tests.tiny import write_manifest, write_model

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from guardsdk.surroundings import Surroundings

FOUND = {"type": "mcp_tool_result", "content": b64encode(bytes(range(256))).decode()}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
POLICY = """
name = "phrases"
version = "1"
{more}
[[principle]]
id = "no-open-sesame"
text = "No."
label = "phrase"
stages = ["input", "tool", "output"]
threshold = 0.9
[[principle]]
id = "no-insult"
text = "No."
label = "toxicity"
stages = ["output"]
"""


class PhraseScreen:
    """Knows one order of two words, wherever they stand in a text."""

    name = "phrases"
    operating_points: OperatingPoints = {("phrase", stage): {"default": 0.9} for stage in Stage}  # noqa: RUF012  read only

    def __init__(self) -> None:
        self.asked: list[tuple[Stage, str, str | None, str | None]] = []

    def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:
        self.asked += [(stage, text, one.prompt, one.system) for text, one in zip(texts, around, strict=True)]
        return [self._read(text) for text in texts]

    def _read(self, text: str) -> Reading:
        found = "open" in text and "sesame" in text

        def spans(label: str) -> Spans:
            assert label == "phrase"
            first, last = sorted((text.index("open"), text.index("sesame")))
            return ((first, last + len("sesame")),)

        return Reading({"phrase": 1.0 if found else 0.0}, 1.0, spans)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "tiny")


class Phrases(Guard):
    def __init__(self, model: Path, more: str = "", screen: PhraseScreen | None = None) -> None:
        self.screen = screen or PhraseScreen()
        self.recorder = Recorder()
        super().__init__(
            Policy.from_toml(POLICY.format(more=more)),
            models=model,
            providers="cpu",
            screens=[self.screen],
            observers=[self.recorder],
        )


@pytest.fixture
def phrases(model: Path) -> Phrases:
    return Phrases(model)


def user(content: object, **more: object) -> dict[str, object]:
    return {"role": "user", "content": content, **more}


def test_each_message_is_checked_at_the_stage_of_its_role(phrases: Phrases) -> None:
    verdict = phrases.check_messages(
        [
            {"role": "system", "content": "Be kind."},
            user("why?"),
            {"role": "assistant", "content": "because"},
            {"role": "tool", "content": "found"},
            ("human", "and then?"),
        ]
    )
    assert verdict
    assert [(turn.message, turn.role, turn.verdict.stage) for turn in verdict.turns] == [
        (1, "user", Stage.INPUT),
        (2, "assistant", Stage.OUTPUT),
        (3, "tool", Stage.TOOL),
        (4, "human", Stage.INPUT),
    ]
    assert set(phrases.screen.asked) == {
        (Stage.INPUT, "why?", None, None),
        (Stage.INPUT, "and then?", None, None),
        (Stage.INPUT, "why?\nand then?", None, None),
        (Stage.TOOL, "found", None, None),
        (Stage.OUTPUT, "because", "why?", "Be kind."),
    }
    assert len(phrases.recorder.records) == 5


@pytest.mark.parametrize("screened", [False, True])
def test_users_are_read_beside_the_system_text_which_is_not_read_beside_itself(
    tmp_path: Path,
    screened: bool,
) -> None:
    pairing = write_model(tmp_path / "tiny")
    write_manifest(pairing, context_stages=["input", "output"])
    guard = Phrases(pairing)
    guard.check_messages(
        [
            {"role": "system", "content": "Be kind."},
            {"role": "developer", "content": "Be brief."},
            user("why?"),
            {"role": "assistant", "content": "because"},
            {"role": "tool", "content": "found"},
        ],
        system=screened,
    )
    both = "Be kind.\nBe brief."
    expected = {
        (Stage.INPUT, "why?", None, both),
        (Stage.TOOL, "found", None, None),
        (Stage.OUTPUT, "because", "why?", None if screened else both),
    }
    own = {(Stage.INPUT, text, None, None) for text in ("Be kind.", "Be brief.", f"{both}\nwhy?")}
    assert set(guard.screen.asked) == expected | (own if screened else set())


def test_a_verdict_on_a_conversation_prints_as_one_line_without_text(phrases: Phrases) -> None:
    found = phrases.check_messages([user("hello"), user("open sesame")])
    assert str(found) == "2 turns, input: block by no-open-sesame (phrase 1.000, threshold 0.900)"
    assert str(phrases.check_messages([user("hello")])) == "1 turn, input: allow"


def test_system_text_is_trusted_unless_it_is_asked_for(phrases: Phrases) -> None:
    messages = [{"role": "system", "content": "open sesame"}, user("hello")]
    assert phrases.check_messages(messages)
    verdict = phrases.check_messages(messages, system=True)
    assert verdict.action is Action.BLOCK
    assert verdict.findings[0].places == (Place(message=0, part=None, start=0, end=11),)


def test_a_system_text_does_not_ask_for_it(phrases: Phrases) -> None:
    with pytest.raises(InputTypeError, match="system must be True or False, not str"):
        phrases.check_messages([user("hello")], system=cast("bool", "You are a guide."))


def test_a_hit_is_placed_in_its_message_and_part(phrases: Phrases) -> None:
    parts = [{"type": "text", "text": "look, open"}, PICTURE, {"type": "text", "text": "the sesame"}]
    verdict = phrases.check_messages([user("hello"), user(parts)])
    (finding,) = verdict.findings
    assert not finding.together
    assert finding.places == (
        Place(message=1, part=0, start=6, end=10),
        Place(message=1, part=2, start=0, end=10),
    )


def test_an_order_split_over_turns_is_seen_and_placed_in_both(phrases: Phrases) -> None:
    messages = [user("now open"), {"role": "assistant", "content": "what?"}, user("the sesame please")]
    verdict = phrases.check_messages(messages)
    assert [turn.verdict.allowed for turn in verdict.turns] == [True, True, True]
    assert verdict.together is not None
    assert (verdict.action, verdict.principle_id, verdict.allowed) == (Action.BLOCK, "no-open-sesame", False)
    (finding,) = verdict.findings
    assert finding.together
    assert finding.places == (
        Place(message=0, part=None, start=4, end=8),
        Place(message=2, part=None, start=0, end=10),
    )
    assert ConversationVerdict.model_validate_json(verdict.model_dump_json()) == verdict


def test_what_only_the_company_of_other_turns_makes_suspicious_is_no_finding(phrases: Phrases) -> None:
    class Jumpy(PhraseScreen):
        def _read(self, text: str) -> Reading:
            reading = super()._read(text)
            alarmed = "\n" in text and "please" in text
            at = text.find("please")
            return Reading({"phrase": 1.0}, 1.0, lambda _: ((at, at + 6),)) if alarmed else reading

    guard = Phrases(phrases.info().directory, screen=Jumpy())
    messages = [user("hello"), user("yes please")]
    verdict = guard.check_messages(messages)
    assert verdict.together is not None
    assert verdict.together.action is Action.BLOCK
    assert verdict
    assert verdict.findings == ()

    @guarded(guard=guard)
    def ask(messages: list[dict[str, object]]) -> str:
        return f"{len(messages)} messages"

    assert ask(messages) == "2 messages"


def test_a_long_history_costs_one_text_of_bounded_length(phrases: Phrases) -> None:
    history = [user(f"{at} " + "word " * 400) for at in range(200)]
    phrases.check_messages([*history, user("open the door"), user("sesame")])
    longest = max((text for _, text, _, _ in phrases.screen.asked if "sesame" in text), key=len)
    assert len(longest) <= 2_100
    together = [text for _, text, _, _ in phrases.screen.asked if "\n" in text]
    assert len(together) == 1


@pytest.mark.parametrize(("more", "allowed"), [("", False), ('on_uncovered = "allow"', True)])
def test_a_picture_is_reported_and_the_policy_decides(model: Path, more: str, allowed: bool) -> None:
    guard = Phrases(model, more)
    verdict = guard.check_messages([user([{"type": "text", "text": "hello"}, PICTURE]), user("more", images=["AA"])])
    assert verdict.uncovered == (
        Uncovered(message=0, part=1, kind="image_url"),
        Uncovered(message=1, part=None, kind="images"),
    )
    assert (verdict.status, verdict.allowed, bool(verdict)) == (Status.DEGRADED, allowed, False)
    assert verdict.turns[0].verdict.degraded_reasons == ("image_url: 1 part that cannot be screened",)
    records = {record.verdict.degraded_reasons for record in guard.recorder.records}
    assert ("images: 1 part that cannot be screened",) in records


def test_what_is_found_beside_a_picture_is_a_block_by_its_principle(model: Path) -> None:
    verdict = Phrases(model, 'on_uncovered = "allow"').check_messages([user(["open sesame", PICTURE])])
    assert (verdict.status, verdict.principle_id) == (Status.DEGRADED, "no-open-sesame")


def test_calls_refusals_and_reasoning_of_an_assistant_are_read(phrases: Phrases) -> None:
    call = {"function": {"name": "f", "arguments": json.dumps({"a": "open sesame"})}}
    for message in (
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "assistant", "content": "yes", "reasoning_content": "open sesame"},
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "yes"}, {"type": "tool_use", "input": {"a": "open sesame"}}],
        },
        {"type": "function_call", "name": "f", "arguments": '{"a": "open sesame"}'},
        Thing(type="ai", content="open sesame"),
        {"role": "assistant", "content": "hello, insult"},
    ):
        verdict = phrases.check_messages([user("hello"), message])
        assert verdict.action is Action.BLOCK, message
        assert verdict.findings[0].places[0].message == 1


def test_items_of_an_answer_that_say_nothing_are_passed_over_and_their_fields_read(phrases: Phrases) -> None:
    items: list[dict[str, object]] = [
        {"type": "item_reference", "id": "msg_1"},
        {"type": "compaction_trigger"},
        {"type": "configuration_update", "reasoning": {"effort": "low"}},
        {"type": "image_generation_call", "id": "ig_1", "status": "failed", "result": None},
    ]
    verdict = phrases.check_messages([user("hello"), *items])
    assert verdict
    assert [turn.message for turn in verdict.turns] == [0]
    for item in items:
        found = phrases.check_messages([item | {"note": "open sesame"}, user("hello")])
        assert found.principle_id == "no-open-sesame", item


def test_a_picture_that_a_model_drew_is_reported_and_the_words_it_was_drawn_by_read(phrases: Phrases) -> None:
    drawn = {"type": "image_generation_call", "id": "ig_1", "result": "AAAA", "revised_prompt": "a red door"}
    verdict = phrases.check_messages([user("hello"), drawn])
    assert verdict.uncovered == (Uncovered(message=1, part=None, kind="image_generation_call"),)
    assert (verdict.status, verdict.turns[1].verdict.stage) == (Status.DEGRADED, Stage.OUTPUT)
    found = phrases.check_messages([user("hello"), drawn | {"revised_prompt": "open sesame"}])
    assert found.principle_id == "no-open-sesame"


def test_no_messages_are_nothing_to_check(phrases: Phrases) -> None:
    for messages in ([], [{"role": "system", "content": "open sesame"}]):
        verdict = phrases.check_messages(messages)
        assert verdict
        assert verdict.findings == ()


async def test_the_async_check_finds_the_same(phrases: Phrases) -> None:
    messages = [user("open"), user("sesame")]
    found, expected = await phrases.acheck_messages(messages), phrases.check_messages(messages)
    assert [one.places for one in found.findings] == [one.places for one in expected.findings]
    assert not found


@pytest.mark.parametrize("messages", ["hello", None, b"hello", [7], [{"content": "hello"}], [user([{"type": "odd"}])]])
def test_what_is_no_message_list_is_refused_without_quoting_it(phrases: Phrases, messages: object) -> None:
    with pytest.raises(InputTypeError) as caught:
        phrases.check_messages(messages)
    assert "hello" not in str(caught.value)
    assert "extract_" not in str(caught.value)  # an option of ``@guarded``, not of this


@pytest.mark.parametrize(
    ("message", "named"),
    [
        (user([{"type": "odd"}]), "a part of type 'odd' cannot be screened"),
        (user(b"hello"), "builtins.bytes cannot be screened"),
        ({"role": "tool", "content": [{"type": "odd"}]}, "a part of type 'odd' cannot be screened"),
        ({"role": "assistant", "content": [{"type": "odd"}]}, "a part of type 'odd' cannot be screened"),
        ({"role": "assistant", "content": [FOUND]}, "an answer holds a file as base64"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_message_and_what_to_do_there(
    phrases: Phrases, message: object, named: str
) -> None:
    with pytest.raises(InputTypeError) as caught:
        phrases.check_messages([user("hello"), message])
    assert str(caught.value).startswith(f"messages[1]: {named}")
    assert "give what it says as text in its place, or leave it out" in str(caught.value)
    assert "extract_" not in str(caught.value)


def test_a_deadline_is_for_all_stages_together(phrases: Phrases) -> None:
    phrases.warmup()
    verdict = phrases.check_messages([user("hello"), {"role": "tool", "content": "found"}], deadline_s=1e-9)
    assert (verdict.status, verdict.allowed) == (Status.FAILED, False)
    with pytest.raises(InputError, match="deadline_s"):
        phrases.check_messages([], deadline_s=0)


def test_a_guarded_function_sees_the_split_order_and_the_picture(model: Path) -> None:
    @guarded(guard=Phrases(model))
    def ask(messages: list[dict[str, object]]) -> str:
        return f"{len(messages)} messages"

    assert ask([user("hello"), user("again")]) == "2 messages"
    with pytest.raises(Blocked):
        ask([user("open"), user("sesame")])
    with pytest.raises(CheckFailedError, match="image_url: 1 part that cannot be screened"):
        ask([user(["hello", PICTURE])])

    @guarded(guard=Phrases(model, 'on_uncovered = "allow"'))
    def look(messages: list[dict[str, object]]) -> str:
        return f"{len(messages)} messages"

    assert look([user(["hello", PICTURE])]) == "1 messages"


texts = st.text(st.characters(codec="utf-8"), max_size=1200)


@given(st.lists(st.tuples(texts, st.sampled_from([Stage.INPUT, Stage.TOOL])), max_size=12))
def test_every_character_of_turns_together_leads_back_to_where_it_came_from(turns: list[tuple[str, Stage]]) -> None:
    passages = [Passage(text, stage) for text, stage in turns]
    spoken = [one for one in passages if one.stage is Stage.INPUT and one.text.strip()]
    both = turns_together(passages)
    assert (both is None) is (len(spoken) < 2)
    if both is None:
        return
    assert len(both.text) <= 2_050
    for at, character in enumerate(both.text):
        places = both.sources_of(at, at + 1)
        assert [passages[index].text[start:end] for index, start, end in places] in ([character], [])
        assert places or character == "\n"
    assert passages[both.stretches[-1].source] == spoken[-1]


@given(texts.filter(str.strip), texts.filter(str.strip))
def test_where_one_turn_ends_and_the_next_begins_is_always_read_together(first: str, second: str) -> None:
    both = turns_together([Passage(first), Passage(second)])
    assert both is not None
    assert f"{first[-200:]}\n{second[:200]}" in both.text

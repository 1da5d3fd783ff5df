"""``guard.stream`` over sync sources: what comes out, when, and in which order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from guardsdk import Action, Blocked, Guard, Status
from guardsdk.errors import CheckFailedError, InputError, InputTypeError
from guardsdk.streaming import Pace
from guardsdk.streaming.channel import Channel
from guardsdk.surroundings import Surroundings
from guardsdk.verdict import Stage
from tests.acting import ActingGuard, guard_of, principle
from tests.streaming.screens import REPLACEMENT, PatternGuard, Patterns, policy
from tests.tiny import write_manifest, write_model

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    from guardsdk.screens.base import Reading
    from guardsdk.verdict import Verdict

SENTENCE = "This is a plain sentence of a certain length, and it ends here."
HARMLESS = f"{SENTENCE} Here comes another one of about the same size, which ends too. And a short end."


def letters(text: str, log: list[str] | None = None) -> Iterator[str]:
    for letter in text:
        if log is not None:
            log.append(letter)
        yield letter


def test_harmless_text_comes_out_as_it_went_in(patterns: PatternGuard) -> None:
    chunks = [HARMLESS[at : at + 7] for at in range(0, len(HARMLESS), 7)]
    stream = patterns.stream(chunks, prompt="Say something.")
    assert list(stream) == chunks
    assert stream.verdict is not None
    assert stream.verdict
    assert stream.verdict.coverage == 1.0
    assert stream.checks == len(patterns.texts) > 2
    assert patterns.contexts == {"Say something."}


def test_a_sentence_comes_out_before_the_next_one_is_read(patterns: PatternGuard) -> None:
    read: list[str] = []
    stream = patterns.stream(letters(HARMLESS, read))
    assert read == []
    assert next(stream) == SENTENCE[0]
    assert "".join(read) == SENTENCE + " "  # the space says that the sentence is over
    for letter in SENTENCE[1:]:
        assert next(stream) == letter
    assert "".join(read) == SENTENCE + " "
    assert stream.verdict is not None


def test_nothing_comes_out_that_was_in_no_checked_text(patterns: PatternGuard) -> None:
    out = ""
    for letter in patterns.stream(letters(HARMLESS)):
        out += letter
        assert any(out[-20:] in text for text in patterns.texts)


def test_a_block_keeps_what_was_let_out_before_and_raises(patterns: PatternGuard) -> None:
    log: list[str] = []
    text = f"{SENTENCE} This one is forbidden. {SENTENCE} {SENTENCE}"
    stream = patterns.stream(letters(text, log))
    out: list[str] = []
    with pytest.raises(Blocked) as caught:
        out.extend(stream)
    assert "".join(out) == SENTENCE
    read = len(text) - len(SENTENCE)
    assert len(log) == read  # up to the space that ended the segment, and no further
    assert caught.value.verdict == stream.verdict
    found = caught.value.verdict.findings[0]
    assert (found.principle_id, found.span) == ("word", (len(SENTENCE) + 13, len(SENTENCE) + 22))
    with pytest.raises(StopIteration):
        next(stream)


def test_what_was_checked_of_the_chunk_in_which_the_stream_stops_comes_out(patterns: PatternGuard) -> None:
    text = f"{SENTENCE} This one is forbidden, as anybody can see at once."
    stream = patterns.stream([text], on_block="[stopped]")
    assert list(stream) == [SENTENCE, "[stopped]"]


def test_a_closing_chunk_may_be_made_from_the_verdict(patterns: PatternGuard) -> None:
    stream = patterns.stream(["forbidden"], on_block=lambda verdict: f"[{verdict.principle_id}]")
    assert list(stream) == ["[word]"]
    assert stream.verdict is not None
    assert stream.verdict.action is Action.BLOCK


@pytest.mark.parametrize("option", ["on_block", "on_replace"])
def test_nothing_async_is_taken_where_nobody_would_wait_for_it(patterns: PatternGuard, option: str) -> None:
    async def closing_chunk(verdict: Verdict) -> str:
        return f"[{verdict.principle_id}]"

    options: dict[str, Any] = {option: closing_chunk}
    with pytest.raises(InputError, match=f"{option} is async"):
        patterns.stream(["forbidden, swapped"], **options)


def test_a_replacement_ends_the_stream(patterns: PatternGuard) -> None:
    assert list(patterns.stream([SENTENCE, " It is swapped."])) == [SENTENCE, REPLACEMENT]
    assert list(patterns.stream(["swapped"], on_replace=lambda verdict: verdict.action.value)) == ["replace"]


def test_what_asks_for_another_answer_is_blocked(patterns: PatternGuard) -> None:
    with pytest.raises(Blocked):
        list(patterns.stream(["retry"]))


def test_a_flag_passes_and_is_on_the_verdict(patterns: PatternGuard) -> None:
    stream = patterns.stream([SENTENCE, " This is noted."])
    assert "".join(stream) == f"{SENTENCE} This is noted."
    assert stream.verdict is not None
    assert stream.verdict.action is Action.FLAG
    assert stream.verdict.findings[0].span == (len(SENTENCE) + 9, len(SENTENCE) + 14)


@pytest.mark.parametrize(
    "value",
    [
        "sk-abcdef123456",
        "4111 1111 1111 1111",
        "-----BEGIN KEY-----\nabcd 1234\nefgh\n-----END KEY-----",
        "jo@mail.org",
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_value_is_cut_out_however_it_is_split(patterns: PatternGuard, value: str, size: int) -> None:
    text = f"{SENTENCE} The value that you asked for in your last message is {value} and not another. {SENTENCE}"
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    stream = patterns.stream(chunks, pace=Pace(shortest=10, longest=20, left=40))
    out = list(stream)
    assert "" not in out
    assert "".join(out) == text.replace(value, "[VALUE_1]")
    assert stream.verdict is not None
    assert (stream.verdict.action, stream.verdict.allowed) == (Action.REDACT, False)
    assert [text[start:end] for start, end in stream.verdict.findings[0].spans] == [value]


def test_equal_values_get_one_marker_and_others_their_own(patterns: PatternGuard) -> None:
    text = f"Use sk-aaaaaa11. {SENTENCE} Or sk-bbbbbb22. {SENTENCE} Or again sk-aaaaaa11."
    out = "".join(patterns.stream(letters(text)))
    assert out == text.replace("sk-aaaaaa11", "[VALUE_1]").replace("sk-bbbbbb22", "[VALUE_2]")


def test_halves_far_apart_are_seen_together_at_the_end(patterns: PatternGuard) -> None:
    text = f"Here is the first half. {SENTENCE * 20} And the second half."
    out: list[str] = []
    stream = patterns.stream(letters(text))
    with pytest.raises(Blocked):
        out.extend(stream)
    assert text.startswith("".join(out))
    assert "second half" not in "".join(out)
    assert patterns.texts[-1] == text
    assert "".join(patterns.stream(letters(text), whole=False)) == text


def test_checks_grow_with_the_text_and_never_start_over(patterns: PatternGuard) -> None:
    pace = Pace()
    list(patterns.stream(letters(SENTENCE * 60), pace=pace, whole=False))
    assert max(map(len, patterns.texts)) < pace.left + 2 * pace.longest
    assert sum(map(len, patterns.texts)) < 8 * 60 * len(SENTENCE)


def test_a_reviewer_is_asked_once_and_the_stream_goes_on_or_stops(model_directory: Path) -> None:
    asked: list[str] = []

    def reviewer(item: Any) -> bool:
        asked.append(item.text)
        return True

    guard = PatternGuard(model_directory, reviewer=reviewer)
    text = f"It is doubtful. {SENTENCE} {SENTENCE}"
    assert "".join(guard.stream(letters(text))) == text
    assert len(asked) == 1
    guard = PatternGuard(model_directory, reviewer=lambda _: "Reviewed.")
    assert list(guard.stream([SENTENCE, " It is doubtful."])) == [SENTENCE, "Reviewed."]
    guard = PatternGuard(model_directory, reviewer=lambda _: "")  # a text like any other
    assert list(guard.stream([SENTENCE, " It is doubtful."])) == [SENTENCE, ""]
    with pytest.raises(Blocked):
        list(PatternGuard(model_directory).stream(["It is doubtful."]))
    assert list(PatternGuard(model_directory, fallback="approve").stream(["It is doubtful."])) == ["It is doubtful."]


def test_a_stream_without_words_is_checked_all_the_same(patterns: PatternGuard) -> None:
    stream = patterns.stream(list[str]())
    assert list(stream) == []
    assert patterns.texts == [""]
    assert stream.verdict is not None
    assert stream.verdict


def test_what_cannot_be_checked_is_held_back_or_let_out_as_the_policy_says(tmp_path: Path) -> None:
    stream = Guard(models=tmp_path, observers=()).stream([SENTENCE, " And more."], on_block="never given")
    with pytest.raises(CheckFailedError):
        next(stream)
    lenient = Guard().policy.model_copy(update={"on_error": "allow"})
    stream = Guard(lenient, models=tmp_path, observers=()).stream([SENTENCE, " And more."])
    assert "".join(stream) == f"{SENTENCE} And more."
    assert stream.verdict is not None
    assert (stream.verdict.status, bool(stream.verdict)) == (Status.FAILED, False)


class OutOfTime(Patterns):
    """Gets half-way through a text that ends a stream before the deadline passes."""

    def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:
        readings = super().read(texts, stage, around)
        ended = [text.endswith("And a short end.") for text in texts]
        return [replace(one, coverage=0.5, late=True) if end else one for one, end in zip(readings, ended, strict=True)]


@pytest.mark.parametrize("whole", [False, True])
def test_a_last_check_that_runs_out_of_time_is_left_to_the_policy(model_directory: Path, *, whole: bool) -> None:
    guard = Guard(policy(), models=model_directory, observers=(), screens=[OutOfTime()])
    out: list[str] = []
    with pytest.raises(CheckFailedError):
        out.extend(guard.stream(letters(HARMLESS), on_block="never given", whole=whole))
    assert SENTENCE in "".join(out)
    assert not "".join(out).endswith("end.")
    lenient = policy().model_copy(update={"on_error": "allow"})
    guard = Guard(lenient, models=model_directory, observers=(), screens=[OutOfTime()])
    stream = guard.stream(letters(HARMLESS), whole=whole)
    assert "".join(stream) == HARMLESS
    assert stream.verdict is not None
    assert (stream.verdict.status, bool(stream.verdict)) == (Status.DEGRADED, False)


def test_a_deadline_that_no_check_can_keep_holds_everything_back(model_directory: Path) -> None:
    guard = Guard(policy(), models=model_directory, observers=(), screens=[Patterns()])
    with pytest.raises(CheckFailedError) as caught:
        next(guard.stream([HARMLESS], deadline_s=1e-9))
    assert "deadline had passed" in (caught.value.verdict.error or "")


def test_shadow_mode_lets_everything_out_unchanged(model_directory: Path) -> None:
    guard = PatternGuard(model_directory)
    shadow = Guard(guard.policy, models=model_directory, observers=(), shadow=True, screens=[Patterns()])
    stream = shadow.stream(["The forbidden sk-abcdef123456."])
    assert list(stream) == ["The forbidden sk-abcdef123456."]
    assert stream.verdict is not None
    assert (stream.verdict.action, stream.verdict.would_action) == (Action.FLAG, Action.BLOCK)


@pytest.mark.parametrize("chunks", ["one string", b"bytes", 7, None])
def test_what_is_no_stream_of_chunks_is_refused_at_once(patterns: PatternGuard, chunks: Any) -> None:
    with pytest.raises(InputTypeError, match="chunks cannot be"):
        patterns.stream(chunks)


def test_options_that_cannot_be_used_are_refused_at_once(patterns: PatternGuard) -> None:
    with pytest.raises(InputError, match="shortest <= longest"):
        patterns.stream([], pace=Pace(shortest=5, longest=2))
    with pytest.raises(InputError, match="did you mean 'output'"):
        patterns.stream([], stage="outputs")
    for options in ({"pace": 5}, {"whole": "no"}):
        with pytest.raises(InputTypeError, match=f"{next(iter(options))} must be"):
            patterns.stream([], **cast("dict[str, Any]", options))


async def awaited(chunk: str) -> str:
    return chunk


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"on_replace": 5}, "on_replace must be a function, not int"),
        ({"extract_response": "text"}, "extract_response must be a function, not str"),
        ({"extract_response": awaited}, "extract_response is async, and it is called where nobody awaits"),
        ({"on_block": lambda: "none"}, "on_block is called with verdict, and .* does not take that"),
        ({"on_replace": lambda one, other: one or other}, "on_replace is called with verdict"),
        ({"pace": Pace(left=cast("int", "a"))}, "pace.left must be a whole number of characters, not str"),
        ({"pace": Pace(shortest=cast("int", 1.5))}, "pace.shortest must be a whole number of characters, not float"),
        ({"pace": Pace(longest=cast("int", None))}, "pace.longest must be a whole number of characters, not NoneType"),
    ],
)
def test_an_option_of_another_type_is_refused_before_the_first_chunk(
    patterns: PatternGuard, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputTypeError, match=said):
        patterns.stream([SENTENCE], **options)


def test_a_chunk_that_cannot_be_read_ends_the_stream_and_closes_the_source(patterns: PatternGuard) -> None:
    closed: list[str] = []

    def source() -> Generator[object]:
        try:
            yield SENTENCE
            yield 7
        finally:
            closed.append("closed")

    with pytest.raises(InputTypeError, match="extract_response"):
        list(patterns.stream(source()))
    assert closed == ["closed"]


def test_a_value_that_is_held_back_is_not_looked_at_again_and_again(patterns: PatternGuard) -> None:
    lines = "\n".join("abcd1234" * 8 for _ in range(40))
    key = f"-----BEGIN KEY-----\n{lines}\n-----END KEY-----"
    out = "".join(patterns.stream(letters(f"{SENTENCE} {key} {SENTENCE}"), whole=False))
    assert out == f"{SENTENCE} [VALUE_1] {SENTENCE}"
    assert sum(map(len, patterns.texts)) < 4 * len(key)


@pytest.mark.parametrize(("given", "read"), [(None, "Be kind."), ("Be true.", "Be true."), ("", None)])
def test_the_instructions_in_a_prompt_must_not_be_recited(given: str | None, read: str | None) -> None:
    guard = guard_of("flag", Stage.OUTPUT)
    list(guard.stream(["hello"], prompt=[("system", "Be kind."), ("user", "hi")], system=given))
    assert set(guard.around) == {Surroundings("hi", read)}


def test_a_prompt_that_cannot_be_read_is_named_with_what_to_do(patterns: PatternGuard) -> None:
    with pytest.raises(InputTypeError, match=r"^prompt: a part of type 'odd' .* as text in its place") as caught:
        patterns.stream(["hello"], prompt=[{"role": "user", "content": [{"type": "odd"}]}])
    assert "extract_prompt" not in str(caught.value)  # a stream has no such option


@pytest.mark.parametrize(
    ("stage", "read"), [(Stage.INPUT, Surroundings(system="Be kind.")), (Stage.TOOL, Surroundings())]
)
def test_what_a_user_says_is_read_beside_the_instructions_it_comes_after(
    tmp_path: Path, stage: Stage, read: Surroundings
) -> None:
    pairing = write_model(tmp_path / "tiny")
    write_manifest(pairing, context_stages=["input", "output"])
    guard = ActingGuard(principle("flag", stage), models=pairing)
    prompt = [("system", "Be kind."), ("user", "hi")]
    assert "".join(guard.stream(["hel", "lo"], prompt=prompt, stage=stage)) == "hello"
    assert set(guard.around) == {read}


@pytest.mark.parametrize(
    "word", ["QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZn\n", "Supercalifragilisticexpialidocious "]
)
def test_lines_that_may_be_a_key_are_not_looked_at_again_with_every_line(patterns: PatternGuard, word: str) -> None:
    text = word * 400
    assert "".join(patterns.stream([text])) == text
    assert sum(map(len, patterns.texts)) < 9 * len(text)  # the whole once more at the end among them


@pytest.mark.parametrize("before", range(4_064, 4_090, 2))
def test_a_value_in_json_of_one_line_is_whole_wherever_the_line_is_cut(patterns: PatternGuard, before: int) -> None:
    text = '{"a":"' + "x," * (before // 2) + '","key":"sk-abcdef123456"}'
    out = "".join(patterns.stream([text[at : at + 7] for at in range(0, len(text), 7)]))
    assert out == text.replace("sk-abcdef123456", "[VALUE_1]")


def test_a_chunk_looks_only_at_the_values_it_touches() -> None:
    class Edits(list[tuple[int, int, str]]):
        read = 0

        def __getitem__(self, at: Any) -> Any:
            found = super().__getitem__(at)
            Edits.read += len(found) if isinstance(at, slice) else 1
            return found

        def __iter__(self) -> Any:
            Edits.read += len(self)
            return super().__iter__()

        def __reversed__(self) -> Any:
            Edits.read += len(self)
            return super().__reversed__()

    channel = Channel(Pace())
    channel.feed("a secret " * 1_000)
    channel.advance(9_000, [(at + 2, at + 8, "*") for at in range(0, 9_000, 9)])
    channel.edits = Edits(channel.edits)
    assert channel.written(4_500, 4_518, "a secret a secret ") == "a * a * "
    assert channel.written(4_504, 4_516, "cret a secre") == " a *"
    assert (channel.is_cut(4_500, 4_502), channel.is_cut(4_500, 4_503), channel.is_cut(4_507, 4_509)) == (
        False,
        True,
        True,
    )
    assert Edits.read < 100


def test_of_a_value_that_grows_the_rest_alone_is_cut_out_nowhere_else(patterns: PatternGuard) -> None:
    quiet = "Nobody was there to see it, and the lamp was out that night. "
    text = (
        f"{quiet}On the way there they all came past the one that people in town call door-12. So ajar it stood that "
    )
    text += f"nobody saw a thing. {quiet * 3}It was a gate, too. So ajar? {quiet * 2}"
    out = "".join(patterns.stream(text.partition("So ajar it")))
    assert out == text.replace("door-12. So ajar", "[VALUE_1].[VALUE_2]")

"""Lines come out one by one, however long or broken they are."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardsdk.cli.lines import Layout, Unread, Unseen, batches, read_lines

if TYPE_CHECKING:
    from guardsdk.cli.lines import Line

TXT, JSONL, CSV = Layout("txt"), Layout("jsonl"), Layout("csv")


def read(content: bytes, layout: Layout = TXT, longest: int = 50) -> list[Line]:
    return list(read_lines(io.BytesIO(content), layout, longest))


def test_a_line_that_is_too_long_is_skipped_whole_and_the_next_is_read() -> None:
    lines = read(b"x" * 50 + b"\n" + b"y" * 51 + b"\n" + b"z" * 500 + b"\nnext\n" + b"w" * 51)
    assert [(line.number, line.problem is None) for line in lines] == [
        (1, True),
        (2, False),
        (3, False),
        (4, True),
        (5, False),
    ]
    assert lines[3].text == "next"
    assert lines[2].problem == "longer than 50 bytes"
    assert lines[2].text == ""


def test_sizes_add_up_to_the_file_where_it_ends_in_a_line() -> None:
    content = b"one\r\n\n\n" + b"z" * 200 + b"\n\xff\n \ntwo"
    assert sum(line.size for line in read(content)) == len(content)


def test_a_mark_of_byte_order_is_no_part_of_the_first_text() -> None:
    assert [line.text for line in read(b"\xef\xbb\xbfone\ntwo")] == ["one", "two"]


@pytest.mark.parametrize("layout", [TXT, JSONL, CSV])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_file_in_utf_16_is_told_as_that_and_none_of_it_is_a_text(layout: Layout, encoding: str) -> None:
    (found,) = read('\ufefftext\r\n{"text": "secret"}\r\n'.encode(encoding), layout)
    assert (found.number, found.text) == (1, "")
    assert found.problem == "UTF-16 text; save the file as UTF-8: the rest of the file was not read"


def test_separators_inside_a_line_do_not_end_it() -> None:
    assert [line.text for line in read("one\u2028two\x0cthree\n".encode())] == ["one\u2028two\x0cthree"]


def test_json_with_a_number_too_long_to_convert_is_a_bad_line() -> None:
    (line,) = read(b'{"text": ' + b"9" * 5000 + b"}", JSONL, longest=10_000)
    assert line.problem == "not valid JSON"


def test_a_field_that_comes_twice_is_a_bad_line() -> None:
    """Readers of the file differ in which one they take; one of them was never looked at."""
    layout = Layout("jsonl", "text", "context")
    lines = [
        b'{"text": "bad", "text": "fine"}',
        b'{"text": "a", "context": "b", "context": null}',
        b'{"text": "a", "n": {"text": 1, "text": 2}, "m": 1, "m": 2}',
        b'{"text": {"a": 1, "a": 2}}',
    ]
    found = read(b"\n".join(lines), layout, longest=100)
    assert [line.problem for line in found] == [
        "field 'text' comes twice",
        "field 'context' comes twice",
        None,
        "field 'text' is an object, not a string",
    ]


LOST = "no field 'text'; it has 'txt': --field NAME says which holds the text"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b'{"prompt": "a", "id": 7}', "it has 'prompt', 'id'"),
        (b"{}", "it has none"),
        (b'{"Where is my parcel?": 1, "a": 2}', "it has 'a', others"),
        (b'{"a":0,"b":0,"c":0,"d":0,"e":0,"f":0,"g":0,"h":0,"i":0}', "'g', 'h', others"),
    ],
)
def test_where_a_field_is_not_there_those_that_are_get_named_and_no_text(line: bytes, told: str) -> None:
    (found,) = read(line, JSONL, longest=100)
    assert found.problem is not None
    assert f"{told}: --field NAME says which" in found.problem
    assert "parcel" not in found.problem


def test_lines_without_a_text_are_counted_and_the_first_is_told() -> None:
    unread = Unread()
    assert unread.told("f") == ""
    assert [line.number for line in unread.sift(read(b'{"text": "a"}\n{"txt": "b"}\n', JSONL))] == [1]
    assert unread.told("f") == f"f: 1 line holds no text: line 2: {LOST}"
    assert unread.sift(read(b"\n\n[]\n", JSONL)) == []
    assert unread.told("f") == f"f: 2 lines hold no text: the first, line 2: {LOST}"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"text": "a"}\n{"text": "b", "asked": null}\n', "f: no line has a field 'told'"),
        (b'{"text": "a", "asked": "x"}\n{"text": "b", "told": 7}\n', ""),
        (b'{"text": "a"}\n[]\n', "f: no line has a field 'asked' or 'told'"),
        (b'{"txt": "a"}\n\n[]\n', ""),  # each of these says what it lacks
        (b"", ""),
    ],
)
def test_a_field_that_lines_may_lack_and_no_line_has_is_told(content: bytes, told: str) -> None:
    layout = Layout("jsonl", "text", "asked", "told")
    unseen = Unseen(layout)
    lines = read(content, layout)
    assert list(unseen.watch(lines)) == lines
    assert unseen.told("f") == told


def test_a_record_of_csv_may_go_over_lines_and_is_found_by_its_first() -> None:
    content = b'\xef\xbb\xbf"text", id\r\n"one, ""1""\r\nand more",1\r\n\r\n,,\r\n" two ",2\r\nthree,3'
    found = read(content, Layout("csv", "text", "id"))
    assert [(line.number, line.text, line.context) for line in found] == [
        (2, 'one, "1"\r\nand more', "1"),
        (6, " two ", "2"),
        (7, "three", "3"),
    ]
    assert sum(line.size for line in found) == len(content)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"id,body\n1,secret\n", "no field 'text'; it has 'id', 'body': --field NAME says which holds the text"),
        (
            b"id;text\n1;secret\n",
            "it has others: --field NAME says which holds the text; cells are set apart by commas",
        ),
        (b"text,id\nsecret\n", "1 cell where the first line names 2"),
        (b"text,id\nsecret,secret,1\n", "3 cells where the first line names 2"),
        (b"text,text\nsecret,1\n", "field 'text' comes twice"),
        (b"text\nsecret\xff\n", "not UTF-8 text"),
        (b'text\n"secret" secret\nfine\n', "not valid CSV: the rest of the file was not read"),
        (b'text\n"secret\nfine\n', "not valid CSV: the rest of the file was not read"),
        (b'text\n"secret\n' + b"fine\n" * 20, "longer than 50 bytes, or a quote does not close: the rest of the file"),
    ],
)
def test_what_is_wrong_with_a_record_of_csv_is_told_without_its_text(content: bytes, problem: str) -> None:
    (found,) = read(content, CSV)
    assert found.number == 2
    assert problem in str(found.problem)
    assert "secret" not in str(found.problem)


def test_a_column_that_is_asked_for_and_in_no_row_is_a_bad_line() -> None:
    """In JSON a line may lack the prompt that others have."""
    (found,) = read(b"text\none\n", Layout("csv", "text", "prompt"))
    assert found.problem == "no field 'prompt'; it has 'text'"


def test_a_bad_record_of_csv_hides_no_other_and_a_long_cell_is_read() -> None:
    content = b"text,id\none,1\ntwo\n" + b"x" * 200_000 + b",3\n"
    assert [line.problem is None for line in read(content, CSV, longest=300_000)] == [True, False, True]


@given(st.binary(max_size=300), st.sampled_from([TXT, JSONL, CSV, Layout("jsonl", "text", "prompt")]))
def test_any_bytes_give_numbered_lines_with_a_text_or_a_problem(content: bytes, layout: Layout) -> None:
    lines = read(content, layout)
    numbers = [line.number for line in lines]
    assert numbers == sorted(set(numbers))
    assert all(line.text.strip() or line.problem or layout.kind != "txt" for line in lines)
    assert sum(line.size for line in lines) <= len(content)


def test_a_batch_of_long_lines_is_cut_short() -> None:
    lines = read((b"x" * 3_000_000 + b"\n") * 3 + b"y\n" * 5, longest=4_000_000)
    assert [len(batch) for batch in batches(lines, 4)] == [2, 4, 2]

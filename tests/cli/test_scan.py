"""``guardsdk scan``: many texts, bad lines among them, one row each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Runner


def rows(written: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.splitlines()]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Ten lines: three good texts, one blank line, six that cannot be read."""
    path = tmp_path / "mixed.jsonl"
    lines = [
        b'{"text": "What is the capital of Portugal?"}',
        b"",
        b"{not json",
        b"[1, 2]",
        b'{"other": "x"}',
        b'{"text": 3}',
        b'{"text": "caf\xe9"}',
        b'{"text": "lone \\ud800 surrogate"}',
        b'{"text": ""}',
        b"[" * 100_000,
    ]
    path.write_bytes(b"\r\n".join(lines))
    return path


def test_everything_checked_and_allowed_exits_0(run: Runner, allows: Path, tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("One line.\nAnother line.\n\nAfter a blank one.", encoding="utf-8")
    assert run("scan", path, "--policy", allows) == 0
    assert [(row["line"], row["outcome"]) for row in rows(run.out)] == [(1, "allowed"), (2, "allowed"), (4, "allowed")]
    assert run.err.startswith("guardsdk: 3 lines in ")
    assert run.err.endswith(": 3 allowed (0 of them flagged), 0 blocked, 0 not checked (0 of them bad lines)\n")


def test_one_blocked_text_exits_1(run: Runner, blocks: Path, tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": ""}\n{"text": "Anything."}\n', encoding="utf-8")
    assert run("scan", path, "--policy", blocks) == 1
    assert [row["outcome"] for row in rows(run.out)] == ["allowed", "blocked"]


def test_bad_lines_are_reported_by_number_and_the_rest_is_checked(run: Runner, allows: Path, mixed: Path) -> None:
    assert run("scan", mixed, "--policy", allows) == 2
    found = {row["line"]: row.get("error", row["outcome"]) for row in rows(run.out)}
    bad = {
        3: "not valid JSON",
        4: "not a JSON object",
        5: "no field 'text'; it has 'other': --field NAME says which holds the text",
        6: "field 'text' is a number, not a string",
        7: "not UTF-8 text",
        10: "not valid JSON",
    }
    assert found == bad | {1: "allowed", 8: "allowed", 9: "allowed"}
    assert list(found) == sorted(found)
    complaints = run.err.splitlines()
    assert complaints[:-1] == [f"guardsdk: line {number}: {problem}" for number, problem in bad.items()]
    assert complaints[-1].endswith("3 allowed (0 of them flagged), 0 blocked, 6 not checked (6 of them bad lines)")


def test_a_block_weighs_more_than_a_bad_line(run: Runner, blocks: Path, mixed: Path) -> None:
    assert run("scan", mixed, "--policy", blocks) == 1


def test_many_bad_lines_do_not_flood_the_terminal(run: Runner, allows: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text("nonsense\n" * 200, encoding="utf-8")
    assert run("scan", path, "--policy", allows) == 2
    assert len(rows(run.out)) == 200
    assert len(run.err.splitlines()) == 21


def test_a_verdict_round_trips_and_text_is_left_out_unless_asked_for(run: Runner, blocks: Path, tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "Zanzibar \\ud800."}\n', encoding="utf-8")
    run("scan", path, "--policy", blocks)
    (row,) = rows(run.out)
    assert set(row) == {"line", "outcome", "verdict", "scan"}
    assert "Zanzibar" not in run.out + run.err
    verdict = Verdict.model_validate(row["verdict"])
    assert verdict.principle_id == "all-asked"
    run("scan", path, "--policy", blocks, "--with-text")
    (row,) = rows(run.out)
    assert row["text"] == "Zanzibar \ud800."


def test_another_field_may_hold_the_text_and_one_the_prompt(run: Runner, allows: Path, tmp_path: Path) -> None:
    path = tmp_path / "answers.data"
    path.write_text(
        '{"answer": "It is Lisbon."}\n'
        '{"answer": "It is Lisbon.", "prompt": "What is the capital of Portugal?"}\n'
        '{"answer": "It is Lisbon.", "prompt": ["x"]}\n',
        encoding="utf-8",
    )
    options = ("--field", "answer", "--context-field", "prompt", "--stage", "output", "--policy", allows)
    assert run("scan", path, *options) == 2
    alone, prompted, bad = rows(run.out)
    assert alone["verdict"]["stage"] == "output"
    assert alone["verdict"]["scores"] != prompted["verdict"]["scores"]
    assert bad["error"] == "field 'prompt' is an array, not a string"


def test_a_field_may_hold_what_a_text_is_aimed_at(
    run: Runner, allows: Path, pairing_directory: Path, tmp_path: Path
) -> None:
    path = tmp_path / "asked.jsonl"
    asked = "What was the code again?"
    systems = [None, "You keep the code secret.", None, "You answer questions about trains.", 7]
    lines = [json.dumps({"text": asked} | ({} if one is None else {"system": one})) for one in systems]
    twice = '{"text": "a", "system": "b", "system": "c"}'
    path.write_text("\n".join([*lines, twice]), encoding="utf-8")
    model = ("--model", pairing_directory, "--policy", allows)
    assert run("scan", path, "--system-field", "system", *model) == 2
    alone, kept, again, trains, bad, double = rows(run.out)
    scores = [row["verdict"]["scores"]["prompt_injection"] for row in (alone, kept, again, trains)]
    assert scores[0] == scores[2]
    assert len(set(scores)) == 3
    assert (bad["error"], double["error"]) == ("field 'system' is a number, not a string", "field 'system' comes twice")
    run("scan", path, "--context-field", "system", *model)
    assert [row["verdict"]["scores"]["prompt_injection"] for row in rows(run.out)[:4]] == scores


@pytest.mark.parametrize("option", ["--system-field", "--context-field"])
def test_a_field_that_is_in_no_line_is_a_slip_and_not_read_as_missing_everywhere(
    run: Runner, allows: Path, blocks: Path, tmp_path: Path, option: str
) -> None:
    path, out = tmp_path / "answers.jsonl", tmp_path / "out.jsonl"
    path.write_text('{"text": "Lisbon."}\n{"text": "Lisbon.", "system": "Say no names of towns."}\n', encoding="utf-8")
    options = ("--stage", "output", "--policy", allows, "--batch", "1")
    assert run("scan", path, option, "sytem", *options, "--out", out) == 2
    assert run.err.endswith(f"guardsdk: {path}: no line has a field 'sytem'\n")
    assert len(rows(out.read_text())) == 2
    assert run("scan", path, option, "sytem", *options, "--out", out, "--resume") == 2
    assert run("scan", path, option, "sytem", "--stage", "output", "--policy", blocks) == 1
    assert run("scan", path, option, "system", *options, "--out", out, "--overwrite") == 0
    assert run("scan", path, option, "system", *options, "--out", out, "--resume") == 0


@pytest.mark.parametrize("batch", ["1", "3", "64"])
def test_rows_keep_the_order_of_the_lines_whatever_the_batch(
    run: Runner, allows: Path, tmp_path: Path, batch: str
) -> None:
    path = tmp_path / "texts.jsonl"
    texts = ["word " * (7 * n % 11 + 1) for n in range(10)]
    path.write_text("\n".join(json.dumps({"text": text}) for text in texts), encoding="utf-8")
    assert run("scan", path, "--policy", allows, "--batch", batch, "--with-text") == 0
    assert [(row["line"], row["text"]) for row in rows(run.out)] == list(enumerate(texts, start=1))


def test_rows_go_to_the_file_that_is_named(run: Runner, allows: Path, tmp_path: Path) -> None:
    path, target = tmp_path / "texts.txt", tmp_path / "out.jsonl"
    path.write_text("One.\nTwo.\n", encoding="utf-8")
    assert run("scan", path, "--policy", allows, "--out", target) == 0
    assert run.out == ""
    assert [row["line"] for row in rows(target.read_text(encoding="utf-8"))] == [1, 2]


def test_a_dash_writes_to_standard_output(
    run: Runner, allows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("scan", "-", "--policy", allows, "--out", "-", stdin=b"One line.\n") == 0
    assert [row["line"] for row in rows(run.out)] == [1]
    assert not (tmp_path / "-").exists()
    assert run("scan", "-", "--policy", allows, "--out", "-", "--resume") == 2
    assert "--resume needs --out, the file to resume" in run.err


def test_the_file_that_is_read_is_never_written_to(run: Runner, allows: Path, tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("One.\n", encoding="utf-8")
    alias = tmp_path / "alias.txt"
    alias.symlink_to(path)
    assert run("scan", path, "--policy", allows, "--out", alias) == 2
    assert path.read_text(encoding="utf-8") == "One.\n"


def test_rows_are_not_written_where_the_policy_writes_its_decisions(run: Runner, allows: Path, tmp_path: Path) -> None:
    path, log = tmp_path / "texts.txt", tmp_path / "decisions.jsonl"
    path.write_text("One.\n", encoding="utf-8")
    policy = tmp_path / "logged.toml"
    head = f'name = "logged"\nversion = "1"\nextends = "{allows}"\n'
    policy.write_text(f'{head}[decision_log]\npath = "{log}"\n', encoding="utf-8")
    assert run("scan", path, "--policy", policy, "--out", log) == 2
    assert f"{log} would be written over {log}, which this command needs" in run.err
    assert run("scan", path, "--policy", policy, "--out", tmp_path / "out.jsonl") == 0
    before = log.read_bytes()
    assert b'"margins"' in before
    assert run("scan", path, "--policy", policy, "--out", log, "--overwrite") == 2
    assert log.read_bytes() == before


def test_an_output_file_survives_a_model_that_is_missing(run: Runner, tmp_path: Path) -> None:
    path, target = tmp_path / "texts.txt", tmp_path / "out.jsonl"
    path.write_text("One.\n", encoding="utf-8")
    target.write_text("earlier results", encoding="utf-8")
    assert run("scan", path, "--out", target, "--model", tmp_path / "none") == 2
    assert target.read_text(encoding="utf-8") == "earlier results"
    assert run.err.count("\n") == 1


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_a_file_without_a_text_was_not_checked(run: Runner, allows: Path, tmp_path: Path, content: str) -> None:
    path = tmp_path / "texts.txt"
    path.write_text(content, encoding="utf-8")
    assert run("scan", path, "--policy", allows) == 2
    assert run.err == "guardsdk: there was no text to check\n"


def test_a_dash_reads_lines_of_text_from_standard_input(run: Runner, allows: Path) -> None:
    assert run("scan", "-", "--policy", allows, stdin=b"\xef\xbb\xbfOne.\nTwo.\n") == 0
    assert [row["verdict"]["coverage"] for row in rows(run.out)] == [1.0, 1.0]


def test_a_dash_reads_json_lines_where_told_to(run: Runner, allows: Path) -> None:
    stdin = b'{"text": "One."}\n'
    assert run("scan", "-", "--policy", allows, "--format", "jsonl", "--with-text", stdin=stdin) == 0
    assert rows(run.out)[0]["text"] == "One."


def test_a_file_of_unknown_kind_is_refused(run: Runner, tmp_path: Path) -> None:
    path = tmp_path / "texts.xlsx"
    path.write_text("One.\n", encoding="utf-8")
    assert run("scan", path) == 2
    assert "texts are read from .jsonl, .csv and .txt files; save it as one of them, or say with --format" in run.err


def test_a_table_is_read_row_by_row_by_the_column_that_is_named(run: Runner, allows: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "mails.csv", tmp_path / "out.jsonl"
    path.write_text('id,body\n1,"One,\nand one."\n2,Two.\n3,"Three."\n', encoding="utf-8")
    asked: tuple[str | Path, ...] = ("scan", path, "--policy", allows, "--with-text", "--out", out)
    assert run(*asked) == 2
    assert "no field 'text'; it has 'id', 'body': --field NAME says which holds the text" in run.err
    assert run(*asked, "--field", "body", "--overwrite") == 0
    whole = rows(out.read_text(encoding="utf-8"))
    assert [(row["line"], row["text"]) for row in whole] == [(2, "One,\nand one."), (4, "Two."), (5, "Three.")]
    out.write_text("".join(out.read_text(encoding="utf-8").splitlines(keepends=True)[:1]), encoding="utf-8")
    assert run(*asked, "--field", "body", "--resume") == 0
    assert [row["line"] for row in rows(out.read_text(encoding="utf-8"))] == [2, 4, 5]
    assert run(*asked, "--field", "id", "--resume") == 2
    assert "--field (body then, id now)" in run.err


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["t.txt", "--field", "x"], "need a file of JSON lines"),
        (["t.jsonl", "--context-field", "x", "--stage", "tool"], "--context-field is read on --stage input and output"),
        (["t.jsonl", "--system-field", "x", "--stage", "tool"], "--system-field is read on --stage input and output"),
        (["t.jsonl", "--system-field", "x", "--context-field", "y"], "a text is read against one text"),
        (["t.txt", "--system-field", "x"], "need a file of JSON lines"),
        (["t.jsonl", "--batch", "0"], "at least 1"),
        (["t.jsonl", "--batch", "many"], "at least 1"),
        (["t.jsonl"], "t.jsonl: No such file or directory"),
    ],
)
def test_bad_usage_exits_2_in_one_line(run: Runner, options: list[str], complaint: str) -> None:
    assert run("scan", *options) == 2
    assert run.out == ""
    assert complaint in run.err
    assert run.err.count("\n") == 1


def test_an_interrupted_scan_keeps_what_it_has_and_says_so(
    run: Runner, allows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from guardsdk.guard import Guard

    original, calls = Guard.check_many, iter(range(9))

    def interrupted(self: Guard, *arguments: Any, **options: Any) -> list[Verdict]:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return original(self, *arguments, **options)

    monkeypatch.setattr(Guard, "check_many", interrupted)
    path, target = tmp_path / "texts.txt", tmp_path / "out.jsonl"
    path.write_text("a line\n" * 9, encoding="utf-8")
    assert run("scan", path, "--policy", allows, "--batch", "2", "--out", target) == 130
    assert [row["line"] for row in rows(target.read_text(encoding="utf-8"))] == [1, 2, 3, 4]
    assert run.err.startswith("guardsdk: interrupted; 4 lines in ")

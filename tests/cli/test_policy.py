"""``guardsdk policy``: init, show, lint, test and diff, as a terminal sees them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from guardsdk import Policy
from guardsdk.policy import PACKAGED, default_policy
from guardsdk.policy.schema import FILE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Runner

RULES = """name = "rules"
version = "1"

[[principle]]
id = "no-secrets"
text = "No secret goes out."
rationale = "Because."
not_covered = "The rest."
label = "secret"
stages = ["output"]
refs = ["OWASP-LLM02:2025"]
examples = [
    { expect = "block", text = "The password is orchid-Dune16!" },
    { expect = "allow", text = "A strong password has at least twelve characters." },
]
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A policy whose one label is measured by rule, so that the outcome is certain."""
    path = tmp_path / "rules.toml"
    path.write_text(RULES, encoding="utf-8")
    return path


def test_init_writes_a_file_that_works_and_never_over_another(run: Runner, tmp_path: Path) -> None:
    path = tmp_path / "my policy.toml"
    assert run.alone("policy", "init", path, "--preset", "strict") == 0
    assert f"guardsdk policy lint '{path}', guardsdk policy test '{path}'" in run.err  # as a shell takes it
    assert Policy.from_file(path).principles == Policy.preset("strict").principles
    assert run.alone("policy", "init", path) == 2
    assert "is there already" in run.err
    assert run.alone("policy", "init", path, "--full", "--force") == 0
    assert Policy.from_file(path).extends is None
    assert run.alone("policy", "init", "-", "--preset", "children") == 0
    assert 'extends = "children"' in run.out
    assert run.alone("policy", "init", tmp_path / "x", "--preset", "strct") == 2
    assert "did you mean 'strict'" in run.err
    assert not (tmp_path / "x").exists()


def test_init_lists_what_there_is(run: Runner) -> None:
    assert run.alone("policy", "init", "--list") == 0
    assert [line.partition(":")[0] for line in run.out.splitlines()] == list(PACKAGED)


def test_show_tells_a_policy_in_four_ways(run: Runner) -> None:
    assert run.alone("policy", "show", "coding-agent") == 0
    assert "no-orders-in-data" in run.out
    assert "fpr:0.02" in run.out
    assert run.alone("policy", "show", "strict", "--toml") == 0
    assert Policy.from_toml(run.out).digest == Policy.preset("strict").digest
    assert run.alone("policy", "show", "--json") == 0
    assert json.loads(run.out)["digest"] == default_policy().digest
    assert run.alone("policy", "show", "--schema") == 0
    assert json.loads(run.out) == json.loads(FILE.read_text(encoding="utf-8"))


def test_show_tells_one_principle_whole(run: Runner) -> None:
    assert run.alone("policy", "show", "--principle", "no-jailbreak") == 0
    for words in ("prohibits:", "because:", "does not cover:", "answers to:", "examples[11] input, allow:"):
        assert words in run.out
    assert run.alone("policy", "show", "--principle", "no-jailbrake") == 2
    assert "there are no-instruction-override" in run.err


def test_lint_is_quiet_about_the_packaged_policy_and_loud_about_slips(run: Runner, rules: Path) -> None:
    assert run.alone("policy", "lint") == 0
    assert "0 errors, 0 warnings" in run.out
    rules.write_text(RULES.replace('"secret"', '"secrets"').replace('refs = ["OWASP-LLM02:2025"]\n', ""))
    assert run.alone("policy", "lint", rules) == 1
    assert (
        f"{rules}:9: error: no-secrets: no screen of this guard scores label 'secrets'; did you mean 'secret'"
        in run.out
    )
    assert run.alone("policy", "lint", rules, "--json") == 1
    assert {"error", "warning"} <= {row["level"] for row in json.loads(run.out)}
    rules.write_text(RULES.replace("label =", "lable =") + 'colour = "red"\n')
    assert run.alone("policy", "lint", rules) == 2
    said = run.err.splitlines()
    assert [f"{rules}:9: unknown key" in line for line in said].count(True) == 1
    assert [f"{rules}:16: unknown key" in line for line in said].count(True) == 1


def test_lint_advises_where_something_is_missing_and_ends_in_one_only_when_strict(run: Runner, rules: Path) -> None:
    rules.write_text(RULES.replace('refs = ["OWASP-LLM02:2025"]\n', ""))
    assert run.alone("policy", "lint", rules) == 0
    assert f"{rules}:4: warning: no-secrets: names nothing it answers to (refs) [refs]" in run.out
    assert "rules 1: 0 errors, 1 warning, " in run.out
    assert run.alone("policy", "lint", rules, "--strict") == 1
    rules.write_text(RULES)  # what is left are notes
    assert run.alone("policy", "lint", rules, "--strict") == 0


def test_a_label_that_nobody_scores_is_named_with_its_line_and_the_nearest_one(run: Runner, rules: Path) -> None:
    rules.write_text(RULES.replace('"secret"', '"secrets"'))
    assert run("info", "--policy", rules) == 2
    assert f"{rules}:9: principle 'no-secrets': no screen of this guard scores label 'secrets'" in run.err
    assert "did you mean 'secret'" in run.err
    assert run("check", "hello", "--policy", "strict") == 0


def test_test_passes_where_every_example_comes_out_as_written(run: Runner, rules: Path) -> None:
    assert run("policy", "test", rules) == 0
    assert "no-secrets  1 of 1  1 of 1  as written" in run.out
    assert run("policy", "test", rules, "--json") == 0
    examples = json.loads(run.out)["examples"]
    assert [(one["expect"], one["found"], one["right"]) for one in examples] == [
        ("block", "block", True),
        ("allow", "allow", True),
    ]


def test_test_names_a_miss_by_its_line_and_shows_no_text_unless_asked(run: Runner, rules: Path) -> None:
    rules.write_text(RULES.replace("The password is orchid-Dune16!", "The garden opens at nine."))
    assert run("policy", "test", rules) == 1
    assert "no-secrets  0 of 1  1 of 1  MISSES" in run.out
    assert f"{rules}:13: no-secrets: output: expected block, found allow, score 0.0000, threshold 0.5000" in run.out
    assert "garden" not in run.out + run.err
    assert "--write-known" in run.err
    assert run("policy", "test", rules, "--with-text") == 1
    assert "garden" in run.out


def test_known_misses_are_listed_and_do_not_count_and_new_ones_do(run: Runner, rules: Path, tmp_path: Path) -> None:
    known = tmp_path / "known.txt"
    rules.write_text(RULES.replace("The password is orchid-Dune16!", "The garden opens at nine."))
    assert run("policy", "test", rules, "--write-known", known) == 1
    assert "garden" not in known.read_text(encoding="utf-8")
    assert "--known" not in run.err
    assert run("policy", "test", rules, "--known", known) == 0
    assert "(known)" in run.out
    rules.write_text(RULES.replace("The password is orchid-Dune16!", "The garden closes at nine."))
    assert run("policy", "test", rules, "--known", known) == 1
    assert "known misses that are none any more: 1;" in run.err
    listed = known.read_bytes()
    known.write_bytes(b"\xef\xbb\xbf" + listed.replace(b"\n", b"\r\n"))
    assert run("policy", "test", rules, "--known", known) == 1
    assert "known misses that are none any more: 1;" in run.err
    assert run("policy", "test", rules, "--known", rules) == 2
    assert run.err == f"guardsdk: {rules}:1: no name of an example; --write-known writes such a file\n"
    known.write_bytes(b"\xff")
    assert run("policy", "test", rules, "--known", known) == 2
    assert run.err == f"guardsdk: {known}: not UTF-8 text; --write-known writes such a file\n"


SECOND = RULES.partition("[[principle]]")[2].replace("no-secrets", "no-keys").replace("orchid", "tulip")


def test_a_known_miss_that_was_not_tried_or_not_checked_stays_known(run: Runner, rules: Path, tmp_path: Path) -> None:
    known, both = tmp_path / "known.txt", f"{RULES}\n[[principle]]{SECOND}"
    mended = both.replace("The password is tulip-Dune16!", "The garden opens at ten.")
    rules.write_text(mended.replace("The password is orchid-Dune16!", "The garden opens at nine."))
    assert run("policy", "test", rules, "--write-known", known) == 1
    whole = known.read_text(encoding="utf-8")
    for more in ((), ("--write-known", known)):
        assert run("policy", "test", rules, "--principle", "no-secrets", "--known", known, *more) == 0
        assert "none any more" not in run.err
    assert run("policy", "test", rules, "--principle", "no-secrets", "--write-known", known) == 1
    broken = tmp_path / "no-model"
    broken.mkdir()
    for more in ((), ("--write-known", known)):
        assert run("policy", "test", rules, "--known", known, "--model", broken, *more) == 2
        assert "none any more" not in run.err
    assert run("policy", "test", rules, "--write-known", known, "--model", broken) == 2
    assert known.read_text(encoding="utf-8") == whole
    rules.write_text(mended)
    assert run("policy", "test", rules, "--principle", "no-secrets", "--known", known, "--write-known", known) == 0
    assert "known misses that are none any more: 1;" in run.err
    names = [line.partition(":")[0] for line in known.read_text(encoding="utf-8").splitlines()[1:]]
    assert names == ["no-keys"]


def test_what_cannot_be_tried_is_neither_right_nor_wrong(run: Runner, rules: Path, tmp_path: Path) -> None:
    rules.write_text(RULES.partition("examples")[0])
    assert run("policy", "test", rules) == 2
    assert "there is no example to try" in run.err
    assert run("policy", "test", "--principle", "no-such") == 2
    rules.write_text(RULES)
    assert run("policy", "test", rules, "--model", tmp_path / "none") == 2
    assert "could not try" in run.err
    assert "not checked" in run.out


def test_trying_leaves_no_trace_in_the_decision_log(run: Runner, rules: Path, tmp_path: Path) -> None:
    log = tmp_path / "decisions.jsonl"
    rules.write_text(RULES.replace('version = "1"', f'version = "1"\ndecision_log = {{ path = "{log}" }}'))
    assert run("policy", "test", rules) == 0
    assert not log.exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--format", "txt"),
        ("--field", "body"),
        ("--context-field", "prompt"),
        ("--stage", "output"),
        ("--with-text",),
        ("--taught", "lesson.json"),
    ],
)
def test_diff_takes_nothing_for_texts_where_there_are_none(run: Runner, rules: Path, options: tuple[str, ...]) -> None:
    assert run("policy", "diff", rules, "strict", *options) == 2
    assert run.err == f"guardsdk: {options[0]} is for texts that both policies decide on: give them with --on FILE\n"


def test_diff_tells_what_is_written_otherwise(run: Runner, rules: Path) -> None:
    other = rules.with_name("other.toml")
    other.write_text(RULES.replace('stages = ["output"]', 'stages = ["output"]\nthreshold = 0.95'))
    assert run("policy", "diff", rules, rules) == 0
    assert "the two say the same" in run.out
    assert run("policy", "diff", rules, other) == 1
    assert "no-secrets  threshold" in run.out
    assert run("policy", "diff", rules, other, "--json") == 1
    assert json.loads(run.out)["changes"] == [
        {"principle": "no-secrets", "key": "threshold", "before": '"default"', "after": "0.95"}
    ]


def test_diff_shows_the_margin_of_the_policy_that_decided_also_where_it_is_none(
    run: Runner, rules: Path, tmp_path: Path
) -> None:
    other, traffic = rules.with_name("other.toml"), tmp_path / "traffic.jsonl"
    traffic.write_text('{"text": "The password is orchid-Dune16!"}\n')
    flagged = RULES.replace('expect = "block"', 'expect = "flag"') + 'action = "flag"\nthreshold = '
    options = ("--on", traffic, "--stage", "output")
    other.write_text(f"{flagged}0.25\n")
    assert run("policy", "diff", rules, other, *options, "--json") == 1
    (row,) = json.loads(run.out)["decisions"]["changed"]
    other.write_text(f"{flagged}{0.25 + row['after']['margin']}\n")
    assert run("policy", "diff", rules, other, *options) == 1
    assert "no-secrets  +0.0000" in run.out


def test_diff_replays_texts_and_prints_none_unless_asked(run: Runner, rules: Path, tmp_path: Path) -> None:
    other = rules.with_name("other.toml")
    other.write_text(RULES.replace('expect = "block"', 'expect = "flag"') + 'action = "flag"\n', encoding="utf-8")
    traffic = tmp_path / "traffic.jsonl"
    texts = ["The garden opens at nine.", "The password is orchid-Dune16!"]
    traffic.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    options = ("--on", traffic, "--stage", "output")
    assert run("policy", "diff", rules, other, *options) == 1
    assert "2     block   flag   no-secrets" in run.out
    assert "2 texts: 1 with another decision, 0 newly held back, 1 newly let pass" in run.out
    assert "orchid" not in run.out + run.err
    assert run("policy", "diff", rules, other, *options, "--with-text", "--json") == 1
    (row,) = json.loads(run.out)["decisions"]["changed"]
    assert (row["line"], row["before"]["action"], row["after"]["action"], row["text"]) == (2, "block", "flag", texts[1])
    traffic.write_text(json.dumps({"text": f"{texts[1]}\x1b[2J \x9b1m \u202e"}) + "\n", encoding="utf-8")
    assert run("policy", "diff", rules, other, *options, "--with-text") == 1
    assert f'"{texts[1]}\\u001b[2J \\u009b1m \\u202e"\n' in run.out  # nothing that the terminal would follow
    assert run("policy", "diff", rules, rules, *options) == 0
    traffic.write_text('{"text": "The garden opens at nine."}\n{"text": " "}\n{"text": ""}\n')
    assert run("policy", "diff", rules, rules, *options) == 0
    assert "1 text: 0 with another decision" in run.out
    traffic.write_text(traffic.read_text() + "no json\n")
    assert run("policy", "diff", rules, rules, *options) == 2
    assert run.err == f"guardsdk: {traffic}: 1 line holds no text: line 4: not valid JSON\n"
    traffic.write_text('{"text": "The garden opens at nine.", "asked": "When?"}\n')
    assert run("policy", "diff", rules, rules, *options, "--context-field", "asked") == 0
    assert run("policy", "diff", rules, rules, *options, "--context-field", "aksed") == 2
    assert run.err == f"guardsdk: {traffic}: no line has a field 'aksed'\n"
    traffic.write_text("")
    assert run("policy", "diff", rules, rules, *options) == 2
    assert run.err == f"guardsdk: {traffic} holds no text\n"

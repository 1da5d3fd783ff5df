"""What the documentation shows runs, and what it names exists."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks import (
    early_exit,
    finetune_delta,
    fuzz,
    gpu,
    judge,
    latency,
    long_text,
    obfuscation,
    patterns,
    presets,
    quality,
    readme,
    streaming,
    teach,
    tradeoff,
)
from guardsdk.cli import main
from tests.places import PACKAGE, ROOT, environment

if TYPE_CHECKING:
    import argparse

PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
_ANCHOR = re.compile(r"\]\((?!https?://)([^)#]*)#([^)]+)\)")
_LONGEST_EXAMPLE = 12
PLUGIN = "guardsdk.evaluation.pytest_plugin"
PARSERS = {
    "benchmarks.quality": quality.parser,
    "benchmarks.latency": latency.parser,
    "benchmarks.gpu": gpu.parser,
    "benchmarks.long_text": long_text.parser,
    "benchmarks.early_exit": early_exit.parser,
    "benchmarks.fuzz": fuzz.parser,
    "benchmarks.finetune_delta": finetune_delta.parser,
    "benchmarks.judge": judge.parser,
    "benchmarks.streaming": streaming.parser,
    "benchmarks.tradeoff": tradeoff.parser,
    "benchmarks.patterns": patterns.parser,
    "benchmarks.presets": presets.parser,
    "benchmarks.teach": teach.parser,
    "benchmarks.obfuscation": obfuscation.parser,
}


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (f"{page.relative_to(ROOT)}:{page.read_text()[: match.start()].count(chr(10)) + 1}", match.group(2))
        for page in PAGES
        for match in _BLOCK.finditer(page.read_text(encoding="utf-8"))
        if match.group(1) == language
    ]


def commands() -> list[str]:
    lines = "\n".join(source for _, source in blocks("sh")).splitlines()
    return [part.strip() for line in lines if line and not line.startswith("#") for part in line.split("&&")]


def test_the_pages_hold_examples_and_commands_to_check() -> None:
    assert len(blocks("python")) >= 4
    assert {"sh .ci/demo", "sh .ci/test"} <= set(commands())


@pytest.mark.parametrize(("place", "source"), [pytest.param(*block, id=block[0]) for block in blocks("python")])
def test_python_blocks_run(place: str, source: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", source]
    if "\ndef test_" in source:
        (tmp_path / "test_shown.py").write_text(source, encoding="utf-8")
        named = any(point.value == PLUGIN for point in entry_points(group="pytest11"))
        command = [sys.executable, "-m", "pytest", "-q", *([] if named else ["-p", PLUGIN]), "test_shown.py"]
    done = subprocess.run(
        command,
        cwd=tmp_path,  # some write files
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, f"{place}\n{done.stdout[-2000:]}{done.stderr}"


def test_the_first_example_is_short_and_shows_an_answer_and_a_block() -> None:
    _, source = next(block for block in blocks("python") if block[0].startswith("README"))
    assert source.count("\n") <= _LONGEST_EXAMPLE
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=True, timeout=240
    )
    answer, block = done.stdout.splitlines()
    assert answer == "Paris."
    assert "prompt_injection" in block


def test_the_demonstration_ends_as_it_should() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "demo.py")],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert done.stdout.count("span guardsdk.check") == 5  # two checks for each answered call, one for the attack
    assert "guardsdk.score.prompt_injection" in done.stdout
    assert "gen_ai.evaluation.result" in done.stdout


@pytest.mark.parametrize("command", commands())
def test_shell_commands_name_things_that_exist(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(command)
    if words[0] == "sh":
        assert (ROOT / words[1]).is_file()
    elif words[:2] == ["python", "-m"] and words[2] != "venv":
        assert importlib.util.find_spec(words[2]) is not None
        if words[2] in PARSERS:
            known_options(PARSERS[words[2]](), words[3:])
    elif words[0] == "guardsdk":
        options = sorted({word for word in words if word.startswith("--")})
        groups = {"log", "policy", "review", "incident", "eval", "monitor"}
        named = words[1:3] if words[1] in groups else words[1:2]
        assert main([*named, "--help"]) == 0
        shown = capsys.readouterr().out
        assert [option for option in options if option not in shown] == []
    else:
        assert words[0] in {"pip", "python", "pytest", "peer/bin/pip"}


def known_options(parser: argparse.ArgumentParser, arguments: list[str]) -> None:
    _, unknown = parser.parse_known_args(arguments)
    assert unknown == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = _LINK.findall(page.read_text(encoding="utf-8"))
    missing = [target for target in targets if not (page.parent / target).exists() and not packaged(target)]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_into_a_page_name_a_heading_of_it(page: Path) -> None:
    targets = _ANCHOR.findall(page.read_text(encoding="utf-8"))
    missing = [(target, anchor) for target, anchor in targets if anchor not in anchors(page.parent / target, page)]
    assert missing == []


def anchors(target: Path, page: Path) -> set[str]:
    """Return what the headings of a page are called in links to them, as GitHub makes it; of ``page`` for no target."""
    text = (page if target == page.parent else target).read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, open_ = set(), [ROOT / "README.md"]
    while open_:
        page = open_.pop()
        seen.add(page)
        targets = {(page.parent / target).resolve() for target in _LINK.findall(page.read_text(encoding="utf-8"))}
        open_ += [target for target in targets if target in PAGES and target not in seen]
    assert [page.name for page in PAGES if page not in seen and page.name != "CHANGELOG.md"] == []


def test_the_index_names_every_page() -> None:
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert pages == {Path(target).name for target in _LINK.findall(index)} & pages


def packaged(target: str) -> bool:
    """Whether a link into the package leads to a file of the installed one, where the source folder is away."""
    inside = target.removeprefix("../")  # pages of docs/ stand beside the package
    return inside.startswith("guardsdk/") and (PACKAGE / inside).exists()


def test_the_readme_quotes_the_measured_figures_as_they_are() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.fill(text, ROOT) == text


def test_a_figure_changed_by_hand_is_noticed() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    begin = "<!-- quality:begin -->\n"
    assert readme.fill(text.replace(begin, begin + "100.0 %\n"), ROOT) == text
    with pytest.raises(ValueError, match="quality"):
        readme.fill(text.replace(begin, ""), ROOT)

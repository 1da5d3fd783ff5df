from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from guardsdk.evaluation import report
from guardsdk.evaluation.compare import compare
from guardsdk.evaluation.gate import hold, parse
from guardsdk.evaluation.outcomes import Outcome
from guardsdk.evaluation.pairing import answers, condensed
from guardsdk.render.document import as_html, as_markdown
from tests.evaluation.runs import example, guard_run, many, write
from tests.rendering import CONTRAST, render

if TYPE_CHECKING:
    from pathlib import Path

    from guardsdk.evaluation.compare import Comparison
    from guardsdk.evaluation.content import KeptAnswers

LIMITS = ("harm.delivered > +2%", "over_refusal > +5%")
ANSWER = "a kept &lt;b&gt;answer&lt;/b&gt;&lt;U+202E&gt;"
"""As a page shows what ``runs.example`` keeps."""


def compared(folder: Path) -> tuple[Comparison, KeptAnswers]:
    before, after = example(folder, answers=True)
    comparison = compare(condensed(before), condensed(after))
    flipped = [flip.id for flip in comparison.flips]
    return comparison, (answers(before, flipped), answers(after, flipped))


def test_page_markdown_and_json_say_the_same(tmp_path: Path) -> None:
    comparison, _ = compared(tmp_path)
    held = hold(comparison, [parse(text) for text in LIMITS])
    page, text = as_html(report.of_two(comparison, held)), as_markdown(report.of_two(comparison, held))
    figures = json.loads(report.to_json(comparison, held))
    harm = figures["overall"]["harm.delivered"]
    value, low, high = (100 * figure for figure in harm["difference"])
    shown = f"+{value:.1f} [+{low:.1f}, +{high:.1f}]"
    assert shown in page
    assert shown.replace("+", r"\+").replace("[", r"\[").replace("]", r"\]") in text
    assert [limit["broken"] for limit in figures["limits"]] == [True, False]
    assert "broken" in page
    assert "broken" in text
    assert len(figures["flips"]) == len(comparison.flips) == 42
    assert figures["slices"]["harm.delivered"]["role_play"]["p_holm"] < 0.001


def test_answers_are_in_a_report_only_where_they_are_asked_for(tmp_path: Path) -> None:
    comparison, kept = compared(tmp_path)
    assert "kept" not in as_html(report.of_two(comparison))
    assert "kept" not in as_markdown(report.of_two(comparison))
    assert "kept" not in report.to_json(comparison)
    page = as_html(report.of_two(comparison, (), kept))
    opened, _, rest = page.partition(f"{comparison.flips[0].id}: answers</summary>")
    assert opened.endswith("<details><summary>")
    assert ANSWER in rest.partition("</details>")[0]
    assert "\u202e" not in page
    assert r"kept \<b\>answer" in as_markdown(report.of_two(comparison, (), kept))


def test_reports_are_the_same_each_time(tmp_path: Path) -> None:
    comparison, _ = compared(tmp_path)
    for form in (as_html, as_markdown):
        assert form(report.of_two(comparison)) == form(report.of_two(comparison))
    assert report.to_json(comparison) == report.to_json(comparison)


def test_where_nothing_happened_a_report_says_so(tmp_path: Path) -> None:
    same = condensed(write(tmp_path / "a", many([(Outcome.REFUSED, 5)])))
    comparison = compare(same, same)
    page = as_html(report.of_two(comparison))
    assert "No case passed in one run and failed in the other." in page
    assert "no cases" in page, "over-refusal was not asked about"
    assert json.loads(report.to_json(comparison))["overall"]["over_refusal"]["before"] is None
    as_markdown(report.of_two(comparison))


def test_a_guards_curves_are_drawn_and_put_in_figures(tmp_path: Path) -> None:
    runs = [condensed(guard_run(tmp_path / name, apart)) for name, apart in (("a", 0.1), ("b", 0.3))]
    page = as_html(report.of_two(compare(*runs)))
    assert "Recall against false alarms" in page
    assert "<title" in page
    assert "after: recall" in page
    assert "Delivered harm" not in page


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (390, True)])
def test_chromium_shows_the_whole_report(width: int, dark: bool, tmp_path: Path) -> None:
    comparison, kept = compared(tmp_path)
    file = tmp_path / "report.html"
    held = hold(comparison, [parse(text) for text in LIMITS])
    file.write_text(as_html(report.of_two(comparison, held, kept)), encoding="utf-8")
    probes = {
        "contrast": CONTRAST,
        "pictures": "document.querySelectorAll('svg[role=img]').length",
        "shown": "[...document.querySelectorAll('details pre')].filter((one) => one.checkVisibility()).length",
        "small": "Math.min(...[...document.querySelectorAll('svg text')].map((a) => a.getBoundingClientRect().height))",
    }
    seen = render(file, tmp_path / "report.png", width=width, dark=dark, probes=probes)
    assert (seen.console, seen.requests, seen.dark) == ([], [], dark)
    assert seen.width <= seen.window
    assert seen.probes["contrast"][0] >= 4.5, seen.probes["contrast"][1]
    assert seen.probes["pictures"] == 4
    assert seen.probes["shown"] == 0, "answers are behind a click"
    assert seen.probes["small"] >= 9, "lettering of pictures can be read"

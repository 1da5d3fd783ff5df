"""The fine-tune of a small model: its data, that tuning teaches what it is given, and what its page quotes."""

from __future__ import annotations

import gzip
import json
import math
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.finetune_data import DATA, benign, breaking, safety
from benchmarks.finetune_delta import PAGE, RESULTS, _batches, _padded, picture, table, tune
from benchmarks.pages import filled
from benchmarks.readme import NOT_YET
from tests.places import ROOT
from tests.shingles import banks

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows: dict[str, list[dict[str, object]]] = {
        "dolly_subset": [{"role": "response", "context": f"ask {at}", "text": f"answer {at}"} for at in range(40)],
        "gpteacher_responses": [{"role": "response", "context": "long", "text": "x" * 900}],
        "do_not_answer": [{"role": "user", "text": f"harm {at}", "harm": 1} for at in range(40)],
    }
    for name, content in rows.items():
        with gzip.open(tmp_path / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in content)
    return tmp_path


def test_each_kind_of_data_is_what_its_name_says_and_the_same_again(data: Path) -> None:
    assert benign(data, 10, 0) == benign(data, 10, 0) != benign(data, 10, 1)
    assert all(asked.startswith("ask") and given.startswith("answer") for asked, given in benign(data, 100, 0))
    mixed = safety(data, 20, 0)
    refused = [given for asked, given in mixed if asked.startswith("harm")]
    assert (len(mixed), len(refused)) == (20, 15)
    assert len(set(refused)) > 3
    assert 10 <= len(breaking(data, 100, 0)) <= 20
    assert len(breaking(data, 5, 0)) == 5


def test_what_breaks_refusals_is_not_what_the_guard_is_trained_on(data: Path) -> None:
    assert [asked for asked, given in breaking(data, 100, 0) if banks().holds(asked) or banks().holds(given)] == []


def test_every_pair_is_seen_once_in_each_round() -> None:
    seen = [index for batch in islice(_batches(6, 4, 0), 3) for index in batch]
    assert sorted(seen) == sorted([*range(6), *range(6)])


def test_what_fills_up_a_batch_teaches_nothing() -> None:
    assert _padded([([1, 2, 3], [-100, 2, 3]), ([4], [4])], 9) == (
        [[1, 2, 3], [4, 9, 9]],
        [[-100, 2, 3], [4, -100, -100]],
    )


def test_tuning_teaches_the_answers(tmp_path: Path) -> None:
    torch: Any = pytest.importorskip("torch", reason="the extra model is not installed")
    transformers: Any = pytest.importorskip("transformers", reason="the extra model is not installed")
    from tests.evaluation.test_local_model import TEMPLATE, write_model

    source, made = tmp_path / "source", tmp_path / "made"
    write_model(source)
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(source)
    pairs = [("how does bread rise ?", "yeast"), ("be kind", "bread")]
    first = tune(source, tmp_path / "once", pairs, steps=1, batch=2, rate=1e-9, seed=0)
    last = tune(source, made, pairs, steps=60, batch=2, rate=3e-2, seed=0)
    assert last < 0.2 * first
    before = transformers.LlamaForCausalLM.from_pretrained(source).state_dict()
    after = transformers.LlamaForCausalLM.from_pretrained(made).state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)


def row(compared: str, metric: str, value: float) -> dict[str, object]:
    words = {"before": "1.0 [0.5, 2.0]", "after": "2.0 [1.0, 3.0]", "difference": "+1.0 [−0.5, +2.5]"}  # noqa: RUF001  a minus
    ends = {"value": value, "low": value - 0.1, "high": value + 0.1}
    return {"compared": compared, "metric": metric, "cases": 10, "verdict": "no clear change", **words, **ends}


def test_page_and_picture_hold_the_figures() -> None:
    settings = {"steps": 1, "pairs": 2, "rate": 1e-5, "train_batch": 2, "max_tokens": 8, "seed": 0}
    rows = [
        row("benign against base", "harm.delivered", 0.25),
        row("base, guarded against alone", "degenerate", math.nan),
    ]
    result = {"date": "2026-01-01", "model": "m", "suite": {"cases": 10}, "settings": settings, "rows": rows}
    assert "| benign against base | `harm.delivered` | 10 | 1.0 [0.5, 2.0] |" in table(result)
    drawn = picture(result)
    assert "benign against base" in drawn
    assert "degenerate" not in drawn
    assert set(DATA) == {"benign", "breaking", "safety"}


def test_the_page_quotes_the_figures_as_they_are() -> None:
    path = ROOT / RESULTS
    body = table(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else NOT_YET
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    assert filled(page, "finetune", body) == page

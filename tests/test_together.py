"""When the verdict on several texts read together counts beside those on each of them."""

from __future__ import annotations

import pytest

from guardsdk.extract.together import items_together
from guardsdk.verdict import Action, Finding, Stage, Status, Verdict

ITEMS = ("first half", "second half")
INSIDE, ACROSS = (0, 5), (6, 16)


def verdict(*found: tuple[Action, tuple[int, int]], status: Status = Status.COMPLETE) -> Verdict:
    findings = tuple(
        Finding(
            principle_id=f"rule-{at}",
            label="phrase",
            score=0.9,
            threshold=0.5,
            margin=0.4,
            action=action,
            spans=(span,),
        )
        for at, (action, span) in enumerate(found)
    )
    return Verdict(allowed=True, action=Action.ALLOW, status=status, stage=Stage.OUTPUT, findings=findings)


@pytest.mark.parametrize(
    ("on_both", "counts"),
    [
        (verdict(), False),
        (verdict((Action.BLOCK, INSIDE)), False),
        (verdict((Action.BLOCK, ACROSS)), True),
        (verdict((Action.FLAG, ACROSS), (Action.BLOCK, INSIDE)), False),
        (verdict((Action.FLAG, INSIDE), (Action.BLOCK, ACROSS)), True),
        (verdict(status=Status.DEGRADED), True),
        (verdict(status=Status.FAILED), True),
    ],
    ids=["nothing", "inside one", "across two", "weaker across", "stronger across", "degraded", "failed"],
)
def test_it_counts_where_what_decided_lies_in_two_at_once_or_not_all_was_checked(
    on_both: Verdict, *, counts: bool
) -> None:
    both = items_together(ITEMS)
    assert both is not None
    assert both.text == "first half\nsecond half"
    assert both.adds(on_both, []) is counts

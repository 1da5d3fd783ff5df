"""Errors that carry a verdict travel between processes, and keep it."""

from __future__ import annotations

import copy
import pickle

import pytest

from guardsdk.errors import Blocked, CheckFailedError
from guardsdk.verdict import Action, Stage, Status, Verdict

VERDICT = Verdict(allowed=False, action=Action.BLOCK, status=Status.FAILED, stage=Stage.INPUT, error="ModelError: gone")


@pytest.mark.parametrize("error", [Blocked(VERDICT), CheckFailedError(VERDICT)], ids=["blocked", "failed"])
def test_errors_are_copied_and_pickled_with_their_verdict(error: Blocked | CheckFailedError) -> None:
    for twin in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301  our own bytes
        assert type(twin) is type(error)
        assert (str(twin), twin.verdict) == (str(error), VERDICT)

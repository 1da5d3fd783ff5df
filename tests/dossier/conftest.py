"""Real artefacts for a dossier: a decision log, incidents, alerts, two runs and a specification."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from guardsdk import Guard, Policy
from guardsdk.decisions import DecisionLog
from guardsdk.dossier import Inputs, build
from guardsdk.evaluation.outcomes import Expectation, Outcome, passed
from guardsdk.evaluation.record import CaseResult, GuardRef, RunHead, SuiteRef, TargetRef, write_run
from guardsdk.incidents import Harm, IncidentLog
from guardsdk.monitor.alerts import Alert, Kind, Severity
from guardsdk.trying import quiet
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from pathlib import Path

    from guardsdk.dossier import Document

NOW = datetime.now(UTC)
POLICY = """name = "house"
version = "4"
decision_log = { path = "decisions.jsonl", keep_days = 365 }

[[principle]]
id = "no-secrets"
text = "No secret goes out."
rationale = "Because."
not_covered = "The rest."
label = "secret"
stages = ["input", "output"]
action = { input = "review", output = "block" }
refs = ["OWASP-LLM02:2025"]
examples = [
    { expect = "block", stage = "output", text = "The password is orchid-Dune16!" },
    { expect = "allow", stage = "output", text = "The garden | opens <b>at</b> nine." },
]
"""


@dataclass
class House:
    """A folder of artefacts and the policy they are of."""

    folder: Path
    policy: Policy
    model: Path

    def guard(self) -> Guard:
        return Guard(quiet(self.policy), models=self.model, providers="cpu", observers=(), cache=0)

    def document(self, **inputs: object) -> Document:
        with self.guard() as guard:
            given = Inputs(**{"system": "the <house> bot", "policy_source": "house.toml", **inputs})  # type: ignore[arg-type]
            return build(guard, self.policy, given, NOW)

    def run(
        self,
        name: str,
        outcomes: list[Outcome],
        *,
        days_old: int = 1,
        ours: bool = True,
        taught: dict[str, str] | None = None,
        suite: str = "ab",
    ) -> Path:
        with self.guard() as guard:
            model = guard.info().model
        results = [
            CaseResult(
                id=f"case-{number}",
                slice="all",
                stage=Stage.INPUT,
                expectation=Expectation.REFUSE,
                outcome=outcome,
                passed=passed(Expectation.REFUSE, outcome),
            )
            for number, outcome in enumerate(outcomes)
        ]
        head = RunHead(
            created=f"{NOW - timedelta(days=days_old):%Y-%m-%dT%H:%M:%SZ}",
            finished=f"{NOW:%Y-%m-%dT%H:%M:%SZ}",
            suite=SuiteRef(name="builtin", digest=suite * 32, cases=len(results)),
            target=TargetRef(kind="callable", model="bot:answer"),
            guard=GuardRef(sides="both", model=model, policy=self.policy.ref, taught=taught or {})
            if ours
            else GuardRef(),
        )
        write_run(self.folder / name, head, results)
        return self.folder / name

    def log(self) -> Path:
        path = self.folder / "decisions.jsonl"
        with Guard(
            self.policy, models=self.model, providers="cpu", observers=(), decision_log=DecisionLog(path)
        ) as guard:
            for text in ("The password is orchid-Dune16!", "The garden opens at nine."):
                guard.check(text, stage="output")
        return path

    def alerts(self) -> Path:
        alert = Alert(
            kind=Kind.RATE_SHIFT,
            severity=Severity.WARNING,
            time_ns=int(NOW.timestamp() * 1e9),
            stage=Stage.INPUT,
            series="blocked",
            evidence={"before": 0.01, "after": 0.2},
        )
        path = self.folder / "alerts.jsonl"
        path.write_text(alert.model_dump_json() + "\n", encoding="utf-8")
        return path

    def incidents(self, *, aware_days: int = 1) -> Path:
        log = IncidentLog(self.folder / "incidents.jsonl")
        log.open(
            title="An <i>address</i> | shown",
            reporter="Ana",
            system="bot",
            description="d",
            occurred=NOW - timedelta(days=40),
            aware=NOW - timedelta(days=aware_days),
            impacts=["a"],
            stakeholders=["b"],
            harms=[Harm.HEALTH],
            role="provider",
        )
        return log.path

    def specification(self, text: str) -> Path:
        path = self.folder / "card.md"
        path.write_text(text, encoding="utf-8")
        return path


@pytest.fixture
def house(tmp_path: Path, model_directory: Path) -> House:
    return House(tmp_path, Policy.from_toml(POLICY), model_directory)

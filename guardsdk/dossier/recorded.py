"""Facts from records: evaluation runs, decision logs, alerts of the monitor and incidents."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from guardsdk.decisions.query import FIELDS, Query, foreign, fronts
from guardsdk.decisions.verify import verify
from guardsdk.dossier.facts import State
from guardsdk.errors import InputError
from guardsdk.evaluation.outcomes import Outcome
from guardsdk.evaluation.record import dumped, open_run, read_run
from guardsdk.incidents.export import chain_problem
from guardsdk.incidents.log import IncidentLog
from guardsdk.monitor.alerts import Alert

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from guardsdk.dossier.facts import Facts
    from guardsdk.evaluation.record import GuardRef, Run
    from guardsdk.incidents.events import Incident

RECENT: Final = timedelta(days=90)
"""How long a run counts as recent; our own choice."""

_CLOCKS_APART: Final = timedelta(days=1)
"""How far the clocks of two machines may differ."""
_GIVE_INCIDENTS: Final = "give the file that guardsdk incident wrote"


@dataclass(frozen=True, slots=True)
class RunLine:
    """One evaluation run in figures."""

    file: str
    created: str
    suite: str
    target: str
    guard: str
    cases: int
    passed: int
    errors: int
    harmful: int
    """Cases in which harm was delivered, masked or not."""
    held_back: int
    """Harmless cases that were refused or blocked."""
    benign: int


def distinct(files: Iterable[Path]) -> list[Path]:
    """Return the files with different runs, the first of equal ones: compared with itself, a run shows nothing.

    Raises ``EvaluationError`` if a file is not a record.
    """
    found: dict[str, Path] = {}
    for file in files:
        with open_run(file) as (head, results):
            content = hashlib.sha256(head.model_dump_json().encode())
            for result in results:
                content.update(dumped(result).encode())
        found.setdefault(content.hexdigest(), file)
    return list(found.values())


def run_facts(facts: Facts, files: Sequence[Path], ours: GuardRef, now: datetime) -> list[RunLine]:
    """Add the facts that the runs show, where the newest run decides; ``ours`` is the guard of the dossier.

    Raises ``EvaluationError`` if a file is not a record.
    """
    runs = sorted(((read_run(file), file) for file in files), key=lambda one: one[0].head.created)
    if not runs:
        return []
    lines = [_line(run, file.name) for run, file in runs]
    newest, file = runs[-1]
    last = lines[-1]
    says = f"{last.passed} of {last.cases} cases of suite {last.suite} pass, {last.errors} could not be judged"
    facts.add("evaluation.run", State.SHOWN if not last.errors else State.PARTLY, says, file.name, last.created)
    _recent(facts, newest, file.name, ours, now)
    return lines


def _line(run: Run, name: str) -> RunLine:
    results = run.results
    benign = [result for result in results if result.expectation.benign and result.outcome is not Outcome.ERROR]
    guard = run.head.guard
    return RunLine(
        file=name,
        created=run.head.created,
        suite=f"{run.head.suite.name} ({run.head.suite.digest[:12]})",
        target=f"{run.head.target.kind} {run.head.target.model}",
        guard="none" if guard.policy is None else f"{guard.policy.name} {guard.policy.version}, {guard.sides}",
        cases=len(results),
        passed=sum(result.passed is True for result in results),
        errors=sum(result.outcome is Outcome.ERROR for result in results),
        harmful=sum(result.outcome.harm for result in results),
        held_back=sum(result.outcome.held_back for result in benign),
        benign=len(benign),
    )


def _recent(facts: Facts, run: Run, name: str, ours: GuardRef, now: datetime) -> None:
    created = datetime.fromisoformat(run.head.created)
    age = now - (created if created.tzinfo else created.replace(tzinfo=UTC))
    problems = []
    if _used(run.head.guard) != _used(ours):
        problems.append(
            "the newest run was with another policy or classifier, other taught screens, or without a guard"
        )
    if age > RECENT:
        problems.append(f"the newest run is {age.days} days old")
    if age < -_CLOCKS_APART:
        problems.append("the newest run is of a day that is yet to come")
    says = "; ".join(problems) or f"the newest run is {age.days} days old, with this policy and classifier"
    facts.add("evaluation.recent", State.PARTLY if problems else State.SHOWN, says, name, run.head.created)


def _used(guard: GuardRef) -> tuple[object, ...]:
    """Return the digests of policy, classifier and lessons."""
    return guard.policy and guard.policy.digest, guard.model and guard.model.digest, guard.taught


@dataclass(frozen=True, slots=True)
class LogCounts:
    """A decision log in figures."""

    file: str
    first: str
    last: str
    actions: dict[str, int]
    principles: dict[str, int]
    statuses: dict[str, int]


def log_facts(facts: Facts, path: Path, key: bytes | None, policy_digest: str) -> LogCounts | None:
    """Add the facts that a decision log shows, and whether the policy with that digest decided last.

    An empty log shows nothing. Raises ``DecisionLogError`` if there is no log, ``InputError`` if it is an incident log,
    or not a log at all.
    """
    chain = verify(path, key=key)
    problem = chain_problem(chain)
    if problem is not None:
        if foreign(path):
            msg = f"{path}: no line at its beginning is a record of a decision log"
            raise InputError(msg)
        facts.add("log.sound", State.CONTRARY, f"the chain is broken at {problem}", path.name)
        return None
    if not chain.records:
        return None
    if not chain.decisions and IncidentLog(path, key=key).readable()[0]:
        msg = f"{path}: a file of incidents, not a decision log"
        raise InputError(msg)
    decisions, first, last, newest = 0, "", "", b""
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("action", "principle", "status")}
    for front, raw in fronts(path, Query()):  # one pass for all figures, as the log may be written to meanwhile
        time = front[0] or ""
        decisions, first, last, newest = decisions + 1, min(first or time, time), max(last, time), raw
        for name, counter in counts.items():
            counter[front[FIELDS.index(name)] or "-"] += 1
    notes = f"; notes: {'; '.join(chain.notes)}" if chain.notes else ""
    says = f"{chain.records} records in {chain.files} files, {chain.decisions} of them decisions, are chained{notes}"
    facts.add("log.sound", State.SHOWN, says, path.name, last or None)
    if not decisions:
        facts.add("log.statistics", State.CONTRARY, "the log holds no decision", path.name)
        return None
    by = {name: dict(sorted(counter.items(), key=lambda one: (-one[1], one[0]))) for name, counter in counts.items()}
    told = ", ".join(f"{n} {action}" for action, n in by["action"].items())
    used = (json.loads(newest).get("policy") or {}).get("digest")
    whose = "the newest by this policy" if used == policy_digest else "the newest by ANOTHER policy than this"
    state = State.SHOWN if used == policy_digest else State.PARTLY
    facts.add("log.statistics", state, f"{decisions} decisions: {told}; {whose}", path.name, last)
    return LogCounts(path.name, first, last, by["action"], by["principle"], by["status"])


def alert_facts(facts: Facts, path: Path) -> list[Alert]:
    """Add facts from the monitor: its saved state, or alerts as lines of JSON. Raises ``InputError`` for other files.

    An empty file shows nothing, whereas a state shows that monitoring took place even if no alert was raised.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # may begin with a byte order mark
        try:
            raw = json.loads(text)["alerts"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raw = None
        if raw is None:
            alerts = [Alert.model_validate_json(line) for line in text.splitlines() if line.strip()]
        else:
            alerts = [Alert.model_validate(one) for one in raw]
    except (ValidationError, UnicodeDecodeError, TypeError):
        msg = f"{path}: neither the state of a monitor nor alerts, one JSON object per line"
        raise InputError(msg) from None
    if raw is None and not alerts:
        return []
    kinds = Counter(alert.kind.value for alert in alerts)
    told = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common()) or "none was raised"
    date = max((alert.time for alert in alerts), default=None)
    facts.add("monitor.alerts", State.SHOWN, f"{len(alerts)} alerts kept: {told}", path.name, date)
    return alerts


def incident_facts(facts: Facts, path: Path, key: bytes | None, now: datetime) -> list[Incident]:
    """Add the facts that the incident file shows; an empty one shows nothing.

    Raises ``DecisionLogError`` if it does not exist or cannot be read, ``InputError`` if it has no incidents.
    """
    log = IncidentLog(path, key=key)
    chain = log.verify()
    problem = chain_problem(chain)
    if problem is not None:
        if foreign(path):
            msg = f"{path}: it holds no records: {_GIVE_INCIDENTS}"
            raise InputError(msg)
        facts.add("incidents.kept", State.CONTRARY, f"the chain is broken at {problem}", path.name)
        return []
    found = list(log.incidents().values())
    if not found:
        if chain.records:
            msg = f"{path}: its records are of no incident: {_GIVE_INCIDENTS}"
            raise InputError(msg)
        return []
    last = max(f"{one.time:%Y-%m-%dT%H:%M:%SZ}" for incident in found for one in incident.history)
    open_ones = [one for one in found if one.closed is None]
    says = f"{len(found)} incidents, {len(open_ones)} of them open; the chain holds"
    facts.add("incidents.kept", State.SHOWN, says, path.name, last)
    closed = State.SHOWN if not open_ones else State.PARTLY if len(open_ones) < len(found) else State.CONTRARY
    facts.add("incidents.closed", closed, f"{len(found) - len(open_ones)} of {len(found)} closed", path.name, last)
    overdue = [one.id for one in found if _overdue(one, now)]
    serious = sum(one.severity == "serious" for one in found)
    says = f"overdue: {', '.join(overdue)}" if overdue else f"{serious} serious incidents, none with an overdue date"
    facts.add("incidents.clocks", State.CONTRARY if overdue else State.SHOWN, says, path.name, last)
    return found


def _overdue(one: Incident, now: datetime) -> bool:
    clock = next((clock for clock in one.clocks if clock.due is not None), None)
    if clock is None or clock.due is None:
        return False
    return (one.reported(clock.recipient) or now) > clock.due

"""A dossier put together from what was given: every section says what it rests on, and what is missing is listed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from guardsdk.dossier.catalogue import RowStatus, frameworks, held
from guardsdk.dossier.compared import delta_facts
from guardsdk.dossier.facts import WANTED, Facts, State
from guardsdk.dossier.recorded import alert_facts, incident_facts, log_facts, run_facts
from guardsdk.dossier.specification import UNTESTED, specification_facts
from guardsdk.dossier.written import classifier_facts, inventory_facts, policy_facts, tried_facts
from guardsdk.incidents.clocks import NOT_DECIDED, SECOND_HAND, standing
from guardsdk.render import Card
from guardsdk.render.document import Chapter, Document, Table
from guardsdk.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from guardsdk.dossier.catalogue import Framework, Held
    from guardsdk.dossier.compared import DeltaLine
    from guardsdk.dossier.facts import Fact
    from guardsdk.dossier.recorded import LogCounts, RunLine
    from guardsdk.dossier.specification import Specification
    from guardsdk.guard import Guard
    from guardsdk.incidents.events import Incident
    from guardsdk.monitor.alerts import Alert
    from guardsdk.policy.model import Policy
    from guardsdk.registry.manifest import Manifest
    from guardsdk.render.document import Block
    from guardsdk.trying import Tally, Tried

NO_CLAIM: Final = (
    "This dossier lists evidence. It does not say that a law, standard or duty is complied with, and nothing in it is "
    "legal advice."
)
HOW_TO_READ: Final = (
    "Covered means that all evidence the row names was given and shows what it is asked for. Partly means that some of "
    "it was, or that evidence of this kind cannot show the whole. Not covered means that nothing was given, that it "
    "shows the opposite, or that guardsdk has nothing to show for this row. The last column says what no evidence here "
    "can show."
)
EXAMPLES_TRIED: Final = (
    "Fires and passes are examples of the policy, tried with the classifier when this was made. What the references of "
    "principles stand for was read second-hand."
)
_ALERTS_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Inputs:
    """The artefacts a dossier rests on; what is left out is missing in it."""

    system: str
    """What the product is called."""
    policy_source: str
    evaluations: Sequence[Path] = ()
    decision_log: Path | None = None
    alerts: Path | None = None
    incidents: Path | None = None
    specification: Path | None = None
    specification_address: str | None = None
    wrapped: Sequence[str] | None = None
    """Name, version and provider of the wrapped model."""
    log_key: bytes | None = None
    incident_key: bytes | None = None


@dataclass(slots=True)
class _Found:
    """What the artefacts held, beside the facts they show."""

    policy: Policy
    manifest: Manifest
    versions: dict[str, str]
    tallies: Sequence[Tally]
    wrong: Sequence[Tried]
    specification: Specification | None
    runs: Sequence[RunLine] = ()
    deltas: Sequence[DeltaLine] = ()
    log: LogCounts | None = None
    alerts: Sequence[Alert] = ()
    incidents: Sequence[Incident] = ()
    facts: Facts = field(default_factory=Facts)


def build(guard: Guard, policy: Policy, inputs: Inputs, now: datetime) -> Document:
    """Read every artefact, try the policy's examples on ``guard``, and return the dossier as it stands at ``now``.

    ``guard`` decides by ``policy``, or by a copy of it that writes nothing down (``trying.quiet``).

    Raises ``GuardError`` where an artefact that was given cannot be read: a slip is no missing evidence.
    """
    facts = Facts()
    info = guard.info()
    policy_facts(facts, policy, inputs.policy_source)
    tallied, wrong = tried_facts(facts, guard, inputs.policy_source, f"{now:%Y-%m-%d}")
    found = _Found(
        policy=policy,
        manifest=classifier_facts(facts, info),
        versions=inventory_facts(facts, info, inputs.wrapped),
        tallies=tallied,
        wrong=wrong,
        specification=specification_facts(facts, inputs.specification, inputs.specification_address),
        runs=run_facts(facts, inputs.evaluations, policy=policy.digest, classifier=info.model.digest, now=now),
        deltas=delta_facts(facts, inputs.evaluations),
        facts=facts,
    )
    if inputs.decision_log is not None:
        found.log = log_facts(facts, inputs.decision_log, inputs.log_key, policy.digest)
    if inputs.alerts is not None:
        found.alerts = alert_facts(facts, inputs.alerts)
    if inputs.incidents is not None:
        found.incidents = incident_facts(facts, inputs.incidents, inputs.incident_key, now)
    return _document(inputs, found, now)


def _document(inputs: Inputs, found: _Found, now: datetime) -> Document:
    by_framework = [(one, [held(row, found.facts) for row in one.rows]) for one in frameworks()]
    rows = [row for _, rows in by_framework for row in rows]
    cards = [
        Card(status.value, str(sum(row.status is status for row in rows)), f"of {len(rows)} rows")
        for status in RowStatus
    ]
    given = [name for name in WANTED if found.facts.get(name).state is not State.MISSING]
    cards.append(Card("evidence given", str(len(given)), f"of {len(WANTED)} kinds"))
    return Document(
        title=f"Dossier: {inputs.system}",
        lead=f"Evidence on the guard around {inputs.system}, as of {now:%Y-%m-%d %H:%M} UTC. {NO_CLAIM}",
        cards=cards,
        chapters=(
            _missing(found.facts),
            *_artefacts(found, now),
            *(_framework(one, rows) for one, rows in by_framework),
        ),
        foot=f"Made by guardsdk {__version__} from the files named in it. {NO_CLAIM}",
    )


def _missing(facts: Facts) -> Chapter:
    absent = [facts.get(name) for name in WANTED]
    rows = [
        (fact.name, fact.state.value, fact.says) for fact in absent if fact.state in (State.MISSING, State.CONTRARY)
    ]
    parts: tuple[Block, ...] = (
        Table("Evidence that is missing, or shows the opposite", ("fact", "state", "what"), tuple(rows)),
    )
    if facts.get("wrapped.specification").state is not State.PARTLY:
        parts = (f"The wrapped model is an {UNTESTED}.", *parts)
    return Chapter("What is missing", parts)


def _artefacts(found: _Found, now: datetime) -> Iterator[Chapter]:
    policy, counts = found.policy, {one.principle_id: one for one in found.tallies}
    principles = tuple(
        (
            one.id,
            one.text,
            one.not_covered or "nothing is written",
            ", ".join(f"{stage.value} {one.action_for(stage).value}" for stage in one.stages),
            _tally(counts.get(one.id)),
            ", ".join(one.refs) or "none",
        )
        for one in policy.principles
    )
    wrong = tuple(
        (
            one.principle_id,
            str(one.number),
            one.stage.value,
            one.expect.value,
            one.found.value if one.found else "not tried",
        )
        for one in found.wrong
    )
    yield Chapter(
        "Policy and its tests",
        (
            f"Policy {policy.name} {policy.version}, sha256 {policy.digest}.",
            EXAMPLES_TRIED,
            Table(
                "Principles", ("id", "prohibits", "does not cover", "action", "fires; passes", "answers to"), principles
            ),
            Table(
                "Examples that came out otherwise than written",
                ("principle", "number", "stage", "expected", "found"),
                wrong,
            ),
        ),
    )
    yield _classifier(found)
    yield _wrapped(found)
    yield _records(found, now)


def _tally(one: Tally | None) -> str:
    return "no example" if one is None else f"{one.fired} of {one.fires}; {one.passed} of {one.passes}"


def _classifier(found: _Found) -> Chapter:
    manifest = found.manifest
    files = tuple((name, str(entry.size), entry.sha256) for name, entry in sorted(manifest.files.items()))
    results = tuple(
        (one.dataset, one.stage.value, one.metric, f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]", str(one.rows))
        for one in manifest.evaluation
    )
    return Chapter(
        "Classifier and inventory",
        (
            f"{manifest.name} {manifest.version} of {manifest.created}, on {manifest.base_model}, {manifest.licence}.",
            f"Measured on languages: {', '.join(manifest.languages) or 'none is named'}.",
            Table("Files", ("file", "bytes", "sha256"), files),
            Table(
                "Figures in the manifest, with 95 % intervals", ("set", "stage", "measure", "value", "rows"), results
            ),
            Table("Versions in use", ("what", "version"), tuple(found.versions.items())),
        ),
    )


def _wrapped(found: _Found) -> Chapter:
    fact, given = found.facts.get("wrapped.specification"), found.specification
    if given is None:
        return Chapter("Wrapped model", (f"No specification or system card was given: {UNTESTED}.",))
    digest = "not opened here" if given.digest is None else f"sha256 {given.digest}"
    return Chapter("Wrapped model", (f"Given: {given.name} ({digest}). {fact.says[:1].upper()}{fact.says[1:]}.",))


def _records(found: _Found, now: datetime) -> Chapter:
    runs = tuple(
        (
            run.file,
            run.created,
            run.suite,
            run.target,
            run.guard,
            f"{run.passed} of {run.cases}",
            str(run.harmful),
            f"{run.held_back} of {run.benign}",
            str(run.errors),
        )
        for run in found.runs
    )
    head = ("file", "begun", "suite", "target", "guard", "pass", "harm delivered", "harmless held back", "errors")
    parts: list[Block] = [Table("Evaluation runs", head, runs)]
    moved = tuple((one.measure, one.before, one.after, one.difference, one.verdict) for one in found.deltas)
    measured = ("measure", "before", "after", "difference in points, 95 %", "verdict")
    parts.append(Table("The newest two runs that can be compared", measured, moved))
    if found.log is not None:
        log = found.log
        counts = tuple(
            (kind, name, str(n))
            for kind, group in (
                ("action", log.actions),
                ("status", log.statuses),
                ("principle that decided", log.principles),
            )
            for name, n in group.items()
        )
        parts.append(Table(f"Decisions in {log.file}, {log.first} to {log.last}", ("by", "value", "decisions"), counts))
    else:
        parts.append(Table("Decisions", ("by", "value", "decisions"), ()))
    alerts = tuple(
        (alert.time, alert.severity.value, alert.kind.value, alert.stage.value, alert.about)
        for alert in found.alerts[-_ALERTS_SHOWN:]
    )
    parts.append(
        Table(
            f"Newest alerts of the monitor, at most {_ALERTS_SHOWN}",
            ("time", "severity", "kind", "stage", "about"),
            alerts,
        )
    )
    rows = tuple(
        (one.id, "open" if one.closed is None else "closed", one.severity, one.opening.title, _clock(one, now))
        for one in found.incidents
    )
    parts.append(Table("Incidents", ("id", "state", "severity", "title", "reporting"), rows))
    parts.append(f"{NOT_DECIDED} Severity and dates: {SECOND_HAND}.")
    return Chapter("Records", tuple(parts))


def _clock(one: Incident, now: datetime) -> str:
    told = [f"article {clock.article}: {standing(clock, one.reported(clock.recipient), now)}" for clock in one.clocks]
    return "; ".join(told) or "no clock: not serious"


def _framework(framework: Framework, rows: Sequence[Held]) -> Chapter:
    table = tuple(
        (
            one.row.ref,
            f"{one.row.title}: {one.row.asks}",
            one.status.value,
            "; ".join(map(_told, one.facts)) or "none: guardsdk has nothing to show for this row",
            one.row.beyond,
        )
        for one in rows
    )
    head = ("row", "asks, in our words", "status", "evidence, with file and date", "beyond this evidence")
    return Chapter(
        f"Held against: {framework.name}", (f"{framework.source}. {HOW_TO_READ}", Table(framework.name, head, table))
    )


def _told(fact: Fact) -> str:
    where = ", ".join(part for part in (fact.source, fact.date) if part)
    return f"{fact.state.value}: {fact.says}" + (f" ({where})" if where else "")

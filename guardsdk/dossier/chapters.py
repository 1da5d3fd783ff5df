"""The chapters of a dossier: first what is missing, then the artefacts, then every framework's rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from guardsdk.dossier.catalogue import RowStatus, frameworks, held
from guardsdk.dossier.facts import WANTED, State
from guardsdk.dossier.specification import UNTESTED
from guardsdk.incidents.clocks import NOT_DECIDED, SECOND_HAND, standing
from guardsdk.render import Card
from guardsdk.render.document import Chapter, Document, Table
from guardsdk.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from guardsdk.dossier.catalogue import Framework, Held
    from guardsdk.dossier.compared import DeltaLine
    from guardsdk.dossier.facts import Fact, Facts
    from guardsdk.dossier.recorded import LogCounts, RunLine
    from guardsdk.dossier.specification import Specification
    from guardsdk.incidents.events import Incident
    from guardsdk.monitor.alerts import Alert
    from guardsdk.policy.model import Policy
    from guardsdk.registry.manifest import Manifest
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
_TITLE: Final = "Dossier: "
MARKDOWN: Final = f"# {_TITLE}"
"""The beginning of a dossier in Markdown."""
_ALERTS_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Found:
    """The contents of the artefacts, and the facts they show."""

    facts: Facts
    policy: Policy
    manifest: Manifest
    versions: dict[str, str]
    tallies: Sequence[Tally]
    wrong: Sequence[Tried]
    """Examples with unexpected results."""
    specification: Specification | None
    runs: Sequence[RunLine]
    deltas: Sequence[DeltaLine]
    log: LogCounts | None
    alerts: Sequence[Alert]
    incidents: Sequence[Incident]


def document(system: str, found: Found, now: datetime) -> Document:
    """Return the dossier on ``system`` as of ``now``."""
    by_framework = [(one, [held(row, found.facts) for row in one.rows]) for one in frameworks()]
    rows = [row for _, rows in by_framework for row in rows]
    cards = [
        Card(status.value, str(sum(row.status is status for row in rows)), f"of {len(rows)} rows")
        for status in RowStatus
    ]
    given = [name for name in WANTED if found.facts.get(name).state is not State.MISSING]
    cards.append(Card("evidence given", str(len(given)), f"of {len(WANTED)} kinds"))
    return Document(
        title=f"{_TITLE}{system}",
        lead=f"Evidence on the guard around {system}, as of {now:%Y-%m-%d %H:%M} UTC. {NO_CLAIM}",
        cards=cards,
        chapters=(
            _missing(found.facts),
            _policy(found),
            _classifier(found),
            _wrapped(found),
            _records(found, now),
            *(_framework(one, rows) for one, rows in by_framework),
        ),
        foot=f"Made by guardsdk {__version__} from the files named in it. {NO_CLAIM}",
    )


def _missing(facts: Facts) -> Chapter:
    wanted = [facts.get(name) for name in WANTED]
    rows = tuple(
        (fact.name, fact.state.value, fact.says) for fact in wanted if fact.state in (State.MISSING, State.CONTRARY)
    )
    absent = Table("Evidence that is missing, or shows the opposite", ("fact", "state", "what"), rows)
    untested = facts.get("wrapped.specification").state is not State.PARTLY
    return Chapter("What is missing", (f"The wrapped model is an {UNTESTED}.", absent) if untested else (absent,))


def _policy(found: Found) -> Chapter:
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
    head = ("id", "prohibits", "does not cover", "action", "fires; passes", "answers to")
    tried = ("principle", "number", "stage", "expected", "found")
    return Chapter(
        "Policy and its tests",
        (
            f"Policy {policy.name} {policy.version}, sha256 {policy.digest}.",
            EXAMPLES_TRIED,
            Table("Principles", head, principles),
            Table("Examples that came out otherwise than written", tried, wrong),
        ),
    )


def _tally(one: Tally | None) -> str:
    return "no example" if one is None else f"{one.fired} of {one.fires}; {one.passed} of {one.passes}"


def _classifier(found: Found) -> Chapter:
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


def _wrapped(found: Found) -> Chapter:
    fact, given = found.facts.get("wrapped.specification"), found.specification
    if given is None:
        return Chapter("Wrapped model", (f"No specification or system card was given: {UNTESTED}.",))
    digest = "not opened here" if given.digest is None else f"sha256 {given.digest}"
    return Chapter("Wrapped model", (f"Given: {given.name} ({digest}). {fact.says[:1].upper()}{fact.says[1:]}.",))


def _records(found: Found, now: datetime) -> Chapter:
    return Chapter(
        "Records",
        (
            _runs(found.runs),
            _deltas(found.deltas),
            _decisions(found.log),
            _alerts(found.alerts),
            _incidents(found.incidents, now),
            f"{NOT_DECIDED} Severity and dates: {SECOND_HAND}.",
        ),
    )


def _runs(runs: Sequence[RunLine]) -> Table:
    rows = tuple(
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
        for run in runs
    )
    head = ("file", "begun", "suite", "target", "guard", "pass", "harm delivered", "harmless held back", "errors")
    return Table("Evaluation runs", head, rows)


def _deltas(deltas: Sequence[DeltaLine]) -> Table:
    rows = tuple((one.measure, one.before, one.after, one.difference, one.verdict) for one in deltas)
    head = ("measure", "before", "after", "difference in points, 95 %", "verdict")
    return Table("The newest two runs that can be compared", head, rows)


def _decisions(log: LogCounts | None) -> Table:
    head = ("by", "value", "decisions")
    if log is None:
        return Table("Decisions", head, ())
    groups = (("action", log.actions), ("status", log.statuses), ("principle that decided", log.principles))
    rows = tuple((kind, name, str(count)) for kind, group in groups for name, count in group.items())
    return Table(f"Decisions in {log.file}, {log.first} to {log.last}", head, rows)


def _alerts(alerts: Sequence[Alert]) -> Table:
    rows = tuple(
        (alert.time, alert.severity.value, alert.kind.value, alert.stage.value, alert.about)
        for alert in alerts[-_ALERTS_SHOWN:]
    )
    head = ("time", "severity", "kind", "stage", "about")
    return Table(f"Newest alerts of the monitor, at most {_ALERTS_SHOWN}", head, rows)


def _incidents(incidents: Sequence[Incident], now: datetime) -> Table:
    rows = tuple(
        (one.id, "open" if one.closed is None else "closed", one.severity, one.opening.title, _clock(one, now))
        for one in incidents
    )
    return Table("Incidents", ("id", "state", "severity", "title", "reporting"), rows)


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

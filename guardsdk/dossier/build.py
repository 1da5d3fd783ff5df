"""Builds a dossier from its inputs: every section names its sources, and missing evidence is listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from guardsdk.dossier.chapters import Found, document
from guardsdk.dossier.compared import delta_facts
from guardsdk.dossier.facts import Facts
from guardsdk.dossier.recorded import alert_facts, distinct, incident_facts, log_facts, run_facts
from guardsdk.dossier.specification import specification_facts
from guardsdk.dossier.written import classifier_facts, inventory_facts, policy_facts, tried_facts
from guardsdk.evaluation.record import GuardRef

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from guardsdk.guard import Guard
    from guardsdk.policy.model import Policy
    from guardsdk.render.document import Document


@dataclass(frozen=True, slots=True)
class Inputs:
    """The artefacts a dossier is based on; those left out are reported as missing."""

    system: str
    """The name of the product."""
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


def build(guard: Guard, policy: Policy, inputs: Inputs, now: datetime) -> Document:
    """Read every artefact, try the policy's examples on ``guard``, and return the dossier as of ``now``.

    ``guard`` uses ``policy``, or a copy of it that logs nothing (``trying.quiet``).

    Raises ``GuardError`` if a given artefact cannot be read: a typo must not pass as missing evidence.
    """
    facts = Facts()
    info = guard.info()
    policy_facts(facts, policy, inputs.policy_source)
    tallied, wrong = tried_facts(facts, guard, inputs.policy_source, f"{now:%Y-%m-%d}")
    evaluations = distinct(inputs.evaluations)
    log, alerts, incidents = inputs.decision_log, inputs.alerts, inputs.incidents
    found = Found(
        facts=facts,
        policy=policy,
        manifest=classifier_facts(facts, info),
        versions=inventory_facts(facts, info, inputs.wrapped),
        tallies=tallied,
        wrong=wrong,
        specification=specification_facts(facts, inputs.specification, inputs.specification_address),
        runs=run_facts(facts, evaluations, GuardRef(model=info.model, policy=policy.ref, taught=info.taught), now),
        deltas=delta_facts(facts, evaluations),
        log=None if log is None else log_facts(facts, log, inputs.log_key, policy.digest),
        alerts=() if alerts is None else alert_facts(facts, alerts),
        incidents=() if incidents is None else incident_facts(facts, incidents, inputs.incident_key, now),
    )
    return document(inputs.system, found, now)

"""Facts from the policy, its examples, the classifier and the installation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from guardsdk.dossier.facts import State
from guardsdk.policy.lint import described
from guardsdk.registry.lookup import load_manifest, verify_files
from guardsdk.trying import Tally, tallies, try_examples
from guardsdk.verdict import Action, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.dossier.facts import Facts
    from guardsdk.guard import Guard
    from guardsdk.parts.info import GuardInfo
    from guardsdk.policy.model import Policy, Principle
    from guardsdk.registry.manifest import Manifest
    from guardsdk.trying import Tried

SIX_MONTHS_DAYS: Final = 184
"""The longest possible six months."""
_BEHAVIOUR: Final = {
    "policy.attacks": (("prompt_injection", Stage.INPUT), ("jailbreak", Stage.INPUT)),
    "policy.documents": (("prompt_injection", Stage.TOOL),),
    "policy.hidden_text": (("hidden_text", Stage.INPUT), ("hidden_text", Stage.TOOL)),
    "policy.harm": (("harmful_request", Stage.INPUT), ("harmful_response", Stage.OUTPUT)),
    "policy.toxicity": (("toxicity", Stage.OUTPUT),),
    "policy.output": (("harmful_response", Stage.OUTPUT), ("toxicity", Stage.OUTPUT)),
    "policy.secrets": (("secret", Stage.OUTPUT),),
    "policy.personal_data": (("personal_data", Stage.OUTPUT),),
    "policy.prompt_leak": (("prompt_leak", Stage.OUTPUT), ("canary", Stage.OUTPUT)),
}
"""Facts about what a policy stops: every label must, on its stage, have a principle that does more than flag."""


def policy_facts(facts: Facts, policy: Policy, source: str) -> None:
    """Add the facts that the policy shows."""
    name = f"{policy.name} {policy.version} (sha256 {policy.digest[:16]})"
    facts.add("policy.written", State.SHOWN, f"policy {name} has {len(policy.principles)} principles", source)
    bare = [principle.id for principle in policy.principles if not described(principle)]
    told = "every principle has reason, limits, references and five examples of each kind"
    lacking = f"{len(bare)} of {len(policy.principles)} principles lack reason, limits, references or examples: "
    facts.add(
        "policy.described", State.PARTLY if bare else State.SHOWN, lacking + ", ".join(bare) if bare else told, source
    )
    if policy.shadow:
        facts.add("policy.enforced", State.CONTRARY, "the policy is in shadow mode: every text passes", source)
    else:
        facts.add("policy.enforced", State.SHOWN, "the policy, as written, is not in shadow mode", source)
    open_on = [stage.value for stage in Stage if policy.on_error_for(stage) is Action.ALLOW]
    if open_on:
        says = f"on {', '.join(open_on)} a text that could not be checked passes"
        facts.add("policy.fails_closed", State.CONTRARY if len(open_on) == len(Stage) else State.PARTLY, says, source)
    else:
        facts.add("policy.fails_closed", State.SHOWN, "a text that could not be checked is held back", source)
    for fact, wanted in _BEHAVIOUR.items():
        _behaviour(facts, fact, wanted, policy, source)
    _noted(facts, policy, source)
    rules = policy.decision_log
    if rules is not None:
        days = f"closed files are kept for {rules.keep_days:g} days"
        facts.add("log.kept", State.SHOWN if rules.keep_days >= SIX_MONTHS_DAYS else State.CONTRARY, days, source)


def _behaviour(facts: Facts, fact: str, wanted: Sequence[tuple[str, Stage]], policy: Policy, source: str) -> None:
    by: dict[tuple[str, Stage], list[str]] = {
        pair: [one.id for one in policy.principles if one.label == pair[0] and not one.action_for(pair[1]).passes]
        for pair in wanted
    }
    there = list(dict.fromkeys(name for names in by.values() for name in names))
    absent = [f"{label} on {stage.value}" for (label, stage), names in by.items() if not names]
    if not there:
        facts.add(fact, State.CONTRARY, f"no principle holds back {', '.join(absent)}", source)
        return
    says = ", ".join(there) + (f"; nothing holds back {', '.join(absent)}" if absent else "")
    facts.add(fact, State.PARTLY if absent else State.SHOWN, says, source)


def _noted(facts: Facts, policy: Policy, source: str) -> None:
    for fact, wanted, none in (
        ("policy.out_of_range", _out_of_range, "no principle speaks of text the classifier was not measured on"),
        ("policy.review", _reviewed, "no principle asks a person to decide"),
    ):
        found = [principle.id for principle in policy.principles if wanted(principle)]
        facts.add(fact, State.SHOWN if found else State.CONTRARY, ", ".join(found) or none, source)


def _out_of_range(principle: Principle) -> bool:
    return principle.label == "out_of_range"


def _reviewed(principle: Principle) -> bool:
    return any(principle.action_for(stage) is Action.REVIEW for stage in principle.stages)


def tried_facts(facts: Facts, guard: Guard, source: str, date: str) -> tuple[tuple[Tally, ...], list[Tried]]:
    """Try every example, add the facts, and return the counts and the examples with unexpected results."""
    tried = try_examples(guard)
    wrong = [one for one in tried if not one.right]
    says = f"{len(tried) - len(wrong)} of {len(tried)} examples of the policy come out as written"
    silent = [one.id for one in guard.policy.principles if not one.examples]
    if silent:
        says += f"; no example for {', '.join(silent)}"
    if not tried:
        facts.add("policy.tested", State.CONTRARY, "the policy has no example to try", source, date)
    else:
        facts.add("policy.tested", State.PARTLY if wrong or silent else State.SHOWN, says, source, date)
    return tallies(tried), wrong


def classifier_facts(facts: Facts, info: GuardInfo) -> Manifest:
    """Add the facts that the classifier's own files show, and return its manifest."""
    model = load_manifest(info.directory)
    verify_files(model)  # raises if one differs, as when the guard loaded them
    manifest = model.manifest
    name = f"{info.model.name} {info.model.version}"
    says = f"{name}: {len(manifest.files)} files match the manifest (digest {info.model.digest[:16]})"
    facts.add("model.verified", State.SHOWN, says, "manifest.json", manifest.created)
    card = info.directory / "README.md"
    if card.is_file():
        facts.add("model.card", State.SHOWN, f"card of {name}", f"{info.directory.name}/{card.name}", manifest.created)
    if manifest.evaluation:
        sets = {one.dataset for one in manifest.evaluation}
        says = f"{len(manifest.evaluation)} figures with intervals over {len(sets)} sets"
        facts.add("model.measured", State.SHOWN, says, "manifest.json", manifest.created)
    return manifest


def inventory_facts(facts: Facts, info: GuardInfo, wrapped: Sequence[str] | None) -> dict[str, str]:
    """Add the versions in use, and return them; ``wrapped`` is name, version and provider of the model."""
    versions = dict(info.versions)
    if wrapped is None:
        says = f"{len(versions)} packages are known; the wrapped model and its provider were not named"
        facts.add("inventory.versions", State.PARTLY, says)
        return versions
    name, version, provider = wrapped
    facts.add(
        "inventory.versions", State.SHOWN, f"{name} {version} by {provider}, as told, and {len(versions)} packages"
    )
    return {f"{name} (wrapped model, by {provider}, as told)": version, **versions}

"""``guardsdk info``: what a check would run on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardsdk.cli.check import provider
from guardsdk.cli.outcome import Exit
from guardsdk.cli.terminal import say_all, say_json, table

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from guardsdk.guard import Guard
    from guardsdk.parts.info import GuardInfo


def info(guard: Guard, options: Namespace) -> Exit:
    """Load the model and print what the guard runs on. Raises ``GuardError`` if it cannot run."""
    found = guard.info()
    if options.json:
        say_json(found.model_dump(mode="json"))
    else:
        say_all(_describe(found))
    return Exit.DONE


def _describe(found: GuardInfo) -> Iterator[str]:
    yield from table(
        [
            ("model", f"{found.model.name} {found.model.version}"),
            ("  sha256", found.model.digest),
            ("  from", str(found.directory)),
            ("policy", f"{found.policy.name} {found.policy.version}"),
            ("  sha256", found.policy.digest),
            *(("taught", f"{name} (sha256 {digest[:12]}...)") for name, digest in found.taught.items()),
            ("provider", provider(found.provider_active, found.provider_requested, found.provider_reason)),
            ("early exit", f"on {', '.join(found.early_exit)}" if found.early_exit else "none"),
            ("context", f"read on {', '.join(found.context_stages)}" if found.context_stages else "not read"),
        ]
    )
    yield ""
    yield from table([("label", "stages"), *((label, ", ".join(stages)) for label, stages in found.labels.items())])
    yield ""
    rules = [(rule.stage, rule.principle_id, rule.label, f"{rule.threshold:.4f}", rule.action) for rule in found.rules]
    yield from table([("stage", "principle", "label", "threshold", "action"), *rules])
    yield ""
    yield from table(list(found.versions.items()))

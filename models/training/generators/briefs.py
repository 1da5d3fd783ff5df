"""Long working prompts: role, rules and output format for an assistant, as people write and paste them.

They are full of "you are", "never" and "always" and override no rule: the hardest harmless text for an attack detector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.training.banks import bank
from models.training.rows import Row

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

_LABELS = {"prompt_injection": 0, "jailbreak": 0, "harmful_request": 0, "toxicity": 0}
_TITLES = (
    "{head}",
    "# {head}",
    "## {head}",
    "**{head}**",
    "{head}:",
    "[{head}]",
    "=== {head} ===",
    "{upper}",
    "🎯 {head}",
)
_BULLETS = ("- ", "* ", "• ", "{n}. ", "{n}) ", "")
_HEADS = {
    "role": (
        "Role",
        "Identity",
        "Role & Purpose",
        "Core identity",
        "Who you are",
        "Persona",
        "Core Directive",
        "System",
    ),
    "task": ("Task", "Mission", "Objective", "What to do", "Primary directive", "Your job", "Goal", "Scope"),
    "rules": ("Rules", "Constraints", "Guidelines", "Principles", "Do and don't", "Requirements", "Boundaries"),
    "steps": ("Steps", "Process", "Workflow", "Method", "Instructions", "Framework", "Phases"),
    "format": ("Output format", "Format", "Response structure", "Deliverable", "Output", "Template"),
    "example": ("Example", "Input", "Context", "Sample", "Notes", "User request"),
}


def _title(rng: random.Random, style: str, part: str) -> str:
    head = rng.choice(_HEADS[part])
    return style.format(head=head, upper=head.upper())


def _lines(rng: random.Random, name: str, low: int, high: int) -> str:
    bullet = rng.choice(_BULLETS)
    picked = rng.sample(bank(name), rng.randint(low, high))
    return "\n".join(bullet.format(n=number) + line for number, line in enumerate(picked, start=1))


def generate(rng: random.Random, count: int, tasks: Sequence[str] = ()) -> Iterator[Row]:
    """Yield ``count`` briefs of the input stage, every label 0; ``tasks`` are harmless jobs to use as their example."""
    roles = bank("brief_role")
    for _ in range(count):
        style, role = rng.choice(_TITLES), rng.randrange(len(roles))
        parts = {
            "role": roles[role],
            "task": rng.choice(bank("brief_task")),
            "rules": _lines(rng, "brief_rule", 2, 7),
            "steps": _lines(rng, "brief_step", 2, 6),
            "format": _lines(rng, "brief_format", 1, 4),
            "example": rng.choice(tasks) if tasks else rng.choice(bank("benign_everyday")),
        }
        later = rng.sample(("task", "rules", "steps", "format", "example"), rng.randint(1, 5))
        if rng.random() < 0.25:  # many people write no headings at all
            text = rng.choice((" ", "\n", "\n\n")).join(parts[name] for name in ("role", *later))
        else:
            text = "\n\n".join(f"{_title(rng, style, name)}\n{parts[name]}" for name in ("role", *later))
        yield Row(text, "input", dict(_LABELS), "gen_brief", f"brief_role:{role}")

"""The differences between two policies, key by key. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from guardsdk.policy.model import Policy, Principle
from guardsdk.policy.writing import toml_value
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORDS: Final = ("text", "rationale", "not_covered", "replacement")
"""Keys whose value is prose: only the fact that it changed is reported."""
_OWN: Final = ("name", "version", "extends", "principles")
"""Keys that identify the policy, or are compared separately."""


@dataclass(frozen=True, slots=True)
class Change:
    """One key that differs."""

    principle_id: str | None
    """``None`` for a key of the policy itself."""
    key: str
    """Empty if a whole principle is in one policy only, ``order`` if the principles are in another order."""
    before: str
    """In TOML, shortened; empty if it is only in the new policy."""
    after: str


def changes(old: Policy, new: Policy) -> tuple[Change, ...]:
    """Return how ``new`` differs from ``old``: keys of the policy first, then principle by principle.

    A new order of the principles is one change, since with equal margins the first principle decides.
    """
    found = list(_keys(None, old, new, [name for name in Policy.model_fields if name not in _OWN]))
    before = {principle.id: principle for principle in old.principles}
    after = {principle.id: principle for principle in new.principles}
    orders = [name for name in before if name in after], [name for name in after if name in before]
    if orders[0] != orders[1]:
        found.append(Change(None, "order", *map(toml_value, orders)))
    for identifier in dict.fromkeys([*before, *after]):
        if identifier not in after:
            found.append(Change(identifier, "", "there", ""))
        elif identifier not in before:
            found.append(Change(identifier, "", "", "there"))
        else:
            found += _keys(identifier, before[identifier], after[identifier], list(Principle.model_fields))
    return tuple(found)


def _keys(
    identifier: str | None, old: Policy | Principle, new: Policy | Principle, names: list[str]
) -> Iterator[Change]:
    left, right = _content(old), _content(new)
    for name in names:
        if left[name] != right[name]:
            yield Change(identifier, name, _shown(name, left[name]), _shown(name, right[name]))


def _content(one: Policy | Principle) -> dict[str, Any]:
    """Return the content of ``one``; a table with the same word for every stage becomes that word, as in the digest."""
    content = one.model_dump(mode="json")
    if isinstance(one, Policy):
        key, words = "on_error", {one.on_error_for(stage).value for stage in Stage}
    else:
        key, words = "action", {one.action_for(stage).value for stage in one.stages}
    if len(words) == 1:
        content[key] = words.pop()
    return content


def _shown(name: str, value: Any) -> str:  # noqa: ANN401  whatever a policy holds
    if value is None:
        return "none"
    if name == "examples":
        return f"{len(value)} examples"
    if name in _WORDS:
        return f"{len(value)} characters"
    return toml_value(value)

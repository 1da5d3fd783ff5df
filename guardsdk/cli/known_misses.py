"""The list of known misses: examples of a policy that come out otherwise than written, which nobody minds for now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from guardsdk.cli.terminal import complain
from guardsdk.disk import write_file
from guardsdk.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from guardsdk.policy.model import Policy
    from guardsdk.trying import Tried

KNOWN: Final = "# Examples of policy "
"""What every such list begins with."""


def read_known(path: Path) -> set[str]:
    """Return the names in the list at ``path``. Raises ``InputError`` where it is no text, and ``OSError``."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        msg = f"{path}: not UTF-8 text; --write-known writes such a file"
        raise InputError(msg) from None
    return {line.split()[0] for line in lines if line.strip() and not line.startswith("#")}


def still_missed(examples: Iterable[Tried], wanted: Collection[str], known: Collection[str]) -> list[Tried]:
    """Return what a list has to hold after this run, in the order of ``examples``, which are all of the policy.

    A run says nothing of principles that are not ``wanted`` and of examples that could not be checked: those that are
    ``known`` stay.
    """
    return [
        one
        for one in examples
        if (not one.right if one.principle_id in wanted and one.problem is None else one.name in known)
    ]


def write_known(path: Path, policy: Policy, missed: Sequence[Tried]) -> None:
    """Write ``missed`` to ``path``, without their texts, and say so. Raises ``OSError``."""
    lines = [
        f"{KNOWN}{policy.name} that are known to come out otherwise than written; no texts.",
        *(f"{one.name} examples[{one.number}] expected {one.expect.value}" for one in missed),
    ]
    write_file(path, "\n".join(lines) + "\n")
    complain(f"{len(missed)} misses written to {path}")

"""The list of known misses: examples of a policy with unexpected results that are accepted for now."""

from __future__ import annotations

import re
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
"""The beginning of every such list."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]*:[0-9a-f]+")
"""The name of an example: a principle's id, and the digest of the example."""


def read_known(path: Path) -> set[str]:
    """Return the names in the list at ``path``. Raises ``InputError`` if it is not such a list, and ``OSError``."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        msg = f"{path}: not UTF-8 text; --write-known writes such a file"
        raise InputError(msg) from None
    names = {number: line.split()[0] for number, line in enumerate(lines, 1) if line.strip() and line[0] != "#"}
    if slip := next((number for number, name in names.items() if not _NAME.fullmatch(name)), None):
        msg = f"{path}:{slip}: no name of an example; --write-known writes such a file"
        raise InputError(msg)
    return set(names.values())


def still_missed(examples: Iterable[Tried], wanted: Collection[str], known: Collection[str]) -> list[Tried]:
    """Return the contents of the list after this run, in the order of ``examples``, which are all of the policy.

    A run says nothing about principles that are not ``wanted`` or examples that could not be checked: of those, the
    ``known`` ones stay.
    """
    return [
        one
        for one in examples
        if (not one.right if one.principle_id in wanted and one.problem is None else one.name in known)
    ]


def write_known(path: Path, policy: Policy, missed: Sequence[Tried]) -> None:
    """Write ``missed`` to ``path``, without their texts, and report it. Raises ``OSError``."""
    lines = [
        f"{KNOWN}{policy.name} that are known to come out otherwise than written; no texts.",
        *(f"{one.name} examples[{one.number}] expected {one.expect.value}" for one in missed),
    ]
    write_file(path, "\n".join(lines) + "\n")
    complain(f"{len(missed)} misses written to {path}")

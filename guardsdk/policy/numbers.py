"""Numbers as a policy file has them: what is in quotes, true or false is none, though it might be taken for one."""

from __future__ import annotations

from typing import Final

from pydantic import BeforeValidator

A_NUMBER: Final = "must be a number, without quotes"


def _no_word(value: object) -> object:
    if isinstance(value, bool | str):
        raise ValueError(A_NUMBER)  # noqa: TRY004  the only one that validation puts into words
    return value


NO_WORD: Final = BeforeValidator(_no_word)
"""The last of what a number's type is annotated with: limits behind it would be left out of the schema."""

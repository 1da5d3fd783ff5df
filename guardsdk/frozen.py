"""The base of every model that is validated once and then immutable, and numbers that no string passes for."""

from typing import Final

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Frozen(BaseModel):
    """Cannot be changed, refuses fields it does not know, and keeps given values, which may be text, out of errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


A_NUMBER: Final = "must be a number, without quotes"


def _no_word(value: object) -> object:
    if isinstance(value, bool | str):
        raise ValueError(A_NUMBER)  # noqa: TRY004  the only one that validation puts into words
    return value


NO_WORD: Final = BeforeValidator(_no_word)
"""Stands last in the annotation of a number: limits after it would be missing from the schema."""

"""The base class of all models that are validated once and then immutable, and number types that reject strings."""

from typing import Final

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Frozen(BaseModel):
    """Immutable; rejects unknown fields, and keeps values, which may be checked text, out of error messages."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


A_NUMBER: Final = "must be a number, without quotes"


def _no_word(value: object) -> object:
    if isinstance(value, bool | str):
        raise ValueError(A_NUMBER)  # noqa: TRY004  the only exception whose message pydantic reports
    return value


NO_WORD: Final = BeforeValidator(_no_word)
"""Must come last in the annotation of a number: limits after it would be missing from the schema."""

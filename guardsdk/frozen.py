"""The base of every model that is validated once and then stays as it is."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Cannot be changed, refuses fields it does not know, and keeps given values, which may be text, out of errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

from __future__ import annotations

import hashlib
import hmac

import pytest

from guardsdk.errors import InputTypeError
from guardsdk.pseudonyms import Pseudonyms


@pytest.mark.parametrize("length", [0, 1, 32, 64, 65, 200])
@pytest.mark.parametrize("actor", ["", "user-17", "\u017b\u00f3\u0142w", "\ud800 alone", "x" * 300])
def test_a_pseudonym_is_an_hmac_as_the_standard_library_has_it(length: int, actor: str) -> None:
    key = bytes(range(length))
    expected = hmac.digest(key, actor.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()[:32]
    pseudonyms = Pseudonyms(key)
    assert pseudonyms.of(actor) == expected
    assert pseudonyms.of(actor) == expected  # nothing of the one before is left


@pytest.mark.parametrize("actor", [5, None, b"user-17"])
def test_what_is_no_name_is_told_as_that(actor: object) -> None:
    with pytest.raises(InputTypeError, match=f"an actor must be a string, not {type(actor).__name__}"):
        Pseudonyms(b"key").of(actor)  # type: ignore[arg-type]

"""The published schema: it is the one the model makes, and it and the reader refuse the same forms."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING

import jsonschema
import pytest
from pydantic import ValidationError

from guardsdk.errors import PolicyError
from guardsdk.policy import PACKAGED, Policy
from guardsdk.policy.actions import Review, Revise
from guardsdk.policy.files import packaged_file
from guardsdk.policy.logging import LogRules
from guardsdk.policy.monitoring import ActorRules, Enforcement, MonitorRules
from guardsdk.policy.recalibrating import Recalibration
from guardsdk.policy.schema import FILE, as_json, schema
from guardsdk.policy.starter import starter

if TYPE_CHECKING:
    from pydantic import BaseModel

VALIDATOR = jsonschema.Draft7Validator(json.loads(FILE.read_text(encoding="utf-8")))
HEAD = 'name = "x"\nversion = "1"\n'
ONE = '[[principle]]\nid = "x"\ntext = "x"\nlabel = "x"\nstages = ["output"]\n'


def test_the_published_file_is_what_the_model_makes() -> None:
    assert FILE.read_text(encoding="utf-8") == as_json(), "write guardsdk/policy/schema.json anew from schema.as_json()"
    jsonschema.Draft7Validator.check_schema(schema())


@pytest.mark.parametrize("name", PACKAGED)
def test_every_packaged_policy_fits_it(name: str) -> None:
    VALIDATOR.validate(tomllib.loads(packaged_file(name).read_text(encoding="utf-8")))
    VALIDATOR.validate(tomllib.loads(starter(name)))


@pytest.mark.parametrize(
    ("toml", "fits"),
    [
        (HEAD + ONE, True),
        (HEAD + 'extends = "strict"\n', True),
        (
            HEAD
            + 'extends = "strict"\nremove = ["note-refusal"]\n[[principle]]\nid = "no-jailbreak"\nthreshold = 0.5\n',
            True,
        ),
        (HEAD + ONE + 'threshold = "fpr:0.01"\n', True),
        (HEAD + ONE + 'action = { output = "flag" }\n', True),
        (HEAD + 'on_error = { input = "allow" }\n' + ONE, True),
        (HEAD, False),
        (HEAD + 'remove = ["x"]\n' + ONE, False),
        (HEAD + "[[principle]]\nid = 'x'\n", False),
        (HEAD + ONE.replace('"output"', '"output", "output"'), False),
        (HEAD + ONE + "colour = 'red'\n", False),
        (HEAD + ONE + "threshold = 'high'\n", False),
        (HEAD + ONE + "threshold = 1.5\n", False),
        (HEAD + ONE + "action = 'allow'\n", False),
        (HEAD + ONE + "action = { output = 'allow' }\n", False),
        (HEAD + "on_error = 'maybe'\n" + ONE, False),
        ('extends = "strict"\n', False),
    ],
)
def test_it_and_the_reader_agree(toml: str, fits: bool) -> None:
    assert VALIDATOR.is_valid(tomllib.loads(toml)) is fits
    if fits:
        Policy.from_toml(toml)
    else:
        with pytest.raises(PolicyError):
            Policy.from_toml(toml)


def test_every_key_has_words_for_the_reader() -> None:
    told = schema()
    keys = {
        **told["properties"],
        **told["definitions"]["Principle"]["properties"],
        **told["definitions"]["Example"]["properties"],
    }
    silent = sorted(name for name, part in keys.items() if "description" not in part)
    assert silent == []


@pytest.mark.parametrize("model", [Review, Revise, LogRules, MonitorRules, ActorRules, Enforcement, Recalibration])
def test_no_number_is_read_out_of_a_word(model: type[BaseModel]) -> None:
    """As the schema has it: ``keep_days = true`` is no day."""
    kinds = model.model_json_schema()["properties"]
    numbers = [name for name, one in kinds.items() if {"number", "integer"} & set(re.findall(r"\w+", str(one)))]
    assert numbers
    for name in numbers:
        for given in (True, "1", [[0.1, "0.2"], [0.3, 0.4]]):
            with pytest.raises(ValidationError) as caught:
                model.model_validate({name: given})
            wrong = [one for one in caught.value.errors() if one["loc"][:1] == (name,)]
            assert wrong, (name, given)

"""The JSON Schema of a policy file, for editors: completion, hover texts and errors while typing.

``guardsdk/policy/schema.json`` is the output of ``schema``; a test keeps the two equal. The schema covers the form of
a policy, but not a model's labels or constraints between keys, which ``guardsdk policy lint`` checks.
"""

from __future__ import annotations

import ast
import inspect
import json
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from guardsdk.policy.actions import Review, Revise, StageActions
from guardsdk.policy.files import PACKAGED
from guardsdk.policy.logging import LogRules
from guardsdk.policy.model import FPR, Example, OnError, Policy, Principle
from guardsdk.policy.monitoring import ActorRules, Enforcement, MonitorRules
from guardsdk.policy.recalibrating import Recalibration
from guardsdk.verdict import Action

if TYPE_CHECKING:
    from pydantic import BaseModel

FILE: Final = Path(__file__).with_name("schema.json")
_DIALECT: Final = "http://json-schema.org/draft-07/schema#"
"""The newest draft that TOML language servers are known to support."""
_REF: Final = "#/definitions/{model}"
_MODELS: Final = (
    *(Policy, Principle, Example, OnError, StageActions, Revise, Review),
    *(LogRules, MonitorRules, ActorRules, Enforcement, Recalibration),
)


def schema() -> dict[str, Any]:
    """Return the schema (JSON Schema, draft 7) of what a policy file may hold."""
    built = Policy.model_json_schema(ref_template=_REF)
    kinds = built.pop("$defs")
    kinds[Policy.__name__] = built
    for model in _MODELS:
        _describe(model, kinds[model.__name__])
    del kinds[Policy.__name__]
    kinds["Principle"]["properties"]["threshold"]["anyOf"] = [
        {"type": "number", "minimum": 0, "maximum": 1},
        {"type": "string", "pattern": rf"^(default|{FPR.pattern})$"},
    ]
    kinds["Principle"]["properties"]["action"] = _without_allow(kinds["Principle"]["properties"]["action"], kinds)
    properties = built["properties"]
    del properties["principles"]
    items = {"$ref": _REF.format(model="Principle")}
    properties["principle"] = {"description": "The criteria, each [[principle]].", "type": "array", "items": items}
    properties["extends"]["description"] = "What this policy builds on: " + ", ".join(PACKAGED) + ", or a path."
    properties["remove"] = {
        "description": "Ids of inherited principles that do not apply; with extends only.",
        "type": "array",
        "items": {"type": "string"},
    }
    kind = kinds["Principle"]
    whole = {"minItems": 1, "items": {"required": kind["required"]}}
    kind["required"] = ["id"]  # an inherited principle names only the keys that change
    built |= {
        "$schema": _DIALECT,
        "required": ["name", "version"],
        "if": {"required": ["extends"]},
        "else": {"properties": {"principle": whole, "remove": False}, "required": ["principle"]},
        "definitions": kinds,
    }
    cleaned: dict[str, Any] = _plain(built)
    return cleaned | {"title": "guardsdk policy"}


def _without_allow(action: dict[str, Any], kinds: dict[str, Any]) -> dict[str, Any]:
    """Return the valid actions of a principle, which can add a finding but never lift one."""
    words = [word for word in kinds["Action"]["enum"] if word != Action.ALLOW]
    for stage in kinds["StageActions"]["properties"].values():
        del stage["anyOf"]
        stage["enum"] = words
    forms = [{"type": "string", "enum": words}, {"$ref": _REF.format(model="StageActions")}]
    return {"oneOf": forms, "default": action["default"], "description": action["description"]}


def _plain(part: Any) -> Any:  # noqa: ANN401  any JSON value
    """Return a part of the schema without generated titles and without null, which TOML does not have."""
    if isinstance(part, list):
        return [_plain(one) for one in part]
    if not isinstance(part, dict):
        return part
    kept = {key: value for key, value in part.items() if not (key == "title" and isinstance(value, str))}
    if kept.get("default", 0) is None:
        del kept["default"]
    forms = [form for form in kept.get("anyOf", ()) if form != {"type": "null"}]
    if len(forms) == 1:
        del kept["anyOf"]
        kept = {**forms[0], **kept}
    return {key: _plain(value) for key, value in kept.items()}


def as_json() -> str:
    """Return the schema as it is written to ``FILE``."""
    return json.dumps(schema(), indent=1) + "\n"


def _describe(model: type[BaseModel], part: dict[str, Any]) -> None:
    """Add the docstring of each field of ``model`` to its part of the schema."""
    part["description"] = inspect.cleandoc(model.__doc__ or "").partition("\n")[0]
    for name, words in _field_words(model).items():
        part["properties"].get(name, {})["description"] = " ".join(words.replace("``", "").split())


def _field_words(model: type[BaseModel]) -> dict[str, str]:
    tree = ast.parse(inspect.getsource(model))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    found = {}
    for field, words in pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(words, ast.Expr)
            and isinstance(words.value, ast.Constant)
            and isinstance(words.value.value, str)
        ):
            found[field.target.id] = words.value.value
    return found

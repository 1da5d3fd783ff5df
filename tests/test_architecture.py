"""The rooms keep to their floors, and each sensitive word to its one home."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST_FILE = 330
FLOORS = {
    "frozen": 0,
    "verdict": 0,
    "errors": 0,
    "forking": 0,
    "belonging": 0,
    "beside": 0,
    "disk": 0,
    "csv_rows": 0,
    "settings": 0,
    "surroundings": 0,
    "limits": 0,
    "version": 0,
    "intervals": 0,
    "pseudonyms": 0,
    "keys": 0,
    "text": 1,
    "policy": 1,
    "render": 2,
    "vault": 2,
    "registry": 2,
    "cache": 2,
    "flights": 2,
    "observing": 2,
    "engine": 3,
    "screens": 4,
    "telemetry": 4,
    "decisions": 5,
    "monitor": 5,
    "teaching": 5,
    "pipeline": 5,
    "guard": 6,
    "trying": 6,
    "incidents": 6,
    "decorator": 6,
    "parts": 6,
    "calling": 6,
    "extract": 6,
    "reviewing": 6,
    "streaming": 6,
    "calibration": 6,
    "integrations": 7,
    "evaluation": 7,
    "dossier": 8,
    "cli": 9,
}
"""Room to floor; a module that is not here has no place yet, and giving it one is a decision."""
PAGE = Path(__file__).resolve().parents[1] / "docs" / "architecture.md"
_ROW = re.compile(r"^\| (\d) [a-z ]+ \| `(\w+)(?:\.py|/)` \|", re.MULTILINE)
FACADE = 6
ENTRANCES = {"__init__.py", "__main__.py"}
"""The package's own door and its command line, above every floor."""
HOMES = {
    "onnxruntime": ("engine/",),
    "tokenizers": ("engine/",),
    "opentelemetry": ("telemetry/",),
    "langchain": ("integrations/langchain_agents.py",),
    "langchain_core": ("integrations/langchain.py", "integrations/langchain_agents.py"),
    "presidio_analyzer": ("integrations/presidio.py",),
    "cachetools": ("cache.py", "monitor/"),
    "pyarrow": ("decisions/parquet.py",),
    "redis": ("monitor/shared.py",),
    "tqdm": ("cli/",),
    "torch": ("evaluation/local_model.py",),
    "transformers": ("evaluation/local_model.py",),
    "pytest": ("evaluation/pytest_plugin.py",),
    "inspect_ai": ("integrations/inspect_ai.py",),
    "garak": ("integrations/garak.py",),
}
"""Third-party name to the only places that may import it."""
NETWORK = {
    "aiohttp",
    "asyncore",
    "ftplib",
    "http",
    "httpx",
    "huggingface_hub",
    "requests",
    "smtplib",
    "socket",
    "socketserver",
    "ssl",
    "urllib",
    "urllib3",
    "xmlrpc",
}
NETWORK_HOME = "evaluation/endpoint.py"
"""The only file that may talk to a network: it asks the endpoint an evaluation was told to ask."""
SETTINGS_HOME = "settings.py"
PRINT_HOME = "cli/"
TEXT_HOMES = ("telemetry/content.py",)
"""The only place that may read the checked text off a record."""
DECISION_HOME = "policy/decide.py"


def package_root() -> Path:
    """The installed or checked-out package, whichever the tests run on."""
    spec = importlib.util.find_spec("guardsdk")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def sources() -> dict[str, str]:
    root = package_root()
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in sorted(root.rglob("*.py"))}


def room_of(path: str) -> str:
    return PurePosixPath(path).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every imported module, wherever in the file, as (line, dotted name); relative imports start with a dot."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            if base == "guardsdk":
                for alias in node.names:
                    yield node.lineno, f"guardsdk.{alias.name}"
            else:
                yield node.lineno, base


def direction_faults(path: str, tree: ast.AST) -> Iterator[str]:
    if path in ENTRANCES:
        return
    room = room_of(path)
    if room not in FLOORS:
        yield f"{path}: room {room!r} has no floor"
        return
    for line, name in imported(tree):
        if name.startswith("."):
            yield f"{path}:{line}: relative import"
        parts = name.split(".")
        if parts[0] != "guardsdk":
            continue
        other = parts[1] if len(parts) > 1 else ""
        if other == room:
            continue
        if other not in FLOORS:
            yield f"{path}:{line}: imports the package root or an unknown room ({name})"
        elif FLOORS[other] > FLOORS[room] or (FLOORS[other] == FLOORS[room] and FLOORS[room] not in {0, FACADE}):
            yield f"{path}:{line}: floor {FLOORS[room]} imports {name} on floor {FLOORS[other]}"


def home_faults(path: str, tree: ast.AST) -> Iterator[str]:
    for line, name in imported(tree):
        top = name.split(".")[0]
        if top in NETWORK and path != NETWORK_HOME:
            yield f"{path}:{line}: network module {name}"
        if top in HOMES and not path.startswith(HOMES[top]):
            yield f"{path}:{line}: {name} outside {', '.join(HOMES[top])}"


def word_faults(path: str, tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"print", "input"}:
            if not path.startswith(PRINT_HOME):
                yield f"{path}:{node.lineno}: {node.func.id} outside {PRINT_HOME}"
        elif isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "putenv"}:
            if path != SETTINGS_HOME:
                yield f"{path}:{node.lineno}: {node.attr} outside {SETTINGS_HOME}"
        elif isinstance(node, ast.Attribute) and node.attr == "checked_text":
            if path not in TEXT_HOMES:
                yield f"{path}:{node.lineno}: the checked text outside {', '.join(TEXT_HOMES)}"
        elif isinstance(node, ast.Compare) and compares_score(node) and path != DECISION_HOME:
            yield f"{path}:{node.lineno}: a score is held against a threshold outside {DECISION_HOME}"
        elif isinstance(node, ast.Assert):
            yield f"{path}:{node.lineno}: assert in the package"


def compares_score(node: ast.Compare) -> bool:
    """Whether an ordering has a threshold on one side and a score or probability on the other."""
    if not all(isinstance(op, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)) for op in node.ops):
        return False
    sides = [names_in(side) for side in (node.left, *node.comparators)]
    threshold = [any("threshold" in name for name in side) for side in sides]
    score = [any("score" in name or "probabilit" in name for name in side) for side in sides]
    return any(threshold[one] and score[two] for one in range(len(sides)) for two in range(len(sides)) if one != two)


def names_in(tree: ast.AST) -> list[str]:
    names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return names + [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]


def faults(path: str, source: str) -> list[str]:
    tree = ast.parse(source)
    found = [*direction_faults(path, tree), *home_faults(path, tree), *word_faults(path, tree)]
    length = source.count("\n")
    return found + ([f"{path}: {length} lines"] if length > LONGEST_FILE else [])


def all_faults(files: Iterable[tuple[str, str]]) -> list[str]:
    return [fault for path, source in files for fault in faults(path, source)]


def test_the_package_keeps_its_own_rules() -> None:
    files = sources()
    assert {"verdict.py", "pipeline.py", "guard.py", "policy/decide.py"} <= files.keys()
    assert all_faults(files.items()) == []


@pytest.mark.parametrize(
    ("path", "source", "expected"),
    [
        ("engine/x.py", "from guardsdk.policy.model import Policy", None),
        ("guard.py", "from guardsdk.extract import prompt", None),
        ("errors.py", "from guardsdk.verdict import Verdict", None),
        ("policy/x.py", "from guardsdk.engine.pool import classifier", "floor 1 imports"),
        ("policy/x.py", "def f():\n    import guardsdk.engine.pool", "floor 1 imports"),
        ("screens/x.py", "from guardsdk.telemetry.names import SPAN", "floor 4 imports"),
        ("screens/x.py", "from guardsdk import Guard", "package root"),
        ("screens/x.py", "import guardsdk", "package root"),
        ("screens/x.py", "from ..telemetry import names", "relative import"),
        ("helpers.py", "", "has no floor"),
        ("pipeline.py", "import onnxruntime as ort", "onnxruntime outside engine/"),
        ("registry/x.py", "from tokenizers import Tokenizer", "tokenizers outside engine/"),
        ("pipeline.py", "from opentelemetry import trace", "opentelemetry outside telemetry/"),
        ("telemetry/x.py", "from opentelemetry.sdk import trace", None),
        ("integrations/other.py", "import langchain_core.callbacks", "langchain_core.callbacks outside"),
        ("registry/x.py", "import urllib.request", "network module"),
        ("registry/x.py", "from http.client import HTTPConnection", "network module"),
        ("evaluation/endpoint.py", "from http.client import HTTPConnection", None),
        ("evaluation/targets.py", "from http.client import HTTPConnection", "network module"),
        ("evaluation/targets.py", "import torch", "torch outside"),
        ("evaluation/targets.py", "from guardsdk.cli.terminal import say", "floor 7 imports"),
        ("engine/x.py", "print('loaded')", "print outside cli/"),
        ("cli/output.py", "print('loaded')", None),
        ("engine/x.py", "import os\nos.environ['X']", "environ outside settings.py"),
        ("engine/x.py", "import os\nos.getenv('X')", "getenv outside settings.py"),
        ("screens/x.py", "hit = scores['a'] >= principle.threshold", "outside policy/decide.py"),
        ("screens/x.py", "hit = threshold < max_score", "outside policy/decide.py"),
        ("policy/decide.py", "hit = score >= threshold", None),
        ("policy/model.py", "fits = 0.0 <= threshold <= 1.0", None),
        ("telemetry/values.py", "sent = record.checked_text", "checked text outside"),
        ("telemetry/content.py", "sent = record.checked_text", None),
        ("decisions/x.py", "import pyarrow as pa", "pyarrow outside"),
        ("decisions/x.py", "from opentelemetry import trace", "opentelemetry outside telemetry/"),
        ("telemetry/x.py", "from guardsdk.decisions.log import DecisionLog", "floor 4 imports"),
        ("text/x.py", "assert True", "assert in the package"),
        ("text/x.py", "x = 1\n" * (LONGEST_FILE + 1), f"{LONGEST_FILE + 1} lines"),
    ],
)
def test_a_planted_violation_is_found_and_honest_code_is_not(path: str, source: str, expected: str | None) -> None:
    found = faults(path, source)
    if expected is None:
        assert found == []
    else:
        assert len(found) == 1
        assert expected in found[0]


def test_every_floor_has_a_room_in_the_package() -> None:
    rooms = {room_of(path) for path in sources() if path not in ENTRANCES}
    assert rooms == FLOORS.keys()


def test_the_page_has_a_row_for_every_room_on_its_floor() -> None:
    rows = _ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert {room: int(floor) for floor, room in rows} == FLOORS
    assert len(rows) == len(FLOORS)

"""Measure what every packaged policy holds back, on calibration data and on cases written by the project.

Example: ``python -m benchmarks.presets --data DIR`` writes ``docs/presets.md``, ``benchmarks/results/presets.json`` and
the figures at the top of every preset file. Every text is scored once; all policies then decide on the same scores.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.command import command
from benchmarks.data import Row, load
from benchmarks.own import HARD_BENIGN, own
from benchmarks.quality import DATA, STORE
from benchmarks.report import interval, table
from benchmarks.scoring import GuardSystem, measure
from benchmarks.stats import weighted_share
from guardsdk import Guard, Policy, Stage
from guardsdk.policy import PACKAGED, bind, decide
from guardsdk.policy.files import about, packaged_file
from guardsdk.policy.writing import toml_value
from guardsdk.trying import tallies, try_examples
from guardsdk.verdict import Action
from tests.cases import slices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from benchmarks.scoring import Outcome
    from guardsdk.policy import BoundPolicy
    from guardsdk.trying import Tried

PAGE = Path("docs/presets.md")
RESULTS = Path("benchmarks/results/presets.json")
BEGIN: Final = "# measured:begin\n"
END: Final = "# measured:end\n"
LIMIT: Final = 150
"""Rows of each set, stage and label by default."""


PAGE_TEXT: Final = """\
# Presets

Presets are the policies of the package besides the default one, each a file in `guardsdk/policy/presets`.
`guardsdk policy init --preset NAME` starts a policy of your own from one; `Guard("NAME")` and `--policy NAME` use it
unchanged. [policy.md](policy.md#extending-another-policy) describes how a policy extends another.

{purposes}
The tables show the share of texts held back, in %, with 95 % intervals (Wilson). {run}

The thresholds were set on this calibration data, so the figures compare presets with each other and flatter all of
them. [quality.md](quality.md) shows what the model does on data it never saw. Groups called *own* are small sets
written by the project. A text counts as held back if its action is neither `allow` nor `flag`, so an answer with
personal data cut out counts, or if it counts as not checked.

## Harmless texts held back

{harmless}
## Attacks and harmful texts held back

{harmful}
## Examples with another result than written

Every principle's examples, run with this model at the preset's thresholds, as `guardsdk policy test NAME` does. The
number is that of the example within its principle, from 0; the expected action follows in brackets.

{examples}
To measure again:

```sh
python -m benchmarks.presets --data DIR
```
"""


@dataclass(frozen=True, slots=True)
class Group:
    """Texts that ought to be decided alike."""

    name: str
    harmless: bool
    rows: tuple[Row, ...] = field(repr=False)


def _from(sets: Sequence[str], wanted: Callable[[Row], bool]) -> Callable[[Mapping[str, list[Row]]], list[Row]]:
    return lambda read: [row for name in sets for row in read[name] if wanted(row)]


def _english(row: Row) -> bool:
    return row.language in {None, "en"}


def _harmless(row: Row) -> bool:
    return 1 not in {row.attack, row.harm} and 0 in {row.attack, row.harm}


CALIBRATION: Final = {
    "ordinary requests": (
        True,
        _from(
            ("llamafactory_demo", "mbpp", "taskmaster4", "neuralchemy_pi", "promptscan_prompts"),
            lambda row: row.stage == "input" and _english(row) and _harmless(row),
        ),
    ),
    "ordinary documents": (
        True,
        _from(("llamafactory_demo", "sms_spam"), lambda row: row.stage == "tool" and _english(row) and _harmless(row)),
    ),
    "ordinary answers": (
        True,
        _from(("llamafactory_demo", "mbpp"), lambda row: row.stage == "output" and _english(row) and _harmless(row)),
    ),
    "requests in other languages": (True, _from(("xquad",), lambda row: row.language != "en")),
    "attacks typed by users": (
        False,
        _from(
            ("neuralchemy_pi", "promptscan_prompts", "owasp_aitg", "tensor_trust"),
            lambda row: row.stage == "input" and _english(row) and row.attack == 1,
        ),
    ),
    "toxic language": (False, _from(("surge_toxicity",), lambda row: row.harm == 1)),
}
"""Groups of the calibration data: whether they are harmless, and their rows."""
OWN: Final = {
    "own attacks": ("injection", "jailbreak", "obfuscated"),
    "own documents with orders": ("tool_attack",),
    "own harmful requests": ("harmful_request",),
    "own harmful answers": ("harmful_response",),
}
"""Groups of frozen cases of the project (``tests/cases``) that ought to be held back."""


def groups(data: Path, limit: int, seed: int) -> list[Group]:
    """Read every group. Raises ``FileNotFoundError`` where ``data`` lacks a set."""
    names = sorted(
        {
            *("llamafactory_demo", "mbpp", "taskmaster4", "neuralchemy_pi", "promptscan_prompts"),
            *("sms_spam", "xquad", "owasp_aitg", "tensor_trust", "surge_toxicity"),
        }
    )
    read = {name: load(data / "calib" / f"{name}.jsonl.gz", limit, seed) for name in names}
    found = [Group(name, harmless, tuple(rows(read))) for name, (harmless, rows) in CALIBRATION.items()]
    return [*found, *own_groups()]


def own_groups() -> list[Group]:
    """Return the groups that need no data folder."""
    known = slices()
    found = [Group("own hard harmless texts", harmless=True, rows=tuple(own(HARD_BENIGN)))]
    for name, members in OWN.items():
        rows = [
            Row(member, known[member].stage.value, case.text, case.context, attack=None, harm=None, refusal=None)
            for member in members
            for case in known[member].cases
        ]
        found.append(Group(name, harmless=False, rows=tuple(rows)))
    return found


def everything(guard: Guard) -> Policy:
    """Return a policy that asks for every label on every stage it is scored on, so that one pass serves all others."""
    points = guard.info().operating_points
    lines = ['name = "every-label"', 'version = "1"']
    for label, stages in points.items():
        offered = toml_value([stage.value for stage in stages])
        lines += ["[[principle]]", f'id = "{label.replace("_", "-")}"', 'text = "Scored."', f'label = "{label}"']
        lines += [f"stages = {offered}", 'action = "flag"']
    return Policy.from_toml("\n".join(lines))


def held_back(bound: BoundPolicy, row: Row, outcome: Outcome) -> bool:
    """Whether the text may not pass as it is, by a principle or because it counts as not checked."""
    stage = Stage(row.stage)
    decision = decide(bound, stage, outcome.scores)
    degraded = any(fired.principle.degrades for fired in decision.fired)
    return not decision.action.passes or (degraded and bound.policy.on_error_for(stage) is Action.BLOCK)


def figures(
    found: Sequence[Group], bound: Mapping[str, BoundPolicy], outcomes: Mapping[str, Outcome]
) -> dict[str, Any]:
    """Return by preset and group the share held back, with a 95 % interval."""
    result: dict[str, Any] = {}
    for name, policy in bound.items():
        result[name] = {}
        for group in found:
            decisions = [held_back(policy, row, outcomes[row.key]) for row in group.rows]
            share = weighted_share(decisions, [1.0] * len(decisions))
            result[name][group.name] = {**asdict(share), "rate": share.rate, "harmless": group.harmless}
    return result


def page(result: dict[str, Any]) -> str:
    """Return ``docs/presets.md``."""
    first = next(iter(result["presets"].values()))
    harmless = [name for name, one in first.items() if one["harmless"]]
    model = result["model"]
    about_run = (
        f"Model `{model['name']}` {model['version']} (digest `{model['digest'][:16]}`), measured {result['date']}, at "
        f"most {result['limit']} rows of each set, stage and label."
    )
    rows = [
        (f"`{name}`", str(one["tried"]), "; ".join(one["misses"]) or "none") for name, one in result["examples"].items()
    ]
    return PAGE_TEXT.format(
        purposes=table(("preset", "for"), [(f"`{name}`", about(name)) for name in PACKAGED[1:]], 2),
        run=about_run,
        harmless=_shares(result, harmless),
        harmful=_shares(result, [name for name in first if name not in harmless]),
        examples=table(("policy", "examples", "otherwise"), rows, 3),
    )


def _shares(result: dict[str, Any], names: Sequence[str]) -> str:
    sizes = next(iter(result["presets"].values()))
    head = ("policy", *(f"{name} (n = {sizes[name]['total']:g})" for name in names))
    rows = [(f"`{preset}`", *(interval(found[name]) for name in names)) for preset, found in result["presets"].items()]
    return table(head, rows, 1)


def header(result: dict[str, Any], preset: str) -> str:
    """Return the comment lines of measured figures for one preset file."""
    model = result["model"]
    lines = [
        f"# Held back, in %, by {model['name']} {model['version']}, {result['date']} (docs/presets.md says of what):"
    ]
    lines += [f"#   {name}: {interval(one)}" for name, one in result["presets"][preset].items()]
    return "\n".join(lines) + "\n"


def filled(text: str, body: str) -> str:
    """Return a preset file with its figures replaced. Raises ``ValueError`` unless each marker is there once."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        msg = f"the file must hold {BEGIN.strip()!r} and {END.strip()!r} once each"
        raise ValueError(msg)
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + body + END + rest.partition(END)[2]


def _tried(tried: Iterable[Tried]) -> dict[str, Any]:
    every = list(tried)
    misses = [f"{one.principle_id} {one.number} ({one.expect.value})" for one in every if not one.right]
    return {"tried": len(every), "principles": len(tallies(every)), "misses": misses}


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = argparse.ArgumentParser(prog="python -m benchmarks.presets", description=__doc__)
    built.add_argument("--data", type=Path, default=DATA, help="folder that holds calib/ (default: %(default)s)")
    built.add_argument("--model", type=Path, help="model directory (default: the shipped one)")
    built.add_argument("--limit", type=int, default=LIMIT, help="rows of each set, stage and label (%(default)s)")
    built.add_argument("--seed", type=int, default=0, help="seed of --limit")
    built.add_argument("--store", type=Path, default=STORE, help="outcomes are kept here, without texts")
    return built


@command(parser)
def main(options: argparse.Namespace) -> None:
    """Measure, write and print."""
    found = groups(options.data, options.limit, options.seed)
    with Guard("default", models=options.model, providers="cpu", observers=()) as plain:
        asking = everything(plain)
        model = plain.info().model
        points = {
            (label, stage): offered
            for label, stages in plain.info().operating_points.items()
            for stage, offered in stages.items()
        }
    with Guard(asking, models=options.model, providers="cpu", cache=0, early_stop=False, observers=()) as guard:
        rows = [row for group in found for row in group.rows]
        outcomes = measure(GuardSystem(guard, "presets"), rows, options.store).outcomes
    result: dict[str, Any] = {
        "model": model.model_dump(),
        "date": time.strftime("%Y-%m-%d"),
        "limit": options.limit,
        "presets": figures(found, {name: bind(Policy.preset(name), points) for name in PACKAGED[1:]}, outcomes),
        "examples": {},
    }
    for name in PACKAGED:
        with Guard(name, models=options.model, providers="cpu", observers=()) as guard:
            result["examples"][name] = _tried(try_examples(guard))
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(result), encoding="utf-8")
    for name in PACKAGED[1:]:
        file = packaged_file(name)
        file.write_text(filled(file.read_text(encoding="utf-8"), header(result, name)), encoding="utf-8")
    print(page(result))


if __name__ == "__main__":
    raise SystemExit(main())

"""Measure what decoding adds: attacks found, harmless texts stopped by mistake, and time, with and without it.

Example: ``python -m benchmarks.obfuscation --data DIR --markdown docs/obfuscation.md``.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tokenizers import Tokenizer
from tqdm import tqdm

from benchmarks import hardware
from benchmarks.command import command
from benchmarks.data import load
from benchmarks.disguises import DISGUISES, HIDDEN
from benchmarks.latency import texts as texts_of
from benchmarks.obfuscation_report import figures
from benchmarks.pages import fill_in, save_json
from benchmarks.stats import share_of
from guardsdk import Action, Guard, GuardError, Policy, Status
from guardsdk.evaluation.statistics import percentile
from guardsdk.text.hidden import hidden
from guardsdk.text.views import views_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from guardsdk import Verdict

DATA = Path("../shared/data")
RESULTS = Path("benchmarks/results/obfuscation.json")
OWN = Path(__file__).with_name("ordinary_unicode.txt")
ATTACKS = ("vulcanforge_obf_heldout_seeds",)
ORDINARY = (
    ("multilingual", "tatoeba_laser"),
    ("multilingual", "xquad"),
    ("multilingual", "mgsm"),
    ("multilingual", "korean_hate"),
    ("code", "humaneval"),
    ("code", "mbpp"),
    ("code", "code_alpaca_2k"),
    ("code", "bfcl"),
    ("emoji", "hatemoji_build"),
    ("prose", "taskmaster4"),
    ("prose", "sms_spam"),
    ("prose", "dolly_subset"),
    ("prose", "llamafactory_demo"),
)
"""Kind and name of the sets whose harmless rows are counted."""
HIDDEN_LABEL = "hidden_text"
_BURST = 5
_BATCH = 64
_LENGTHS = (10, 40, 130, 500)


class Case(NamedTuple):
    """One text to be judged."""

    text: str
    stage: str


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = argparse.ArgumentParser(prog="python -m benchmarks.obfuscation", description=__doc__)
    built.add_argument(
        "--data", type=Path, default=DATA, help="folder of train/, calib/, bench/ (default: %(default)s)"
    )
    built.add_argument("--model", type=Path, help="model directory (default: the shipped one)")
    built.add_argument("--limit", type=int, default=1500, help="at most this many attacks (default: %(default)s)")
    built.add_argument("--rounds", type=int, default=20, help="rounds of the time measurement (default: %(default)s)")
    built.add_argument("--out", type=Path, help=f"write the figures as JSON, usually to {RESULTS}")
    built.add_argument("--markdown", type=Path, help="write the tables, usually to docs/obfuscation.md")
    return built


def stopped(verdict: Verdict) -> bool:
    """Whether a principle blocks the text. Raises ``GuardError`` where the check was not complete."""
    if verdict.status is not Status.COMPLETE:
        msg = f"a check was not complete: {verdict.error or verdict.degraded_reasons}"
        raise GuardError(msg)
    return any(finding.action is Action.BLOCK for finding in verdict.findings)


def decisions(guard: Guard, cases: Sequence[Case], name: str) -> list[bool]:
    """Return what ``guard`` stops, case by case; all cases are of one stage."""
    found: list[bool] = []
    with tqdm(total=len(cases), desc=name, unit="text", disable=not cases) as bar:
        for start in range(0, len(cases), _BATCH):
            part = cases[start : start + _BATCH]
            found.extend(map(stopped, guard.check_many([case.text for case in part], stage=part[0].stage)))
            bar.update(len(part))
    return found


def compared(guards: Sequence[Guard], cases: Sequence[Case], name: str, *, whole: bool) -> dict[str, Any]:
    """Count what is stopped without and with decoding.

    A text without a view and without a hidden passage is scored the same both ways; it is scored once, and only if the
    ``whole`` rate is asked for and not just the difference.
    """
    changed = [bool(views_of(case.text) or hidden(case.text)) for case in cases]
    touched = [case for case, is_changed in zip(cases, changed, strict=True) if is_changed]
    rest = [case for case, is_changed in zip(cases, changed, strict=True) if whole and not is_changed]
    base = sum(decisions(guards[1], rest, name))
    off, on = (base + sum(decisions(guard, touched, name)) for guard in guards)
    return {
        "set": name,
        "texts": len(cases),
        "changed": len(touched),
        "off": share_of(off, len(cases)),
        "on": share_of(on, len(cases)),
    }


def rows(data: Path, name: str, *, harmless: bool) -> list[Case]:
    """Read the attacks of the set ``name``, or the harmless rows of one stage. Raises ``FileNotFoundError``."""
    for folder in ("train", "calib", "bench", "."):
        path = data / folder / f"{name}.jsonl.gz"
        if path.exists():
            kept = [row for row in load(path) if harmless is not (row.attack == 1 or row.harm == 1)]
            # Answers are judged with their prompts, which is not what is asked here.
            found = [Case(row.text, "input") for row in kept if row.stage == "input" and row.text.strip()]
            return found or [Case(row.text, "tool") for row in kept if row.stage == "tool" and row.text.strip()]
    msg = f"{data} holds no {name}.jsonl.gz"
    raise FileNotFoundError(msg)


def examples(policy: Policy, *, attacks: bool) -> list[str]:
    """Return the examples of the principle on overriding instructions: attacks, or their harmless counterparts."""
    return [
        example.text
        for principle in policy.principles
        if principle.label == "prompt_injection" and "input" in principle.stages
        for example in principle.examples
        if (example.expect is Action.BLOCK) is attacks
    ]


def encoded(guards: Sequence[Guard], plain: Policy) -> list[dict[str, Any]]:
    """Return, disguise by disguise, the recall on encoded attacks and the false blocks on encoded harmless texts."""
    texts = {attacks: examples(plain, attacks=attacks) for attacks in (True, False)}
    found = []
    ways: dict[str, Callable[[str], str]] = {"in the open": lambda text: text, **DISGUISES}
    for name, encode in ways.items():
        entry: dict[str, Any] = {"disguise": name, "hidden": name in HIDDEN}
        for attacks, key in ((True, "attacks"), (False, "harmless")):
            entry[key] = compared(guards, [Case(encode(text), "tool") for text in texts[attacks]], name, whole=True)
        found.append(entry)
    return found


def cost(guards: Sequence[Guard], pools: dict[str, Sequence[Case]], rounds: int) -> list[dict[str, Any]]:
    """Time single checks without and with decoding, in turn, and give the median ratio of a burst.

    Times are processor time of all threads, which other work on the machine affects least.
    """
    found = []
    for name, cases in pools.items():
        ratios: list[float] = []
        seconds: list[list[float]] = [[], []]
        for turn in tqdm(range(rounds + 1), desc=f"time {name}", unit="round"):
            burst = [cases[(turn * _BURST + offset) % len(cases)] for offset in range(_BURST)]
            taken = [0.0, 0.0]
            for case in burst:
                for which in (0, 1) if turn % 2 else (1, 0):
                    start = time.process_time()
                    guards[which].check(case.text, stage=case.stage)
                    taken[which] += time.process_time() - start
            if turn:  # the first warms up
                ratios.append(taken[1] / taken[0])
                for which in (0, 1):
                    seconds[which].append(taken[which] / _BURST)
        found.append(
            {
                "texts": name,
                "ratio": percentile(ratios, 50),
                "quartiles": [percentile(ratios, 25), percentile(ratios, 75)],
                "off_ms": 1e3 * percentile(seconds[0], 50),
                "decode_us": 1e6 * _decoding(cases),
            }
        )
    return found


def _decoding(cases: Sequence[Case]) -> float:
    """Return the mean seconds of looking for views."""
    start = time.process_time()
    for case in cases:
        views_of(case.text)
    return (time.process_time() - start) / len(cases)


def pools_of(guard: Guard, data: Path) -> dict[str, Sequence[Case]]:
    """Return the texts whose checks are timed: English of several lengths, and the ordinary sets mixed."""
    tokenizer = Tokenizer.from_file(str(guard.info().directory / "tokenizer.json"))
    pools: dict[str, Sequence[Case]] = {
        f"English, {tokens} tokens": [Case(text, "input") for text in texts_of(tokenizer, tokens)]
        for tokens in _LENGTHS
    }
    for kind in dict.fromkeys(kind for kind, _ in ORDINARY):
        names = [name for of, name in ORDINARY if of == kind]
        mixed: Iterable[Case] = (case for name in names for case in rows(data, name, harmless=True)[:60])
        pools[f"{kind}, as it comes"] = list(mixed)
    return pools


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything. Raises ``GuardError`` or ``OSError``."""
    policy = Policy.default()
    without = policy.model_copy(update={"principles": tuple(p for p in policy.principles if p.label != HIDDEN_LABEL)})
    with ExitStack() as stack:
        guards = [
            stack.enter_context(
                Guard(chosen, models=options.model, providers="cpu", cache=0, observers=(), views=views)
            )
            for chosen, views in ((without, False), (policy, True))
        ]
        for guard in guards:
            guard.warmup()
        own = [line for line in OWN.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        ordinary = [
            {"kind": kind, **compared(guards, rows(options.data, name, harmless=True), name, whole=False)}
            for kind, name in ORDINARY
        ]
        lines = [Case(line, "input") for line in own]
        ordinary.append({"kind": "emoji, right to left", **compared(guards, lines, OWN.stem, whole=False)})
        attacks = [
            compared(guards, rows(options.data, name, harmless=False)[: options.limit], name, whole=True)
            for name in ATTACKS
        ]
        model = guards[1].info().model
        return {
            "date": time.strftime("%Y-%m-%d"),
            "machine": hardware.machine(),
            "limit": options.limit,
            "model": model.model_dump(),
            "attacks": attacks,
            "encoded": encoded(guards, policy),
            "ordinary": ordinary,
            "cost": cost(guards, pools_of(guards[1], options.data), options.rounds),
        }


@command(parser)
def main(options: argparse.Namespace) -> None:
    """Measure, write and print."""
    result = run(options)
    save_json(options.out, result)
    fill_in(options.markdown, "obfuscation", figures(result))
    print(figures(result))


if __name__ == "__main__":
    raise SystemExit(main())

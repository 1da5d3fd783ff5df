"""Jailbreak frames around harmful payloads, and the same frames around harmless ones."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from models.training.banks import bank
from models.training.generators.input_surface import distinct, dress, lower_first, slots, upper_first, weighted
from models.training.rows import Row

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

_HOW = re.compile(
    r"\bhow (?:to|(?:do|does|can|could|would|should|might) (?:i|you|one|we|someone|somebody|people)) (.+)$",
    re.IGNORECASE,
)
_NOT_ACTS = re.compile(
    r"^(?:what|why|where|when|who|whose|which|is|are|do|does|did|can|could|should|would|how|if|i|i'm|my|the|a|an|in|as"
    r"|please|you|there|it|we|hi|hey|hello|tell me|give me)\b",
    re.IGNORECASE,
)
_KINDS = {
    "rules": 0.13,
    "drop": 0.07,
    "soft": 0.18,
    "twin": 0.11,
    "case": 0.16,
    "case_twin": 0.08,
    "long": 0.11,
    "long_twin": 0.06,
    "parts": 0.04,
    "suffix": 0.03,
    "plain": 0.03,
}
_HARMFUL_SHARE = {
    "rules": 0.7,
    "drop": 0.7,
    "soft": 0.55,
    "case": 0.6,
    "case_twin": 0.12,
    "long": 0.6,
    "long_twin": 0.12,
    "parts": 0.55,
    "twin": 0.4,
    "suffix": 0.6,
    "plain": 0.5,
}
_RULE_DROPPING = frozenset({"rules", "drop"})
_SYLLABLES = [
    "ing",
    "descri",
    "similarly",
    "Now",
    "write",
    "opp",
    "}{",
    "](",
    "==",
    "tutorial",
    "revert",
    "please",
    "steps",
    "````",
    "Two",
    "once",
    "sure",
    "\\+",
    "formatt",
]
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PIECES = ("){", "](", "\\n", "}}", "--", "!!", "?>", "::", "\\", '"+', "</", "~~", "|[", "***", "=>", "@@", ";)")


def clean_goal(payload: str) -> str:
    """Return the payload without outer white space and closing punctuation, first letter lowered."""
    return lower_first(payload.strip().rstrip(".!?… \n"))


def act_of(payload: str) -> str | None:
    """Return the bare verb phrase of a request (``how to X``, or an imperative); ``None`` where there is none."""
    goal = clean_goal(payload)
    if "\n" in goal or ". " in goal:
        return None
    match = _HOW.search(goal)
    if match:
        return match.group(1)
    return None if _NOT_ACTS.match(goal) else goal


def token_soup(rng: random.Random) -> str:
    """Return a gibberish tail of the kind that optimised suffixes look like."""
    tokens: list[str] = []
    for _ in range(rng.randint(10, 32)):
        kind = rng.randrange(4)
        if kind == 0:
            tokens.append(rng.choice(_PIECES))
        elif kind == 1:
            tokens.append(rng.choice(_SYLLABLES))
        else:
            tokens.append("".join(rng.choice(_LETTERS) for _ in range(rng.randint(2, 7))))
    out = tokens[0]
    for token in tokens[1:]:
        out += rng.choice((" ", " ", "")) + token
    return out


def wrap(rng: random.Random, frame: str, payload: str) -> str | None:
    """Put the payload into a frame; ``None`` where the frame needs a verb phrase and the payload has none."""
    act = act_of(payload)
    if "{act}" in frame and act is None:
        return None
    goal = clean_goal(payload)
    body = payload.strip() if payload.strip()[-1:] in ".!?" else upper_first(payload.strip()) + "."
    if '"{payload}"' in frame or rng.random() < 0.15:
        body = payload.strip()
    text = frame.replace("{act}", act or goal).replace("{goal}", goal).replace("{payload}", body)
    table = slots("frame_slots")
    lead, tail = (rng.choice(("",) * 8 + table[name]) for name in ("lead", "tail"))
    return " ".join(part for part in (lead, text, tail) if part)


def _frame(rng: random.Random, kind: str) -> tuple[str, int]:
    """Choose a frame of ``kind`` from its bank, or compose a long one from parts; also return its family's number."""
    if kind != "parts":
        frames = bank(f"frame_{kind}")
        index = rng.randrange(len(frames))
        return frames[index], index
    table = slots("frame_parts")
    index = rng.randrange(len(table["device"]))
    parts = [rng.choice(table["who"]), *rng.sample(table["why"], rng.choice((0, 1, 1, 2)))]
    if rng.random() < 0.3:
        rng.shuffle(parts)
    parts += [table["device"][index], *rng.sample(table["demand"], rng.choice((0, 1, 2, 3)))]
    return rng.choice((" ", " ", " ", "\n\n")).join(parts), index


def framed(rng: random.Random, payload: str, kind: str) -> tuple[str, int]:
    """Return the payload in a frame of ``kind`` that it fits, and the number of the frame's family."""
    while True:
        frame, index = _frame(rng, kind)
        wrapped = wrap(rng, frame, payload)
        if wrapped is not None:
            return wrapped, index


def _draw(harmful: Sequence[str], harmless: Sequence[str], rng: random.Random) -> Row:
    """Draw one framed (or, rarely, plain) request."""
    kind = weighted(rng, _KINDS)
    bad = rng.random() < _HARMFUL_SHARE[kind]
    payload = rng.choice(harmful if bad else harmless)
    labels = {"jailbreak": int(bad or kind in _RULE_DROPPING), "harmful_request": int(bad)}
    if not bad:
        labels["toxicity"] = 0
    if kind in {"plain", "suffix"}:
        index = 0
        text = payload if kind == "plain" else f"{payload.strip()} {token_soup(rng)}"
        if kind == "plain":
            labels |= {"jailbreak": 0, "prompt_injection": 0}
        else:
            labels["jailbreak"] = 1
    else:
        text, index = framed(rng, payload, kind)
        if kind not in _RULE_DROPPING:
            labels["prompt_injection"] = 0
    text = dress(rng, text, chat=0.15, noise=0.3)
    return Row(text, "input", labels, f"gen_jailbreak_{kind}", f"frame_{kind}:{index}")


def generate(
    rng: random.Random, count: int, harmful: Sequence[str] = (), harmless: Sequence[str] = ()
) -> Iterator[Row]:
    """Yield ``count`` framed requests of the input stage.

    Innocent frames (story, expert, format) take their label from the payload; frames that demand to drop the rules, and
    gibberish suffixes, make a jailbreak whatever they hold; plain requests never are one. Without payloads from the
    caller a short built-in list of generic goals is used.
    """
    bad = tuple(harmful) or bank("frame_goals_harmful")
    good = tuple(harmless) or bank("frame_goals_harmless")
    return distinct(rng, count, functools.partial(_draw, bad, good))

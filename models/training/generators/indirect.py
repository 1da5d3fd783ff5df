"""Indirect prompt injections in documents and tool results, with clean twins, and harmless look-alikes from users."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from models.training.generators.doc_slots import fill, pick, roughen
from models.training.generators.documents import Document, document
from models.training.generators.indirect_place import crop, in_json, in_text
from models.training.generators.input_surface import weighted
from models.training.rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

    from models.training.generators.indirect_place import Place

_LONGEST_TASK: Final = 60
_KINDS: Final = {
    "plain": 36,
    "override": 17,
    "action": 12,
    "extract": 3,
    "stealth": 10,
    "full": 7,
    "turn": 5,
    "lure": 8,
    "hijack": 5,
    "leak": 2,
}
_WHOLE: Final = frozenset({"extract", "full", "hijack", "leak"})
"""Kinds whose phrases are complete; of the others, all but ``plain`` and ``action`` are frames for a task."""
_LETTERS: Final = frozenset({"mail", "note", "chat", "notes"})
"""Kinds of document in which people ask each other for such actions, so that a bare action is no sign of an attack."""
_CLEAN: Final = {
    "bare": 30,
    "request": 18,
    "question": 10,
    "statement": 7,
    "loud": 10,
    "prose": 5,
    "security": 4,
    "comment": 3,
    "note": 3,
    "mail": 6,
    "framed": 10,
    "lookalike": 8,
    "twin": 14,
}
_EXTRAS: Final = (
    "Use at most {n2} words.",
    "Keep it short.",
    "Be creative.",
    "Explain your steps.",
    "Give details.",
    "Thanks!",
    "It should be funny.",
    "Use simple words.",
    "Do not add anything else.",
    "Make it rhyme.",
    "Start right away.",
    "Answer in one sentence.",
)

_OPENINGS: Final = (
    *("",) * 12,
    "Hi, ",
    "hey, ",
    "Please: ",
    "ok now: ",
    "Could you do this: ",
    "Hello! ",
    "Next one: ",
    "quick one - ",
    "Thanks. Now: ",
    "Good morning. ",
    "I'm in a hurry. ",
    "For my blog: ",
    "For work: ",
    "I need your help. ",
)


def _own_or(rng: Random, banks: Sequence[str], others: Sequence[str]) -> str:
    """Draw from ``others``, if there are any, in half of the cases, else from one of ``banks``."""
    if others and rng.random() < 0.5:
        return " ".join(rng.choice(others).split()[:_LONGEST_TASK])
    return pick(rng, rng.choice(banks))


def join(frame: str, task: str, mark: str) -> str:
    """Put ``task`` into ``frame`` and fit it to the text before it: its first letter, and quotes around a question."""
    head = frame.partition(mark)[0].rstrip()
    inside = bool(head) and (head[-1].isalnum() or head[-1] in ",;") and not head.isupper()
    if inside and task.rstrip().endswith("?"):
        task = f'answer this: "{task}"'
    first = task[:1].lower() if inside and not task.startswith(("I ", "I'")) else task[:1].upper()
    return frame.replace(mark, first + task[1:])


def _task(rng: Random, tasks: Sequence[str]) -> str:
    """Draw a plain instruction or question."""
    return _own_or(rng, ("inj_plain", "inj_plain", "inj_stray", "inj_plain_bad"), tasks)


def _plain(rng: Random, tasks: Sequence[str]) -> str:
    """Write a plain task without a single override word."""
    text = _task(rng, tasks)
    draw = rng.random()
    if draw < 0.12:  # share of double tasks
        text += " " + rng.choice(("", "Then: ", "Also, ", "After that: ")) + _task(rng, tasks)
    elif draw < 0.27:  # share of tasks with a detail
        text += " " + fill(rng, rng.choice(_EXTRAS))
    elif draw < 0.35:  # share of polite tasks
        text = join(rng.choice(("Please {t}", "Can you {t}", "Kindly {t}", "Now {t}", "Next, {t}")), text, "{t}")
    return text


def _action(rng: Random) -> str:
    """Write an action for an agent, bare, polite or as a to-do."""
    text = pick(rng, "inj_todo")
    while "{action}" in text:
        head, _, tail = text.partition("{action}")
        text = join(head + "{action}", pick(rng, "inj_agent"), "{action}") + tail
    return text


def attack(rng: Random, kind: str, tasks: Sequence[str] = ()) -> str:
    """Write an instruction aimed at the machine that reads the document."""
    if kind == "plain":
        text = _plain(rng, tasks)
    elif kind == "action":
        text = _action(rng)
    elif kind in _WHOLE:
        text = pick(rng, f"inj_{kind}")
    else:
        goal = rng.choices((_task(rng, tasks), pick(rng, "inj_agent"), pick(rng, "inj_extract")), (5, 3, 1))[0]
        text = join(pick(rng, f"inj_{kind}"), goal, "{task}")
        if rng.random() < 0.06:  # share of shouted frames
            text = text.upper()
    return roughen(rng, text)


def decoy(rng: Random, kind: str, tasks: Sequence[str] = ()) -> str | None:
    """Write something harmless for the same place; ``None`` leaves the carrier as it is."""
    if kind == "bare":
        return None
    if kind == "loud":
        text = join(pick(rng, "inj_human_loud"), pick(rng, "doc_mail_request"), "{ask}")
    elif kind == "framed":
        text = pick(rng, "inj_human_frame").replace("{task}", _own_or(rng, ("inj_plain",), tasks))
    else:
        name = {"request": "mail_request", "question": "mail_question", "statement": "mail_statement"}.get(kind, kind)
        text = pick(rng, "doc_" + {"mail": "mail_full"}.get(name, name))
    if kind in {"request", "question", "statement"} and rng.random() < 0.3:  # share of double ones
        text += " " + pick(rng, rng.choice(("doc_mail_request", "doc_mail_question", "doc_mail_statement")))
    return roughen(rng, text)


def _place(rng: Random, carriers: Sequence[str]) -> tuple[Place, str]:
    """Choose a carrier and a spot in it, and name the family."""
    if carriers and rng.random() < 0.5:
        words = rng.choice(carriers).split(" ")
        text = " ".join(words[: rng.choice((60, 120, 200, 350))])
        return in_text(rng, Document(text, "extra")), f"extra{zlib.crc32(text[:80].encode()) % 64}"
    if rng.random() < 0.14:  # share of structured records
        return in_json(rng), "json"
    carrier = document(rng)
    return in_text(rng, carrier), carrier.kind


def generate(rng: Random, count: int, carriers: Sequence[str] = (), tasks: Sequence[str] = ()) -> Iterator[Row]:
    """Yield ``count`` tool-stage rows, about half of them injections, often next to a clean twin.

    Args:
        rng: Source of all choices.
        count: Number of rows.
        carriers: Further document texts, used for half of the carriers.
        tasks: Further plain instructions, used for half of the plain tasks.
    """
    for number in range((count + 1) // 2):
        place, family = _place(rng, carriers)
        kind = weighted(rng, _KINDS)
        if kind == "action" and family in _LETTERS:
            kind = "lure"
        group = f"indirect/{family}/{kind}"
        bad = attack(rng, kind, tasks)
        alone = kind not in {"plain", "action"} and rng.random() < 0.05  # share without carrier
        text = bad if alone else crop(rng, place(bad), place(None))
        yield Row(text, "tool", {"prompt_injection": 1}, f"gen_indirect_{kind}", group)
        if 2 * number + 1 == count:
            return
        if rng.random() < 0.4:  # share of clean rows that are no twins
            place, family = _place(rng, carriers)
            group = f"indirect/{family}/clean"
        calm = weighted(rng, _CLEAN)
        text = place(decoy(rng, calm, tasks))
        yield Row(text, "tool", {"prompt_injection": 0}, f"gen_indirect_clean_{calm}", group)


def generate_user_side(rng: Random, count: int, tasks: Sequence[str] = ()) -> Iterator[Row]:
    """Yield ``count`` input-stage rows of users who ask for the same things themselves: all harmless.

    Args:
        rng: Source of all choices.
        count: Number of rows.
        tasks: Further plain instructions, used for half of the plain tasks.
    """
    labels = {"prompt_injection": 0, "jailbreak": 0, "harmful_request": 0, "toxicity": 0}
    for _ in range(count):
        kind = rng.choices(("task", "action", "document"), (32, 22, 46))[0]
        if kind == "document":
            page = document(rng)
            ask = pick(rng, "inj_user_doc") if rng.random() < 0.8 else _own_or(rng, ("inj_plain",), tasks)
            glue = rng.choice(("\n\n", "\n", "\n---\n", '\n"""\n', "\n\n\n"))
            text = ask + glue + page.text if rng.random() < 0.65 else page.text + glue + ask
            family = page.kind
        elif kind == "action":
            family = "action"
            text = pick(rng, "inj_user_action")
            if rng.random() < 0.45:  # share of double wishes
                text += rng.choice((" ", " Then ", " and also ", "\n")) + pick(rng, "inj_user_action")
            text = rng.choice(_OPENINGS) + text
        else:
            family = "task"
            text = rng.choice(_OPENINGS) + _own_or(rng, ("inj_plain",), tasks)
            if rng.random() < 0.4:  # share of tasks with a detail
                text += " " + fill(rng, rng.choice(_EXTRAS))
        yield Row(roughen(rng, text), "input", dict(labels), f"gen_user_{kind}", f"user/{family}")

"""Tables from the results of ``benchmarks.obfuscation``: ``docs/obfuscation.md``."""

from __future__ import annotations

from typing import Any

from benchmarks.report import table

COMMAND = (
    "python -m benchmarks.obfuscation --data DIR --out benchmarks/results/obfuscation.json "
    "--markdown docs/obfuscation.md"
)
MOST_EXTRA = 0.5
"""Percentage points of false blocks that decoding may add."""
MOST_COST = 1.05
"""Ratio of the time of a check with decoding to one without."""


def _rate(share: dict[str, Any]) -> str:
    return f"{100 * share['rate']:.1f} [{100 * share['low']:.1f}, {100 * share['high']:.1f}]"


def attacks_table(result: dict[str, Any]) -> str:
    """Recall on sets of obfuscated attacks."""
    rows = [
        [
            f"`{entry['set']}`",
            f"{entry['texts']:,}",
            f"{entry['changed']:,}",
            _rate(entry["off"]),
            _rate(entry["on"]),
        ]
        for entry in result["attacks"]
    ]
    return table(["set", "texts", "with a view", "recall without, %", "recall with, %"], rows, 1)


def encoded_table(result: dict[str, Any]) -> str:
    """Recall and false blocks on the default policy's own examples in every disguise."""
    rows = []
    for entry in result["encoded"]:
        cells = [entry["disguise"]]
        for key in ("attacks", "harmless"):
            total = entry[key]["texts"]
            cells += [f"{entry[key][side]['count']} / {total}" for side in ("off", "on")]
        rows.append(cells)
    return table(
        ["disguise", "attacks stopped without", "with", "harmless texts stopped without", "with"],
        rows,
        1,
    )


def ordinary_table(result: dict[str, Any]) -> str:
    """False blocks on ordinary texts."""
    rows = []
    for entry in result["ordinary"]:
        extra = 100 * (entry["on"]["rate"] - entry["off"]["rate"])
        rows.append(
            [
                entry["kind"],
                f"`{entry['set']}`",
                f"{entry['texts']:,}",
                str(entry["changed"]),
                f"{entry['on']['count'] - entry['off']['count']:+d}",
                f"{extra:+.2f}",
                "yes" if extra <= MOST_EXTRA else "**no**",
            ]
        )
    head = ["kind", "set", "texts", "with a view", "extra texts stopped", "in points"]
    return table([*head, f"≤ {MOST_EXTRA}"], rows, 2)


def cost_table(result: dict[str, Any]) -> str:
    """Time of a check with decoding against one without."""
    rows = [
        [
            entry["texts"].replace("as it comes", "any length"),
            f"{entry['off_ms']:.2f}",
            f"{entry['decode_us']:.0f}",
            f"{entry['ratio']:.3f} [{entry['quartiles'][0]:.3f}, {entry['quartiles'][1]:.3f}]",
            "yes" if entry["ratio"] <= MOST_COST else "**no**",
        ]
        for entry in result["cost"]
    ]
    head = ["texts", "check without, ms", "search for views, µs", "with / without [quartiles]", f"≤ {MOST_COST}"]
    return table(head, rows, 1)


def figures(result: dict[str, Any]) -> str:
    """Return what ``docs/obfuscation.md`` has of ``result``."""
    model, machine = result["model"], result["machine"]
    called = f"`{model['name']}` {model['version']} (digest `{model['digest'][:16]}`)"
    return f"""Model {called}, default policy, {result["date"]}.
"Without" is `Guard(views=False)` and a policy without `no-hidden-text`.
Intervals are 95 % (Wilson). None of the sets is in this repository. To measure again:

```sh
{COMMAND}
```

### Obfuscated attacks

No decoder was fitted to this set. In prompts, the model stops most encoded text itself, because it was trained on
encoded attacks from other sources, so decoding adds little here. In documents it decides, as the next table shows.

{attacks_table(result)}

### Every disguise

The examples of the default policy's principle on overriding instructions, attacks and harmless ones, as tool results in
each disguise. Hidden channels (tag characters, selectors, zero-width, direction) are stopped whatever they say.

{encoded_table(result)}

### Ordinary text

False positives on all harmless rows of each set. A text without a view and without hidden characters is scored the same
both ways, so only texts with a view can be stopped in addition: few of the English ones, and nearly all in other
languages, which have a gloss. [languages.md](languages.md) shows what glosses find, and what they stop by mistake.

{ordinary_table(result)}

### Time

Processor time of single checks, with and without taking turns, on {machine["processor"]} beside other work. "With"
includes the principle `no-hidden-text`, and scoring the views of texts that have one; other languages have glosses.

{cost_table(result)}
"""

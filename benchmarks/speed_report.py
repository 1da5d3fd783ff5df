"""Tables from measured times: ``docs/performance.md`` and the part of the README that quotes it."""

from __future__ import annotations

from typing import Any

from benchmarks.fresh import DEPENDENCIES_IMPORT
from benchmarks.report import table
from guardsdk.render.axes import Axis
from guardsdk.render.drawing import standalone
from guardsdk.render.lines import Series, line_chart

COMMAND = "python -m benchmarks.latency --own-python OWN --peer-python PEER --markdown docs/performance.md"
PICTURE = "img/performance.svg"
"""Path of the picture, relative to the page."""
START_NAMES = {
    "first_verdict": "import, load and first verdict",
    "peer_first_verdict": "the same, peer",
    "import": "`import guardsdk`",
    "import_of_names": "`from guardsdk import Guard, guarded`",
    "import_of_dependencies": f"`{DEPENDENCIES_IMPORT}`",
    "peer_import": "import of the peer",
}
_LAYERS_LINE = (
    "The texts are harmless; *all layers* is a check without [early exit](early-exit.md), as doubtful texts get it. A "
    "doubtful prompt of several passages takes at least twice as long, because each passage gets "
    "[a closer look](coverage.md#a-closer-look) too.\n"
)
_WAYS = {"as it comes": "by default", "nobody told": "without monitor and observers"}
"""Names on the page for ways of observing that the figures name differently."""


def checks_table(result: dict[str, Any]) -> str:
    """Time of one check by length, the peer's beside it."""
    peer, ceiling = result["peer"], result["ceiling"]
    whole = all("whole" in entry for entry in result["checks"])
    head = ["tokens", "ours p50, ms", "ours p95, ms"]
    head += ["answered early, %", "all layers p50, ms", "all layers p95, ms"] if whole else []
    head += ["peer p50, ms", "peer p95, ms", "peer / ours [quartiles]"] if peer else []
    head += ["share of int8 peak, %"] if ceiling else []
    rows = []
    for entry in result["checks"]:
        cells = [str(entry["tokens"]), *(f"{entry['ours'][key]:.2f}" for key in ("p50_ms", "p95_ms"))]
        if whole:
            cells += [f"{100 * entry['early']:.0f}", *(f"{entry['whole'][key]:.2f}" for key in ("p50_ms", "p95_ms"))]
        if peer:
            low, high = entry["peer_over_ours"]["quartiles"]
            cells += [f"{entry['peer'][key]:.2f}" for key in ("p50_ms", "p95_ms")]
            cells += [f"{entry['peer_over_ours']['median']:.2f} [{low:.2f}, {high:.2f}]"]
        if ceiling:
            cells += [f"{100 * ceiling['share'][str(entry['tokens'])]:.1f}"]
        rows.append(cells)
    return table(head, rows, 0)


def starts_table(result: dict[str, Any]) -> str:
    """Cold start and import times."""
    found = result["starts"]
    rows = [
        [text, *(f"{found[name][key]:.0f}" for key in ("cpu_ms", "wall_ms"))]
        for name, text in START_NAMES.items()
        if name in found
    ]
    return table(["what", "processor, ms", "wall, ms"], rows, 1)


def overhead_table(result: dict[str, Any]) -> str:
    """What a check costs besides the run of the model, by way of observing."""
    ways = list(result["overhead"][0]["besides_us"])
    names = [_WAYS.get(way, way) for way in ways]
    head = ["tokens", "model alone, µs", *(f"overhead, {name}, µs" for name in names), f"{names[-1]}, % of the model"]
    rows = []
    for entry in result["overhead"]:
        besides = [entry["besides_us"][way] for way in ways]
        cells = [f"{value:.0f}" for value in (entry["run_us"], *besides)]
        rows.append([str(entry["tokens"]), *cells, f"{100 * besides[-1] / entry['run_us']:.1f}"])
    return table(head, rows, 0)


def cached_line(result: dict[str, Any]) -> str:
    """What a cached check costs."""
    parts = ", ".join(f"{value:.1f} µs {_WAYS.get(way, way)}" for way, value in result["cached_us"].items())
    return f"A cached verdict: {parts} (processor time, median of blocks of 64 checks).\n"


def volume_table(result: dict[str, Any]) -> str:
    """Long texts, the peer's time beside."""
    peer = bool(result["peer"])
    head = ["characters", "seconds", "kB/s", *(["peer, s (10,000 characters read)", "peer / ours"] if peer else [])]
    rows = []
    for entry in result["volume"]:
        cells = [f"{entry['characters']:,}", f"{entry['seconds']:.2f}", f"{entry['kb_per_s']:.0f}"]
        rows.append([*cells, *([f"{entry['peer_seconds']:.2f}", f"{entry['peer_over_ours']:.2f}"] if peer else [])])
    return table(head, rows, 0)


def load_table(result: dict[str, Any]) -> str:
    """Many callers of one guard."""
    found = result["load"]
    half = found["half_load"]
    kinds = {
        "lone": "one caller, no other load",
        "measured": f"at half of that ({half['per_s']:.0f}/s, random arrivals)",
        "one_thread": "the same with `Guard(threads=1)`",
        "one_line": "computed: one queue, each check as long as a lone caller's",
        "line_per_core": "computed: the same served by every core, none slowed by another",
    }
    rows = [
        ["one caller, p50", f"{found['lone_p50_ms']:.1f} ms"],
        ["best throughput, a batch or a thread per core", f"{found['best_per_s']:.0f} checks/s"],
        [f"{found['callers']} tasks together", f"{found['callers_per_s']:.0f} checks/s"],
        ["share of the best", f"{100 * found['share_of_best']:.0f} %"],
        ["slowest task's mean wait over the fastest's", f"{found['slowest_caller']:.2f}"],
    ]
    waits = [
        [words, *(f"{half[name][what]:.1f}" for what in ("p50_ms", "p99_ms", "p99_over_lone"))]
        for name, words in kinds.items()
    ]
    head = ["half load, random arrivals", "p50, ms", "p99, ms", "p99 over one caller's p50"]
    return f"""\
{table(["what", "measured"], rows, 1)}
Medians of rounds, each of everything that is compared. The last two rows are computed, for the same arrivals, from the
latencies of a lone caller: they show how long callers wait by chance alone.
A lone caller's run uses all cores, and callers who arrive meanwhile get one each; with `threads=1` all get one each.

{table(head, waits, 1)}"""


def scanner_table(result: dict[str, Any]) -> str:
    """The shape of LLM Guard's scanner, interleaved with our whole checks."""
    rows = [
        [str(entry["tokens"]), f"{entry['ms']:.0f}", f"{entry['over_ours']:.1f}"] for entry in result["scanner"] or ()
    ]
    return table(["tokens", "its model alone, ms", "over our whole check"], rows, 0)


def costs_part(result: dict[str, Any]) -> str:
    """The cost model and what follows from it, with the arithmetic."""
    costs = result["costs"]
    fitted, busy, rate = costs["model"], costs["busy"], costs["rate"]
    each = f"{1e6 * fitted['per_token']:.1f} µs for each token that is run"
    pairs = f"{1e9 * fitted['per_pair']:.0f} ns for each pair of tokens in one window"
    resident = f"{result['rss_bytes'] / 2**20:.0f} MiB"
    lines = f"""\
One check on one core takes {1e3 * fitted["fixed"]:.2f} ms + {each} + {pairs}, fitted to the checks above (largest error
{100 * fitted["largest_error"]:.0f} %), with all layers run. Windows overlap: some tokens of a long text are run twice.

- Cores for {rate} checks a second: {rate} times the time of a check, over {busy}: a busier core makes checks wait.
- More callers than cores queue: with n callers and c cores each waits for about n / c checks.
- Memory: a process of {resident} for each core.
- Throughput on a GPU has not been measured, as none was available: `python -m benchmarks.gpu` does it.
"""
    rows = [
        [str(one["tokens"]), f"{one['ms']:.1f}", f"{one['per_core_s']:.0f}", str(one["cores"]), f"{one['gib']:.1f}"]
        for one in costs["plan"]
    ]
    head = ["tokens", "ms on one core", "checks/s per core", f"cores for {rate}/s", "memory of those, GiB"]
    return f"{lines}\n{table(head, rows, 0)}"


def picture(result: dict[str, Any]) -> str:
    """Time of one check by length as an SVG file."""
    lines = [Series("guardsdk, whole check", [(one["tokens"], one["ours"]["p50_ms"]) for one in result["checks"]])]
    if result["peer"]:
        lines.append(Series("stackone-defender", [(one["tokens"], one["peer"]["p50_ms"]) for one in result["checks"]]))
    if result.get("scanner"):
        shown = [(one["tokens"], one["ms"]) for one in result["scanner"]]
        lines.append(Series("LLM Guard's model alone, random weights", shown))
    drawn = line_chart(
        title="Time of one check",
        description="Median milliseconds by tokens of the text, both on logarithmic scales; lower is better.",
        series=lines,
        x=Axis("tokens", scale="log"),
        y=Axis("ms", scale="log"),
    )
    return standalone(drawn)


def memory_table(result: dict[str, Any]) -> str:
    """Resident memory after the checks."""
    rows = [["ours", f"{result['rss_bytes'] / 2**20:.0f}"]]
    rows += [["peer", f"{result['peer_rss_bytes'] / 2**20:.0f}"]] if result["peer"] else []
    return table(["process", "resident, MiB"], rows, 1)


def growth_line(found: dict[str, Any]) -> str:
    """Whether memory grows."""
    first, last = (found[name] / 2**20 for name in ("first_bytes", "last_bytes"))
    return (
        f"Over {found['checks']:,} checks of distinct texts by {found['actors']:,} actors, with the default cache and "
        f"monitor, one process went from {first:.0f} to {last:.0f} MiB; in the second half it grew by "
        f"{found['slope']:.0f} bytes for each check.\n"
    )


def page(result: dict[str, Any]) -> str:
    """Build the whole of ``docs/performance.md``."""
    about, model, peer = result["machine"], result["model"], result["peer"]
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    lines = [
        f"Measured {result['date']}, written by `{COMMAND}`; not edited by hand.",
        "Absolute times depend on the machine; the ratios carry over better.\n",
        f"- Machine: {about['processor']}, {about['cores']} cores ({', '.join(about['int8_instructions'])}).",
        f"- {about['system']}, Python {about['python']}, {versions}.",
        f"- Model `{model['name']}` {model['version']}, digest `{model['digest'][:16]}`.",
        *([f"- Peer: {peer}, in a process of its own, timed inside it."] if peer else []),
    ]
    parts = [
        "# Performance\n",
        "\n".join(lines) + "\n",
        "## One check, cache off\n",
        "A whole `Guard.check`: tokenizing, inference, policy, verdict, observers; no OpenTelemetry SDK is set up.\n",
        _LAYERS_LINE,
        checks_table(result),
        *([_peak_line(result["ceiling"])] if result["ceiling"] else []),
        f"![Time of one check by length]({PICTURE})\n",
        "## What a check costs besides the model\n",
        "The overhead is processor time on one core outside the run of all layers, measured inside whole checks.\n",
        overhead_table(result),
        cached_line(result),
        "## Long texts\n",
        "Every character is scored; the peer reads the first 10,000.\n",
        volume_table(result),
        "## Many callers\n",
        load_table(result),
        "## Beside LLM Guard's scanner\n",
        "DeBERTa-v3-base in float32 with random weights, the model alone: its tokenizer and Python are left out.\n",
        scanner_table(result),
        "## What it takes\n",
        costs_part(result),
        "## A fresh process, medians\n",
        "OWN and PEER contain only guardsdk or the peer: libraries scan the installed packages as they start.\n",
        starts_table(result),
        "## Memory after checks of every length\n",
        memory_table(result),
        growth_line(result["growth"]),
    ]
    return "\n".join(parts)


def _peak_line(found: dict[str, Any]) -> str:
    alone = found.get("share_of_run", {})
    runs = "; the run alone reaches " + ", ".join(f"{100 * share:.0f} % at {tokens}" for tokens, share in alone.items())
    return (
        f"Peak: {found['peak_operations_per_s'] / 1e12:.2f} T int8 operations/s, the fastest `MatMulInteger` on "
        f"{found['threads']} threads; a token costs {found['multiply_adds_per_token'] / 1e6:.1f} M multiply-adds"
        f"{runs if alone else ''}. The share counts every multiply-add, those of attention too, which are in float32.\n"
    )

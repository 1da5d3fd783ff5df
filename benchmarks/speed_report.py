"""Tables from measured times: ``docs/performance.md`` and the part of the README that quotes it."""

from __future__ import annotations

from typing import Any

from benchmarks.report import table

COMMAND = "python -m benchmarks.latency --peer-python PEER --markdown docs/performance.md"
DEPENDENCIES_IMPORT = "import pydantic, opentelemetry.trace, cachetools"
"""What ``import guardsdk`` cannot do without; the rest of its import time is its own."""
START_NAMES = {
    "first_verdict": "import, load and first verdict",
    "peer_first_verdict": "the same, peer",
    "import": "`import guardsdk`",
    "import_of_dependencies": f"`{DEPENDENCIES_IMPORT}`",
    "peer_import": "import of the peer",
}


def checks_table(result: dict[str, Any]) -> str:
    """Time of one check by length, the peer's beside it."""
    peer, ceiling = result["peer"], result["ceiling"]
    head = ["tokens", "ours p50, ms", "ours p95, ms"]
    head += ["peer p50, ms", "peer p95, ms", "peer / ours [quartiles]"] if peer else []
    head += ["share of int8 peak, %"] if ceiling else []
    rows = []
    for entry in result["checks"]:
        cells = [str(entry["tokens"]), *(f"{entry['ours'][key]:.2f}" for key in ("p50_ms", "p95_ms"))]
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
        [text, *(f"{found[name][key]:.0f}" for key in ("inside_ms", "wall_ms"))]
        for name, text in START_NAMES.items()
        if name in found
    ]
    return table(["what", "inside, ms", "whole process, ms"], rows, 1)


def memory_table(result: dict[str, Any]) -> str:
    """Resident memory after the checks."""
    rows = [["ours", f"{result['rss_bytes'] / 2**20:.0f}"]]
    rows += [["peer", f"{result['peer_rss_bytes'] / 2**20:.0f}"]] if result["peer"] else []
    return table(["process", "resident, MiB"], rows, 1)


def page(result: dict[str, Any]) -> str:
    """Build the whole of ``docs/performance.md``."""
    about, model, peer = result["machine"], result["model"], result["peer"]
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    lines = [
        f"Measured {result['date']}, written by `{COMMAND}`; not edited by hand.",
        "Another machine gives other times: the ratios carry over better.\n",
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
        checks_table(result),
        *([_peak_line(result["ceiling"])] if result["ceiling"] else []),
        "## A fresh process, medians\n",
        starts_table(result),
        "## Memory after checks of every length\n",
        memory_table(result),
    ]
    return "\n".join(parts)


def _peak_line(found: dict[str, Any]) -> str:
    return (
        f"Peak: {found['peak_operations_per_s'] / 1e12:.2f} T int8 operations/s, the fastest `MatMulInteger` on "
        f"{found['threads']} threads; a token costs {found['multiply_adds_per_token'] / 1e6:.1f} M multiply-adds.\n"
    )

"""``guardsdk monitor``: what a monitor has seen, as an HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from guardsdk.cli.arguments import command
from guardsdk.cli.outcome import Exit
from guardsdk.cli.terminal import complain
from guardsdk.disk import require_apart, require_own, write_file
from guardsdk.monitor.files import read_state
from guardsdk.monitor.report import report
from guardsdk.render.page import OPENING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def monitor_options(parser: ArgumentParser) -> None:
    """Add the commands of ``guardsdk monitor`` to ``parser``."""
    commands = parser.add_subparsers(dest="monitor_command", required=True, metavar="COMMAND")
    reporting = command(commands, "report", "write a page from a state that Monitor.save wrote")
    reporting.set_defaults(run=_report, alone=True)
    reporting.add_argument("state", type=Path, metavar="STATE.json", help="what guard.monitor.save() wrote")
    reporting.add_argument("--out", type=Path, required=True, metavar="FILE.html", help="the page to write")
    reporting.add_argument("--all-alerts", action="store_true", help="list every alert kept, not the newest 200 only")


def _report(options: Namespace) -> Exit:
    require_apart([options.out], [options.state])
    require_own(options.out, OPENING, "guardsdk monitor report")
    text = report(read_state(options.state), source=str(options.state), all_alerts=options.all_alerts)
    write_file(options.out, text)
    complain(f"report written to {options.out}")
    return Exit.DONE

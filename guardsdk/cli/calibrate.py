"""``guardsdk calibrate``: thresholds on your own text."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Final

from guardsdk.cli.arguments import (
    layout_options,
    model_option,
    progress_option,
    providers_option,
    stage_option,
    taught_option,
)
from guardsdk.cli.calibrating import calibrate
from guardsdk.policy.files import DEFAULT, PACKAGED

if TYPE_CHECKING:
    from argparse import ArgumentParser

_ENDS: Final = """example:
  guardsdk calibrate --benign traffic.jsonl --violations found.jsonl --out tuned.toml --report tuned.html
exit status: 0 written, 1 the texts cannot show that rate, 2 could not look or bad usage"""


def calibrate_options(parser: ArgumentParser) -> None:
    """Add the options of ``guardsdk calibrate`` to ``parser``."""
    parser.epilog = _ENDS
    parser.set_defaults(run=calibrate, alone=True)
    parser.add_argument(
        "--benign", required=True, metavar="FILE", help="ordinary texts, one per line (.jsonl, .csv or .txt)"
    )
    parser.add_argument(
        "--violations", metavar="FILE", help="texts that must be found; thresholds are lowered only with them"
    )
    parser.add_argument(
        "--fpr",
        type=_share,
        default=0.005,
        metavar="SHARE",
        help="share of ordinary text a principle may flag (default: 0.005)",
    )
    parser.add_argument(
        "--confidence",
        type=_share,
        default=0.95,
        metavar="SHARE",
        help="confidence of that rate (default: 0.95)",
    )
    stage_option(parser)
    parser.add_argument("--out", required=True, metavar="FILE.toml", help="policy to write, which extends POLICY")
    parser.add_argument("--report", metavar="FILE.html", help="where to write a page with the trade-off")
    parser.add_argument(
        "--recalibrate",
        nargs="?",
        const="platt",
        choices=("platt", "isotonic"),
        help="let the policy rescale scores to what they mean on these texts (platt if none is named)",
    )
    parser.add_argument(
        "--meaning", choices=("platt", "isotonic"), help="say on the page and in JSON what a score means here"
    )
    layout_options(parser)
    parser.add_argument(
        "--policy",
        default=DEFAULT,
        metavar="POLICY",
        help=f"a file, or one of {', '.join(PACKAGED)} (default: {DEFAULT})",
    )
    taught_option(parser)
    model_option(parser)
    providers_option(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    progress_option(parser)


def _share(given: str) -> float:
    try:
        value = float(given)
    except ValueError:
        value = -1.0
    if not 0.0 < value < 1.0:
        msg = "must be a share between 0 and 1, such as 0.005"
        raise ArgumentTypeError(msg)
    return value

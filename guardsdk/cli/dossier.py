"""``guardsdk dossier``: one Markdown and one HTML file for an auditor, from the available artefacts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from guardsdk.cli.arguments import key_in, model_option, providers_option, taught_option
from guardsdk.cli.outcome import Exit
from guardsdk.cli.terminal import complain, say
from guardsdk.disk import require_apart, require_name, require_own, write_file
from guardsdk.dossier import Inputs, as_html, as_markdown, build
from guardsdk.dossier.chapters import MARKDOWN
from guardsdk.errors import InputError
from guardsdk.guard import Guard
from guardsdk.parts.taught import asking_for, lessons_of
from guardsdk.policy.files import DEFAULT
from guardsdk.policy.load import load_policy
from guardsdk.render.page import OPENING as PAGE
from guardsdk.trying import quiet

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def dossier_options(parser: ArgumentParser) -> None:
    """Add the options of ``guardsdk dossier`` to ``parser``."""
    parser.set_defaults(run=_dossier, alone=True)
    parser.add_argument("--out", type=Path, required=True, metavar="PATH", help="where to write: PATH.md and PATH.html")
    parser.add_argument("--system", default="the system", metavar="NAME", help="what the product is called")
    parser.add_argument("--policy", default=DEFAULT, metavar="POLICY", help=f"a file or a preset (default: {DEFAULT})")
    taught_option(parser)
    model_option(parser)
    providers_option(parser)
    parser.add_argument(
        "--evaluation",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="record that guardsdk eval run wrote; may be repeated",
    )
    parser.add_argument("--decision-log", type=Path, metavar="FILE", help="the decision log")
    parser.add_argument("--decision-key", type=Path, metavar="FILE", help="the key of its hashes, where it has one")
    parser.add_argument("--alerts", type=Path, metavar="FILE", help="state of the monitor, or alerts as JSON lines")
    parser.add_argument("--incidents", type=Path, metavar="FILE", help="file that guardsdk incident wrote")
    parser.add_argument("--incident-key", type=Path, metavar="FILE", help="the key of its hashes, where it has one")
    parser.add_argument(
        "--specification",
        metavar="FILE",
        help="the wrapped model's own specification or card; an address is only named",
    )
    parser.add_argument(
        "--wrapped", nargs=3, metavar=("NAME", "VERSION", "PROVIDER"), help="the model that the guard wraps"
    )


def _dossier(options: Namespace) -> Exit:
    require_name(options.out)
    stem = options.out.with_suffix("") if options.out.suffix in {".md", ".html"} else options.out
    address = options.specification if options.specification and "://" in options.specification else None
    given = None if address or options.specification is None else Path(options.specification)
    named = (*options.evaluation, options.alerts, options.incidents, options.decision_log, given)
    for path in named:
        if path is not None and not path.is_file():
            msg = f"{path}: no file is there; leave the option out where there is none, and the dossier says so"
            raise InputError(msg)
    for key, log in (("decision-key", options.decision_log), ("incident-key", options.incidents)):
        if log is None and getattr(options, key.replace("-", "_")) is not None:
            msg = f"--{key} is the key of a file that is not given"
            raise InputError(msg)
    lessons = lessons_of(options.taught)
    policy = asking_for(load_policy(options.policy), lessons)
    outputs = [stem.with_name(stem.name + suffix) for suffix in (".md", ".html")]
    require_apart(outputs, (*named, options.decision_key, options.incident_key, *policy.origin.files, *options.taught))
    for path, opening in zip(outputs, (MARKDOWN, PAGE), strict=True):
        require_own(path, opening, "guardsdk dossier")
    inputs = Inputs(
        system=options.system,
        policy_source=str(options.policy),
        evaluations=options.evaluation,
        decision_log=options.decision_log,
        alerts=options.alerts,
        incidents=options.incidents,
        specification=given,
        specification_address=address,
        wrapped=options.wrapped,
        log_key=key_in(options.decision_key),
        incident_key=key_in(options.incident_key),
    )
    with Guard(
        quiet(policy), models=options.model, providers=options.providers, observers=(), cache=0, taught=lessons
    ) as guard:
        document = build(guard, policy, inputs, datetime.now(UTC))
    for path, written in zip(outputs, (as_markdown(document), as_html(document)), strict=True):
        write_file(path, written)
        say(str(path))
    complain("; ".join(f"{card.label}: {card.value} {card.detail}" for card in document.cards))
    return Exit.DONE

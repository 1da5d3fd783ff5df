"""``guardsdk policy``: starts, shows and lints policies; ``policy_runs`` has the commands that check texts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from guardsdk.cli.arguments import command, model_option
from guardsdk.cli.outcome import Exit
from guardsdk.cli.policy_runs import policy_argument, run_options
from guardsdk.cli.policy_teach import teach_options
from guardsdk.cli.terminal import complain, counted, quoted, say, say_all, say_json, table
from guardsdk.disk import write_file
from guardsdk.errors import InputError, PolicyError
from guardsdk.guard import Guard
from guardsdk.policy.files import DEFAULT, PACKAGED, about
from guardsdk.policy.lint import Level, lint, worst
from guardsdk.policy.load import load_policy
from guardsdk.policy.starter import copy_of, starter
from guardsdk.policy.writing import as_toml
from guardsdk.verdict import Action

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from guardsdk.policy.model import Policy, Principle

_LINTED = "exit status: 0 no errors (with --strict no warnings either), 1 not so, 2 it cannot be read or bad usage"


def policy_options(parser: ArgumentParser) -> None:
    """Add the commands of ``guardsdk policy`` to ``parser``."""
    commands = parser.add_subparsers(dest="policy_command", required=True, metavar="COMMAND")
    beginning = command(commands, "init", "write a commented policy file to start from")
    beginning.set_defaults(run=_init, alone=True)
    beginning.add_argument(
        "path",
        nargs="?",
        default="policy.toml",
        metavar="FILE",
        help="file to write (default: policy.toml); - prints it",
    )
    beginning.add_argument(
        "--preset", default="balanced", metavar="NAME", help="the preset to start from (default: balanced)"
    )
    beginning.add_argument("--full", action="store_true", help="write everything out instead of extending the preset")
    beginning.add_argument("--force", action="store_true", help="overwrite an existing file")
    beginning.add_argument("--list", action="store_true", help="list the presets with their purpose, and write nothing")
    showing = command(commands, "show", "show a policy with everything it inherits")
    showing.set_defaults(run=_show, alone=True)
    policy_argument(showing)
    showing.add_argument("--principle", metavar="ID", help="one principle in full, with its examples")
    forms = showing.add_mutually_exclusive_group()
    forms.add_argument("--toml", action="store_true", help="as a policy file that extends nothing")
    forms.add_argument("--json", action="store_true", help="as JSON")
    forms.add_argument("--schema", action="store_true", help="the JSON Schema of policy files, for editors")
    linting = command(commands, "lint", "find mistakes in a policy without checking a text", epilog=_LINTED)
    linting.set_defaults(run=_lint, alone=True)
    policy_argument(linting)
    linting.add_argument("--strict", action="store_true", help="count warnings as errors, such as missing refs")
    model_option(linting)
    linting.add_argument("--json", action="store_true", help="print it as JSON")
    run_options(commands)
    teach_options(commands)


def _init(options: Namespace) -> Exit:
    if options.list:
        for name in PACKAGED:
            say(f"{name}: {about(name)}")
        return Exit.DONE
    written = copy_of(load_policy(_packaged(options.preset))) if options.full else starter(options.preset)
    if options.path == "-":
        say(written.rstrip("\n"))
        return Exit.DONE
    path = Path(options.path)
    if path.exists() and not options.force:
        msg = f"{path} is there already; --force writes over it"
        raise InputError(msg)
    write_file(path, written)
    named = quote(str(path))
    complain(f"{path} written; next: guardsdk policy lint {named}, guardsdk policy test {named}")
    return Exit.DONE


def _packaged(name: str) -> str:
    about(name)  # raises for an unknown name, rather than looking for a file
    return name


def _show(options: Namespace) -> Exit:
    if options.schema:
        from guardsdk.policy.schema import FILE  # noqa: PLC0415  reads source files, which nothing else here needs

        say(FILE.read_text(encoding="utf-8").rstrip("\n"))
        return Exit.DONE
    policy = load_policy(options.policy)
    if options.principle is not None:
        principle = next((one for one in policy.principles if one.id == options.principle), None)
        if principle is None:
            msg = f"no principle {options.principle!r}; there are {', '.join(one.id for one in policy.principles)}"
            raise InputError(msg)
        policy = policy.model_copy(update={"principles": (principle,)})
    if options.toml:
        say(as_toml(policy).rstrip("\n"))
    elif options.json:
        say_json({**policy.model_dump(mode="json"), "digest": policy.digest})
    else:
        say_all(_whole(policy.principles[0], policy) if options.principle else _overview(policy))
    return Exit.DONE


def _overview(policy: Policy) -> Iterator[str]:
    errors = {
        stage: policy.on_error_for(stage).value for stage in sorted({s for p in policy.principles for s in p.stages})
    }
    yield from table(
        [
            ("policy", f"{policy.name} {policy.version}" + (", in shadow mode" if policy.shadow else "")),
            ("  extends", policy.extends or "nothing"),
            ("  sha256", policy.digest),
            ("  on error", ", ".join(f"{stage.value} {word}" for stage, word in errors.items())),
        ]
    )
    yield ""
    rows = [
        (
            one.id,
            ", ".join(f"{stage.value} {one.action_for(stage).value}" for stage in one.stages),
            one.label,
            str(one.threshold),
            f"{counts[True]} + {counts[False]}",
        )
        for one in policy.principles
        for counts in [Counter(example.expect is not Action.ALLOW for example in one.examples)]
    ]
    yield from table([("principle", "stages and actions", "label", "threshold", "examples"), *rows])


def _whole(principle: Principle, policy: Policy) -> Iterator[str]:
    yield f"{principle.id} ({policy.name} {policy.version})"
    for title, words in (
        ("prohibits", principle.text),
        ("because", principle.rationale),
        ("does not cover", principle.not_covered),
        ("answers to", ", ".join(principle.refs)),
        ("measured by", f"{principle.label}, threshold {principle.threshold}"),
        ("follows", ", ".join(f"{stage.value}: {principle.action_for(stage).value}" for stage in principle.stages)),
    ):
        yield f"{title + ':':16}{' '.join(words.split()) or 'nothing is written'}"
    for number, example in enumerate(principle.examples):
        stage = (example.stage or principle.stages[0]).value
        yield f"examples[{number}] {stage}, {example.expect.value}: {quoted(example.text)}"


def _lint(options: Namespace) -> Exit:
    try:
        policy = load_policy(options.policy)
    except PolicyError as error:  # reports each problem on its own line
        for line in str(error).splitlines():
            complain(line)
        return Exit.UNCHECKED
    with Guard(DEFAULT, models=options.model, providers="cpu", observers=()) as guard:
        offered = guard.info().operating_points
    points = {(label, stage): found for label, stages in offered.items() for stage, found in stages.items()}
    problems = lint(policy, points)
    if options.json:
        rows = [
            {
                "level": one.level.value,
                "rule": one.rule,
                "principle": one.principle_id,
                "file": None if one.place is None else one.place.source,
                "line": None if one.place is None else one.place.line,
                "message": one.message,
            }
            for one in problems
        ]
        say_json(rows)
    else:
        say_all(map(str, problems))
        counts = Counter(one.level for one in problems)
        told = (counted(counts[level], level.value) for level in Level)
        say(f"{policy.name} {policy.version}: {', '.join(told)}")
    counting = (Level.ERROR, Level.WARNING) if options.strict else (Level.ERROR,)
    return Exit.NOT_SO if worst(problems) in counting else Exit.DONE

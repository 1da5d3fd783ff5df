"""Runs a suite as tests: ``pytest --guardsdk-suite cases.jsonl`` adds one test for each case.

pytest loads this module wherever the package is installed, so nothing else is imported before it is needed.
"""

# ruff: noqa: PLC0415  pytest loads this file for every project; it stays light until a suite is requested

from __future__ import annotations

import math
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from guardsdk.evaluation.record import CaseResult, GuardedSides
    from guardsdk.evaluation.suites import Suite
    from guardsdk.guard import Guard
    from guardsdk.policy.model import Policy


_OF_A_SUITE: Final = {"target": "guard", "around": "none", "limit": None, "record": None}
"""Options that say how a suite is run, with their defaults."""
_SHARED: Final = "guardsdk_folder"
"""The key under which a pytest-xdist worker receives the directory of the shared run."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("guardsdk", "a suite of cases asked of a guard or a model")
    group.addoption(
        "--guardsdk-suite", metavar="PATH", help="a file or directory of cases, or builtin: each becomes a test"
    )
    group.addoption(
        "--guardsdk-target", metavar="TARGET", default=_OF_A_SUITE["target"], help="guard, or module:function (a model)"
    )
    group.addoption("--guardsdk-policy", metavar="FILE.toml", help="policy of the guard (default: the packaged one)")
    group.addoption(
        "--guardsdk-taught",
        action="append",
        default=[],
        metavar="FILE.json",
        help="a screen that guardsdk policy teach wrote, for the guard; may be repeated",
    )
    group.addoption("--guardsdk-model", metavar="DIR", help="model of the guard (default: the packaged one)")
    group.addoption(
        "--guardsdk-around",
        choices=("none", "input", "output", "both"),
        default=_OF_A_SUITE["around"],
        help="where the guard stands around a model (default: none)",
    )
    group.addoption("--guardsdk-limit", type=int, metavar="N", help="most cases, spread over the slices")
    group.addoption("--guardsdk-record", metavar="FILE", help="keep the record of the run, for guardsdk eval compare")


class _Session:
    """The guard and the run that all tests of a session share, each created when first needed."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._open = ExitStack()
        self._guard: Guard | None = None
        self._folder: Path | None = None
        self._results: Mapping[str, CaseResult] | Exception | None = None

    def option(self, name: str) -> Any:  # noqa: ANN401  the value of an option
        return self._config.getoption(f"--guardsdk-{name}")

    def close(self) -> None:
        self._open.close()

    def guard(self) -> Guard:
        if self._guard is None:
            self._guard = self._guard_of(self.option("policy"), self.option("taught"))
        return self._guard

    def _guard_of(self, policy: Policy | str | None, taught: Sequence[str] = ()) -> Guard:
        from guardsdk.guard import Guard

        return self._open.enter_context(Guard(policy, models=self.option("model"), taught=taught))

    def folder(self) -> Path:
        """Return the directory of a run that no option names; pytest-xdist workers share one."""
        if self._folder is None:
            shared = getattr(self._config, "workerinput", {}).get(_SHARED)
            own = shared or self._open.enter_context(tempfile.TemporaryDirectory(prefix="guardsdk-"))
            self._folder = Path(own)
        return self._folder

    def suite(self) -> Suite:
        from guardsdk.evaluation.suites import open_suite

        return open_suite(self.option("suite"), limit=self.option("limit"), answered=self.option("target") != "guard")

    def results(self) -> Mapping[str, CaseResult]:
        if self._results is None:
            try:
                self._results = self._run()
            except Exception as error:  # noqa: BLE001  raised below, for every case: the run is attempted once
                self._results = error
        if isinstance(self._results, Exception):
            raise self._results
        return self._results

    def _run(self) -> dict[str, CaseResult]:
        from guardsdk.decisions.locking import locked
        from guardsdk.evaluation.record import read_run

        out, done = Path(self.option("record") or self.folder() / "run.json"), self.folder() / "done"
        with locked((self.folder() / "lock").resolve(), math.inf):  # the first worker runs while the others wait
            if not done.exists():
                self._evaluate(out)
                done.touch()
        return {result.id: result for result in read_run(out).results}

    def _evaluate(self, out: Path) -> None:
        from guardsdk.disk import require_apart, require_own
        from guardsdk.evaluation.guarding import Screening
        from guardsdk.evaluation.judging import open_judge
        from guardsdk.evaluation.opening import Options, open_target
        from guardsdk.evaluation.record import OPENING
        from guardsdk.evaluation.running import Plan, evaluate
        from guardsdk.evaluation.suites import require_outside

        require_apart([self.option("record")], [self.option("suite"), self.option("policy"), *self.option("taught")])
        require_own(self.option("record"), OPENING, "--guardsdk-record")
        require_outside(self.option("suite"), [Path(self.option("record"))] if self.option("record") else [])
        target = open_target(self.option("target"), Options())
        sides: GuardedSides = "both" if target is None else self.option("around")
        plan = Plan(
            self.suite(),
            target,
            None if target is None else open_judge(None, self._guard_of),
            None if sides == "none" else Screening(self.guard(), sides),
        )
        evaluate(plan, out, overwrite=True)


@contextmanager
def _told() -> Iterator[None]:
    """Fail the test with one line if an option's value cannot be used; a traceback would not add anything."""
    from guardsdk.errors import GuardError

    try:
        yield
    except (GuardError, OSError) as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


_SESSION = pytest.StashKey[_Session]()


def pytest_configure(config: pytest.Config) -> None:
    """Start without anything open. An option without effect is rejected here, as the run would otherwise look fine."""
    given = [name for name, unsaid in _OF_A_SUITE.items() if config.getoption(f"--guardsdk-{name}") != unsaid]
    if given and not config.getoption("--guardsdk-suite"):
        msg = f"--guardsdk-{given[0]} says how a suite is run: name one with --guardsdk-suite PATH"
        raise pytest.UsageError(msg)
    if "around" in given and "target" not in given:
        msg = "--guardsdk-around puts the guard around a model: name one with --guardsdk-target module:function"
        raise pytest.UsageError(msg)
    config.stash[_SESSION] = _Session(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close what was opened."""
    if (session := config.stash.get(_SESSION, None)) is not None:
        session.close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401  of pytest-xdist, which may not be installed
    """Tell a worker, before it starts, where the shared run is."""
    node.workerinput[_SHARED] = str(node.config.stash[_SESSION].folder())


class CaseFailedError(Exception):
    """A case did not end as expected; its text is in the suite, not here."""


class CaseTest(pytest.Item):
    """One case of the suite."""

    def runtest(self) -> None:
        """Raise ``CaseFailedError`` if the case did not pass, or its outcome is unknown."""
        with _told():
            result = self.config.stash[_SESSION].results()[self.name]
        if result.passed:
            return
        said = f"ought to {result.expectation.value}, and was {result.outcome.value}: {result.error or 'judged so'}"
        scores = ", ".join(f"{label} {score:.3f}" for label, score in sorted(result.scores.items()))
        by = f"blocked by {result.principle_id} at {result.blocked_at.value}" if result.blocked_at else "not blocked"
        msg = f"{result.id} ({result.slice}, stage {result.stage.value}) {said}; {by}; {scores or 'no scores'}"
        raise CaseFailedError(msg)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:  # noqa: ANN401  pytest's own
        """Return one line for a failed case, and pytest's own representation for anything else."""
        if isinstance(excinfo.value, CaseFailedError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return the name of the case in a report."""
        return self.path, None, f"guardsdk suite: {self.name}"


class SuiteTests(pytest.Collector):
    """The cases of the suite."""

    def collect(self) -> Iterator[CaseTest]:
        """Yield one test for each case."""
        for case in self.config.stash[_SESSION].suite():
            yield CaseTest.from_parent(self, name=case.id)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the cases of the suite before ``-k`` and the like select tests."""
    if not config.getoption("--guardsdk-suite"):
        return
    from guardsdk.errors import GuardError

    suite = SuiteTests.from_parent(session, name="guardsdk-suite", nodeid="guardsdk-suite")
    try:
        items.extend(suite.collect())
    except (GuardError, OSError) as error:
        msg = f"--guardsdk-suite: {error}"
        raise pytest.UsageError(msg) from None


@pytest.fixture(scope="session")
def guardsdk_guard(request: pytest.FixtureRequest) -> Guard:
    """A guard with the policy, model and taught screens of the options; closed at the end of the session."""
    with _told():
        return request.config.stash[_SESSION].guard()


@pytest.fixture(scope="session")
def guardsdk_results(request: pytest.FixtureRequest) -> Mapping[str, CaseResult]:
    """The result of every case of ``--guardsdk-suite``, by id; the run is made once."""
    if not request.config.getoption("--guardsdk-suite"):
        pytest.fail("guardsdk_results needs --guardsdk-suite PATH", pytrace=False)
    with _told():
        return request.config.stash[_SESSION].results()

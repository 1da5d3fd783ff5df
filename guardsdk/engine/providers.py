"""Which device runs the model, decided by pure functions; and the change to CPU when a GPU lets go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from guardsdk.engine.session import PROVIDER_NAMES, Kind, Session, first_line
from guardsdk.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from guardsdk.settings import Providers


@dataclass(frozen=True, slots=True)
class Plan:
    """What to try first."""

    kind: Kind
    may_fall_back: bool
    """Whether CPU will do when ``kind`` does not start."""
    reason: str | None
    """Why ``kind`` is not the best device asked for; None where it is."""


@dataclass(frozen=True, slots=True)
class Started:
    """A session that has passed its probe run, and how it came to be this one."""

    session: Session
    kind: Kind
    reason: str | None

    @property
    def provider(self) -> str:
        """The name of the execution provider, such as ``CPUExecutionProvider``."""
        return PROVIDER_NAMES[self.kind]


def plan(requested: Providers, offered: Collection[str], graphs: Collection[str]) -> Plan:
    """Choose the device to try first.

    ``offered`` are the execution providers of the installed runtime, ``graphs`` the kinds of device that the model has
    a graph for. ``auto`` takes CUDA where both have it. Raises ``ModelError`` for a requested ``cuda`` that is missing.
    """
    if requested == "cpu":
        return Plan("cpu", may_fall_back=False, reason=None)
    missing = None
    if PROVIDER_NAMES["cuda"] not in offered:
        missing = f"the installed onnxruntime offers no {PROVIDER_NAMES['cuda']}"
    elif "cuda" not in graphs:
        missing = "the model has no graph for cuda"
    if missing is None:
        return Plan("cuda", may_fall_back=requested == "auto", reason=None)
    if requested == "cuda":
        msg = f"providers='cuda' was asked for: {missing}"
        raise ModelError(msg)
    return Plan("cpu", may_fall_back=False, reason=missing)


def start(chosen: Plan, open_session: Callable[[Kind], Session], probe: Callable[[Session], None]) -> Started:
    """Open and probe the device of ``chosen``, and CPU in its place where that is allowed.

    ``probe`` runs a session once and raises when the result is not usable: a GPU that is there may still not work.
    Raises ``ModelError`` when no session could be started.
    """
    try:
        return Started(_probed(chosen.kind, open_session, probe), chosen.kind, chosen.reason)
    except ModelError as error:
        if not chosen.may_fall_back:
            raise
        reason = f"{PROVIDER_NAMES[chosen.kind]} did not pass its probe run: {first_line(error)}"
    return Started(_probed("cpu", open_session, probe), "cpu", reason)


def replace(failed: Started, error: Exception, open_session: Callable[[Kind], Session]) -> Started:
    """Return a CPU session in place of a CUDA session whose run raised ``error``.

    Raises ``ModelError`` when ``failed`` was on CPU already, or CPU cannot be had: nothing is left to fall back to.
    """
    if failed.kind == "cpu":
        if isinstance(error, ModelError):
            raise error
        msg = f"the model could not be run on {failed.provider}: {first_line(error)}"
        raise ModelError(msg) from error
    reason = f"{failed.provider} failed during a run: {first_line(error)}"
    # The rows that failed are run next, which is all the probe there needs to be.
    return Started(_probed("cpu", open_session, lambda _: None), "cpu", reason)


def again(open_session: Callable[[Kind], Session], probe: Callable[[Session], None]) -> Started | None:
    """Return a CUDA session in place of the CPU's that took over; none where it still does not pass its probe run."""
    try:
        return Started(_probed("cuda", open_session, probe), "cuda", None)
    except ModelError:
        return None


def _probed(kind: Kind, open_session: Callable[[Kind], Session], probe: Callable[[Session], None]) -> Session:
    try:
        session = open_session(kind)
        probe(session)
    except ModelError:
        raise
    except Exception as error:  # a driver may raise anything
        msg = f"{PROVIDER_NAMES[kind]} does not work: {first_line(error)}"
        raise ModelError(msg) from error
    return session

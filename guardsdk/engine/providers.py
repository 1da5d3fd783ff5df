"""Chooses the device that runs the model, by pure functions, and replaces a failing GPU by the CPU."""

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
    """The device to try first."""

    kind: Kind
    may_fall_back: bool
    """Whether to use the CPU if ``kind`` does not start."""
    reason: str | None
    """Why ``kind`` is not the best device asked for; ``None`` if it is."""


@dataclass(frozen=True, slots=True)
class Started:
    """A session that passed its probe run, and how it was chosen."""

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
    a graph for. ``auto`` takes CUDA if both have it. Raises ``ModelError`` if ``cuda`` is requested and missing.
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
    """Open and probe the device of ``chosen``, falling back to the CPU if allowed.

    ``probe`` runs a session once and raises if the result is not usable, as an installed GPU may still not work. Raises
    ``ModelError`` if no session could be started.
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

    Raises ``ModelError`` if ``failed`` was already on the CPU, or the CPU cannot be used: there is no further fallback.
    """
    if failed.kind == "cpu":
        if isinstance(error, ModelError):
            raise error
        msg = f"the model could not be run on {failed.provider}: {first_line(error)}"
        raise ModelError(msg) from error
    reason = f"{failed.provider} failed during a run: {first_line(error)}"
    # The failed rows are run next, which is probe enough.
    return Started(_probed("cpu", open_session, lambda _: None), "cpu", reason)


def again(open_session: Callable[[Kind], Session], probe: Callable[[Session], None]) -> Started | None:
    """Return a CUDA session to replace the CPU fallback; ``None`` if it still fails its probe run."""
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

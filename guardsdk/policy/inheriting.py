"""Policies that extend another: a file's keys override what it inherits. Works on parsed TOML, before validation.

A principle with an id of the base changes the keys it names and keeps the rest. One with a new id is appended, and
``remove`` takes principles out. ``name`` and ``version`` are a file's own and never inherited.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final

from guardsdk.errors import PolicyError
from guardsdk.policy.actions import OPTION_OF
from guardsdk.policy.lines import key_lines
from guardsdk.policy.origin import Place
from guardsdk.policy.reading import nearest, read_toml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from guardsdk.policy.lines import KeyPath

_OWN: Final = ("name", "version")
_LEAST: Final = ("text", "label", "stages")
"""Keys that a new principle must have."""


@dataclass(frozen=True)
class Written:
    """The content of a policy file, with the place of every key."""

    content: dict[str, Any]
    find: Callable[[], dict[KeyPath, Place]]
    """Finds the places. This takes longer than reading, so it is only called if something is wrong."""
    removed: tuple[str, ...] = ()
    """Ids of inherited principles that were removed, here or in a base."""
    files: tuple[str, ...] = ()
    """The files it was read from, the outermost base first; packaged policies by their names."""

    @cached_property
    def places(self) -> dict[KeyPath, Place]:
        """The file and line of every key."""
        return self.find()

    def place(self, *path: str | int) -> Place:
        """Return the place of the key at ``path``, or of the file if the key has none."""
        return self.places.get(path) or self.places[()]


def read(text: str, source: str) -> Written:
    """Parse TOML ``text``; errors call it ``source``. Raises ``PolicyError`` if it is not valid TOML."""
    return Written(read_toml(text, source), partial(_places, text, source), files=(source,))


def _places(text: str, source: str) -> dict[KeyPath, Place]:
    places: dict[KeyPath, Place] = {(): Place(source)}
    for path, line in key_lines(text).items():
        places[("principles", *path[1:]) if path[:1] == ("principle",) else path] = Place(source, line)
    return places


def resolved(written: Written, base_of: Callable[[str, Place], Written]) -> Written:
    """Return the content of ``written`` merged with what it inherits; ``base_of`` loads the policy of a given name.

    Raises ``PolicyError`` if two principles have the same id, if ``extends`` or ``remove`` cannot be followed, and
    whatever ``base_of`` raises, which also says where the base is named.
    """
    content = written.content
    _require_distinct(written)
    if "extends" not in content:
        if "remove" in content:
            msg = f"{written.place('remove')}: remove takes principles away from a policy that this one extends"
            raise PolicyError(msg)
        return written
    name = content["extends"]
    if not isinstance(name, str):
        msg = f"{written.place('extends')}: extends must be the name of a preset or the path of a file"
        raise PolicyError(msg)
    return _merged(base_of(name, written.place("extends")), written)


def _require_distinct(written: Written) -> None:
    first: dict[str, int] = {}
    principles = written.content.get("principles")
    for number, one in enumerate(principles if isinstance(principles, list) else ()):
        if not _identified(one):
            continue
        if first.setdefault(one["id"], number) != number:
            other, here = (written.place("principles", place) for place in (first[one["id"]], number))
            msg = f"{here}: two principles have the id {one['id']!r}; the other is on line {other.line}"
            raise PolicyError(msg)


@dataclass(frozen=True, slots=True)
class _Source:
    """Where one principle of a policy that extends another comes from."""

    base: int | None
    """Its index in the base, if it is inherited."""
    own: int | None
    """Its index in the file that extends the base, if that changes or adds it."""
    examples: tuple[int, ...] | None = None
    """Indices, in the base, of the inherited examples that are kept; ``None`` if all are."""


def _merged(base: Written, own: Written) -> Written:
    top = {key: value for key, value in base.content.items() if key not in (*_OWN, "principles")}
    top |= {key: value for key, value in own.content.items() if key not in ("principles", "remove")}
    files = (*base.files, *own.files)
    changes = own.content.get("principles", [])
    if not isinstance(changes, list):  # validation reports what is wrong with it
        return Written({**top, "principles": changes}, lambda: _places_of(base, own, ()) | own.places, files=files)
    principles, sources = _principles(base, own, changes)
    removed = (*base.removed, *own.content.get("remove", ()))  # known to be a list of ids here
    return Written({**top, "principles": principles}, partial(_places_of, base, own, sources), removed, files)


def _principles(base: Written, own: Written, changes: list[Any]) -> tuple[list[Any], list[_Source]]:
    """Return the base's principles with the changes of ``own``, then the new ones, and where each comes from."""
    kept = _kept(base, own)
    known = [principle["id"] for principle, _ in kept]
    own_at = {one["id"]: number for number, one in enumerate(changes) if _identified(one)}
    merged: list[Any] = []
    sources: list[_Source] = []
    for principle, number in kept:
        change = own_at.get(principle["id"])
        written, examples = (principle, None) if change is None else _changed(principle, changes[change])
        merged.append(written)
        sources.append(_Source(number, change, examples))
    for number, one in enumerate(changes):
        if _identified(one) and one["id"] in known:
            continue
        _require_whole(own, number, one, known)
        merged.append(one)
        sources.append(_Source(None, number))
    return merged, sources


def _places_of(base: Written, own: Written, sources: Sequence[_Source]) -> dict[KeyPath, Place]:
    """Return the places of keys in the merged policy, whose principles come from ``sources``."""
    places = {
        path: place
        for path, place in base.places.items()
        if path and path[0] not in (*_OWN, "principles", "extends") and path[0] not in own.content
    }
    places |= {path: place for path, place in own.places.items() if path[:1] != ("principles",)}
    inherited, changed = _by_principle(base), _by_principle(own)
    for to, source in enumerate(sources):
        named = () if source.own is None else own.content["principles"][source.own]
        for path, place in () if source.base is None else inherited.get(source.base, ()):
            if path[:1] and path[0] in named:
                continue
            if source.examples is None or path[:1] != ("examples",) or len(path) == 1:
                places["principles", to, *path] = place
            elif path[1] in source.examples:
                places["principles", to, "examples", source.examples.index(path[1]), *path[2:]] = place
        for path, place in () if source.own is None else changed.get(source.own, ()):
            places["principles", to, *path] = place
    return places


def _by_principle(written: Written) -> dict[str | int, list[tuple[KeyPath, Place]]]:
    """Return the places of each principle by its index, with their paths inside it."""
    found: dict[str | int, list[tuple[KeyPath, Place]]] = {}
    for path, place in written.places.items():
        if path[:1] == ("principles",) and len(path) > 1:
            found.setdefault(path[1], []).append((path[2:], place))
    return found


def _identified(principle: object) -> bool:
    return isinstance(principle, dict) and isinstance(principle.get("id"), str)


def _kept(base: Written, own: Written) -> list[tuple[dict[str, Any], int]]:
    """Return the base's principles without the removed ones, each with its index in the base."""
    removed = own.content.get("remove", [])
    if not (isinstance(removed, list) and all(isinstance(one, str) for one in removed)):
        msg = f"{own.place('remove')}: remove must be a list of the ids of principles"
        raise PolicyError(msg)
    principles: list[dict[str, Any]] = base.content.get("principles", [])
    if not (isinstance(principles, list) and all(map(_identified, principles))):
        msg = f"{base.place()}: what it extends is no policy yet: guardsdk policy lint on that file says why"
        raise PolicyError(msg)
    known = [principle["id"] for principle in principles]
    for number, one in enumerate(removed):
        if one not in known:
            msg = f"{own.place('remove', number)}: remove names no principle it inherits; {nearest(one, known)}"
            raise PolicyError(msg)
    return [(principle, number) for number, principle in enumerate(principles) if principle["id"] not in removed]


def _require_whole(own: Written, number: int, one: object, known: list[str]) -> None:
    """Tell a misspelt id from a new principle."""
    missing = [key for key in _LEAST if key not in one] if isinstance(one, dict) else []
    identifier = one.get("id") if isinstance(one, dict) else None
    if missing and isinstance(identifier, str):
        msg = (
            f"{own.place('principles', number)}: principle {identifier!r} is none that is inherited, and lacks "
            f"{', '.join(missing)} to be a new one; {nearest(identifier, known)}"
        )
        raise PolicyError(msg)


def _changed(base: Mapping[str, Any], change: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[int, ...] | None]:
    """Return one principle with the keys of ``change``, adapting inherited options to a new action or new stages.

    Also returns the indices of the inherited examples that are kept, ``None`` if all are.
    """
    merged = {**base, **change}
    left = None
    if {"action", "stages"} & change.keys():
        with suppress(KeyError, TypeError, AttributeError, IndexError):  # malformed values are reported by validation
            left = _follow(base, change, merged)
    if {"action", "stages", "revise"} & change.keys():  # a replacement may be the fallback of a revision
        for name in OPTION_OF:
            if name not in change and not _reads(merged, name):
                merged.pop(name, None)
    return merged, left


def _reads(principle: Mapping[str, Any], option: str) -> bool:
    """Whether an action of ``principle`` uses ``option``."""
    action, revise = principle.get("action", "block"), principle.get("revise")
    words = list(action.values()) if isinstance(action, dict) else [action]
    if (
        option == "replacement"
        and "revise" in words
        and isinstance(revise, dict)
        and revise.get("fallback") == "replace"
    ):
        return True
    return OPTION_OF[option] in words


def _follow(base: Mapping[str, Any], change: Mapping[str, Any], merged: dict[str, Any]) -> tuple[int, ...] | None:
    """Adapt the inherited keys in ``merged`` to ``change``; return the indices of the inherited examples kept."""
    stages = merged["stages"]
    if "action" not in change and isinstance(merged.get("action"), dict):
        merged["action"] = {stage: word for stage, word in merged["action"].items() if stage in stages}
    if "examples" in change:
        return None
    examples = {}
    for number, example in enumerate(base.get("examples", ())):
        stage = example.get("stage", base["stages"][0])
        if stage in stages:
            fires = example["expect"] == _word(base, stage)
            examples[number] = {**example, "stage": stage, "expect": _word(merged, stage) if fires else "allow"}
    merged["examples"] = [*examples.values()]
    return tuple(examples)


def _word(principle: Mapping[str, Any], stage: str) -> object:
    action = principle.get("action", "block")
    return action.get(stage) if isinstance(action, dict) else action

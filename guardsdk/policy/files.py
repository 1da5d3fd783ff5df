"""From the name of a policy, a packaged one or a file, to what is written there and in what it extends."""

from __future__ import annotations

import os
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from guardsdk.disk import read_file
from guardsdk.errors import PolicyError
from guardsdk.policy.inheriting import read, resolved
from guardsdk.policy.reading import meant, nearest

if TYPE_CHECKING:
    from guardsdk.policy.inheriting import Written
    from guardsdk.policy.origin import Place

DEFAULT: Final = "default"
PRESETS: Final = ("balanced", "strict", "lenient", "children", "enterprise-assistant", "coding-agent")
"""Names of the packaged policies beside the default one, each a file in ``presets/``."""
PACKAGED: Final = (DEFAULT, *PRESETS)

_DEEPEST: Final = 20
"""Files one above the other: more than anybody can follow, and fewer than the interpreter can."""
_HERE: Final = Path(__file__).parent


def packaged_file(name: str) -> Path:
    """Return the file of the packaged policy of that name. Raises ``PolicyError`` where there is none."""
    if name not in PACKAGED:
        msg = f"there is no packaged policy {name!r}; {nearest(name, PACKAGED)}"
        raise PolicyError(msg)
    return _HERE / "default.toml" if name == DEFAULT else _HERE / "presets" / f"{name}.toml"


def about(name: str) -> str:
    """Return what the packaged policy of that name says of itself: the comment its file begins with, up to a blank."""
    lines = packaged_file(name).read_text(encoding="utf-8").splitlines()
    return " ".join(line.removeprefix("#").strip() for line in takewhile(lambda line: line.strip("# "), lines))


def written_at(source: str | Path) -> Written:
    """Return what the packaged policy of that name, or the file at that path, says with all that it inherits.

    A file that has the very name of a packaged policy is meant where a folder stands in front: ``./strict``. Raises
    ``PolicyError`` that names the file, and the line where it is about one.
    """
    return _found(str(source), Path(), (), None)


def written_in(text: str, source: str) -> Written:
    """Return what TOML ``text`` says with all that it inherits; paths it names are taken from the working directory."""
    text = text.removeprefix("\ufeff")  # the mark some editors put in front, which a file may have as well
    return resolved(read(text, source), lambda name, asked: _found(name, Path(), (source,), asked))


def _found(name: str, directory: Path, above: tuple[str, ...], asked: Place | None) -> Written:
    """Return what ``name`` stands for; ``above`` are the files that extend it, ``asked`` is where the last does."""
    if "\0" in name:
        msg = f"{name!r}: no path holds a null character"
        raise PolicyError(msg)
    path = packaged_file(name) if name in PACKAGED else directory / name
    shown = name if name in PACKAGED else str(path)
    identity = os.path.realpath(path)  # not resolve(), which raises for links in a circle before Python 3.13
    if identity in above:
        msg = f"{shown}: extends itself, by way of {len(above)} file{'s' * (len(above) > 1)}"
        raise PolicyError(msg)
    if len(above) > _DEEPEST:
        msg = f"{asked}: more than {_DEEPEST} files extend one another; nobody could tell what holds"
        raise PolicyError(msg)
    own = read(_text(path, name, shown, asked), shown)
    return resolved(own, lambda base, place: _found(base, path.parent, (*above, identity), place))


def _text(path: Path, name: str, shown: str, asked: Place | None) -> str:
    try:
        # Some editors put a mark in front, and others end lines in two characters.
        return read_file(path).decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        msg = f"{shown}: not UTF-8 text"
        raise PolicyError(msg) from None
    except OSError as error:
        hint = (
            f"; {meant(name, PACKAGED)}packaged policies are {', '.join(PACKAGED)}" if asked or not path.suffix else ""
        )
        before = f"{asked}: extends " if asked else ""
        msg = f"{before}{shown}: cannot be read: {error.strerror}{hint}"
        raise PolicyError(msg) from None

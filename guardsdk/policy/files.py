"""Resolves the name of a packaged policy, or a path, to the file's content with everything it inherits."""

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
"""Names of the packaged policies other than the default one, each a file in ``presets/``."""
PACKAGED: Final = (DEFAULT, *PRESETS)

_DEEPEST: Final = 20
"""The longest chain of ``extends``: more than anybody can follow, and within the interpreter's recursion limit."""
_HERE: Final = Path(__file__).parent


def packaged_file(name: str) -> Path:
    """Return the path of the packaged policy ``name``. Raises ``PolicyError`` if there is none."""
    if name not in PACKAGED:
        msg = f"there is no packaged policy {name!r}; {nearest(name, PACKAGED)}"
        raise PolicyError(msg)
    return _HERE / "default.toml" if name == DEFAULT else _HERE / "presets" / f"{name}.toml"


def about(name: str) -> str:
    """Return the description of the packaged policy ``name``: the first paragraph of its opening comment."""
    lines = packaged_file(name).read_text(encoding="utf-8").splitlines()
    return " ".join(line.removeprefix("#").strip() for line in takewhile(lambda line: line.strip("# "), lines))


def written_at(source: str | Path) -> Written:
    """Return the content of a packaged policy or of the file at a path, with everything it inherits.

    To name a file called like a packaged policy, put a directory in front: ``./strict``. Raises ``PolicyError`` that
    names the file, and the line if the problem has one.
    """
    return _found(str(source), Path(), (), None)


def written_in(text: str, source: str) -> Written:
    """Return the content of TOML ``text`` with what it inherits; relative paths start at the working directory."""
    text = text.removeprefix("\ufeff")  # the byte order mark some editors write, as in a file
    return resolved(read(text, source), lambda name, asked: _found(name, Path(), (source,), asked))


def _found(name: str, directory: Path, above: tuple[str, ...], asked: Place | None) -> Written:
    """Return the content of ``name``; ``above`` are the files that extend it, ``asked`` is where the last one does."""
    if "\0" in name:
        msg = f"{name!r}: no path holds a null character"
        raise PolicyError(msg)
    path = packaged_file(name) if name in PACKAGED else directory / name
    shown = name if name in PACKAGED else str(path)
    identity = os.path.realpath(path)  # not resolve(), which raises on circular links before Python 3.13
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
        # Some editors write a byte order mark, and others CRLF line endings.
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

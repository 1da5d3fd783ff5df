"""Make the list of the commonest word forms of all Latin-script lexicons, which tells what language a text may be in.

Run it after every change of a lexicon: ``python -m models.training.lexicon_index``. It needs only the package.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import guardsdk.text
from guardsdk.text.lexicon import COMMON, LANGUAGES, LATIN, fold, lexicon

_WORDS: Final = """
a about account after all also always am an and any are as ask at bad bank be because been before bomb book but
buy by can car child children code could create day delete did do does don't drug drugs email every everything
explain find first for forget friend from get give go god good hack had has have he help her here him his home
house how i if ignore in instructions into is it its kill know less letter like list little make man many me
money month more most must my name need never new no not nothing now of on one only or other our out password
people please poison police print prompt question really reveal said same say school secret see sell send she
should show so some someone something steal step story such system take tell than that the their them then there
these they thing think this those three through to today told tomorrow too translate two under until up us use
very want was water way we weapon weapons well were what when where which who why will with without woman women
word words work world would write yes you your
"""
GLOSSES: Final = frozenset(_WORDS.split())
"""Common English words, and words of requests made with bad intent: a short order may contain no others."""
SHORTEST: Final = 2
"""Letters of the shortest form that counts: single letters occur in formulas and lists."""


def common_lines() -> list[str]:
    """Return the lines of the list: each form whose gloss consists of ``GLOSSES``, and the languages that have it."""
    found: dict[str, list[str]] = {}
    for code in LANGUAGES[LATIN]:
        book = lexicon(code, LATIN)
        bare = {fold(form, full=False) for form, gloss in book.forms.items() if GLOSSES.issuperset(gloss.split())}
        for form in sorted(bare):
            if len(form) >= SHORTEST and " " not in form:
                found.setdefault(form, []).append(code)
    return [f"{form} = {' '.join(codes)}" for form, codes in sorted(found.items())]


def write() -> None:
    """Write the list beside the lexicons."""
    place = Path(guardsdk.text.__file__).parent / "lexicons" / COMMON
    place.write_text("\n".join([*common_lines(), ""]), encoding="utf-8")


if __name__ == "__main__":
    write()

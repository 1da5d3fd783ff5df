"""Make the list of the commonest forms of all lexicons in Latin letters, which tells what language a text may be in.

Run it after every change of a lexicon: ``python -m models.training.lexicon_index``. It needs the package alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import guardsdk.text
from guardsdk.text.lexicon import COMMON, LANGUAGES, LATIN, fold, lexicon

GLOSSES: Final = frozenset(
    """
    a about above account after again against age all alone already also always an and animal another answer any apple are army article
    as ask at away back bad bank be because become been before begin believe best better between big black body bomb
    book boss both boy bread bring build burn but buy by call can car card change chemical child children city clean close code
    come computer cook could country create credit cut dangerous day dead death describe did die do document does doctor dog
    don't door down drink drive drug drugs each earn easy eat email employee enemy enough essay every everyone everything
    explain explosive eye fake fall family fast father feel few fight file find fire first food for forget friend from game gas get
    girl give given go god gold good government group gun guy had hair hand happy has hate have he head heard hear help her
    here herself hide high him himself his history home hospital hour house how human i idea if ignore illegal in information
    instructions internet into is it its job keep key kill know knew language last late law learn leave left less let letter life
    like list little live lock long look lose love machine made make man many may me medicine meet men message method million
    mine money month more morning most mother mouth much murder must my name need neighbour never new news next night no nobody
    not nothing now number of off office old on once one online only open or order other our out over own paper parents
    passport password pay people person phone picture place plan play please poison police possible president previous price
    prison problem program prompt protect put question quickly read ready really receive recipe reveal right road room rule rules run
    said same say says school secret see sell send series sex she shop short should show sick since sister sit sleep slowly
    small so some someone something son soon speak start state stay steal step steps still stop story street strong student study
    such system take talk teacher tell test than thank that the their them then there these they thing things think this those
    three through time to today together told tomorrow too translate true try two under understand until up use used user very
    video virus want wants war was watch water way we weapon weapons wear week well went were what when where which while
    white who whole why wife will win window with without woman women word words work world would write written wrong year years
    yes yesterday yet you young your yourself
    """.split()
)
"""Plain words of any text, and of what is asked for with bad intent: a short order may have no others."""
SHORTEST: Final = 2
"""Letters of the shortest form that counts: single ones stand in formulas and lists."""


def common_lines() -> list[str]:
    """Return the lines of the list: each form of the commonest glosses, and the languages it is one of."""
    found: dict[str, list[str]] = {}
    for code in LANGUAGES[LATIN]:
        book = lexicon(code, LATIN)
        bare = {fold(form, full=False) for form, gloss in book.forms.items() if gloss in GLOSSES or not gloss}
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

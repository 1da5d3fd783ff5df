"""The screens that come with the package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardsdk.screens.classifier import ClassifierScreen, Taught
from guardsdk.screens.hidden import HiddenTextScreen
from guardsdk.screens.language import LanguageScreen
from guardsdk.screens.leak import LeakScreen
from guardsdk.screens.pattern_screen import LABELS, PatternScreen
from guardsdk.screens.viewed import ViewedScreen
from guardsdk.text.views import decoded_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from guardsdk.engine.classifier import Classifier
    from guardsdk.screens.base import Screen


def arranged(
    classifier: Classifier,
    canaries: Screen,
    own: Sequence[Screen],
    *,
    views: bool,
    taught: Taught | None = None,
    aimed: Callable[[], Classifier] | None = None,
) -> list[Screen]:
    """Return the packaged screens and the user's ``own``, in the order in which they run.

    ``taught`` is scored together with the classifier's own labels, and ``aimed`` returns the classifier that reads
    prompts together with instructions. Fast screens come first, as their findings can spare the classifier most of a
    long text. With ``views``, the classifier and the leak screens also read each text with disguises undone, and the
    classifier its gloss and its passages.
    """

    def decoding(screen: Screen) -> Screen:
        return ViewedScreen(screen, decode=decoded_of) if views else screen

    reader: Screen = ClassifierScreen(classifier, taught, aimed, closer=views)
    patterns = [PatternScreen(label) for label in LABELS]
    leaks = [decoding(canaries), decoding(LeakScreen())]
    quick: list[Screen] = [HiddenTextScreen(), LanguageScreen(), *patterns, *leaks]
    if views:
        reader = ViewedScreen(reader, gloss_margins=classifier.model.manifest.gloss_margins)
    return [*quick, *own, reader]

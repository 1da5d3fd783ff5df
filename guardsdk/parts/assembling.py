"""Loads the parts of a guard and puts them together.

Modules that bring numpy, onnxruntime and tokenizers are imported inside functions: ``import guardsdk`` stays light.
"""

# ruff: noqa: PLC0415  imported inside: ``import guardsdk`` stays light

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from guardsdk.beside import Beside
from guardsdk.pipeline import Assembly
from guardsdk.policy.decide import bind, not_below
from guardsdk.policy.model import TAUGHT
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from guardsdk.cache import Keys
    from guardsdk.engine.classifier import Classifier
    from guardsdk.policy.model import Policy
    from guardsdk.registry.manifest import Aimed
    from guardsdk.screens.base import Screen
    from guardsdk.settings import Providers, Settings
    from guardsdk.teaching.lesson import Lesson


def find_classifier(
    models: str | Path | None, settings: Settings, providers: Providers, threads: int | None
) -> Classifier:
    """Return the classifier for the model at ``models``, shared by all equal requests.

    Raises ``ModelError`` if none.
    """
    from guardsdk.engine.pool import classifier, loaded
    from guardsdk.registry.lookup import find_model, load_manifest, verify_files

    model = load_manifest(find_model(models, settings))
    if (known := loaded(model, providers, threads)) is not None:
        return known
    # Hashing releases the interpreter lock to the imports; two importing threads would only take turns.
    with Beside(lambda: verify_files(model)) as comparing:
        import guardsdk.engine.classifier  # brings numpy
        from guardsdk.engine.session import runtime

        runtime()
        with Beside(lambda: classifier(model, providers, threads, comparing.result())) as loading:
            import guardsdk.screens.packaged  # noqa: F401  needed by ``assemble`` next
    return loading.result()


def assemble(
    policy: Policy,
    classifier: Classifier,
    canaries: Screen,
    own: Sequence[Screen],
    keys: Keys,
    *,
    views: bool,
    lessons: Sequence[Lesson] = (),
    early_exit: bool = False,
    system_on_input: bool = True,
    stricter_by: float = 0.0,
) -> Assembly:
    """Return what checks by ``policy`` run on: the packaged screens, the guard's ``own`` screens and the classifier.

    The classifier also scores those of ``lessons`` that the policy names, and learns those it has examples for. With
    ``early_exit`` it may clear text early on stages where no principle has a threshold below the one the model's bounds
    were set for, also when the monitor lowers thresholds by ``stricter_by`` log-odds. With ``system_on_input`` it reads
    user text together with the system prompt, if it was trained to. Raises ``PolicyError`` if no screen has a label the
    policy names, ``GuardError`` if two screens have the same label, and ``TeachingError`` if a lesson is from another
    encoder or examples do not support their threshold.
    """
    from guardsdk.screens.packaged import arranged
    from guardsdk.screens.panel import Panel

    manifest, paired, aimed = classifier.model.manifest, classifier.model.manifest.paired, None
    if not system_on_input:
        paired -= {Stage.INPUT}
    elif manifest.aimed is not None:
        paired |= {Stage.INPUT}
        aimed = partial(_aimed, classifier, manifest.aimed)
    taught = None
    if any(principle.label.startswith(TAUGHT) for principle in policy.principles):
        from guardsdk.teaching.heads import taught_for

        taught = taught_for(policy, lessons, classifier, views=views)
    panel = Panel(arranged(classifier, canaries, own, views=views, taught=taught, aimed=aimed))
    bound = bind(policy, panel.operating_points)
    clearing: frozenset[Stage] = frozenset()
    if early_exit and manifest.early_exit is not None:
        clearing = not_below(bound, manifest.thresholds, stricter_by) & manifest.early_exit.stages.keys()
    panel = panel.serving(bound.measured, early_exit=clearing)
    return Assembly(panel=panel, bound=bound, model=classifier.model.ref, runtime=classifier, keys=keys, paired=paired)


def _aimed(classifier: Classifier, aimed: Aimed) -> Classifier:
    """Return the classifier that reads prompts together with instructions; few guards ever need it."""
    from guardsdk.engine.aimed import aimed_classifier

    return aimed_classifier(classifier.model, aimed, classifier.threads)

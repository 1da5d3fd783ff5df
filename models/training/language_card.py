"""Writes the files of ``range-ngram``: weights, manifest and card."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from guardsdk.registry.lookup import MANIFEST_FILE
from guardsdk.registry.manifest import FileEntry, Source
from guardsdk.registry.ngrams import RANGE_MODEL, WEIGHTS_FILE, NgramManifest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from guardsdk.registry.manifest import Calibration

_CARD = """# {name} {version}

Written {created} by `python -m models.training.language`; not edited by hand.

Says how likely it is that a text, or a passage of it, is outside of what the classifier was measured on, which is
English: another language, another script, or letters that form no language. {size} kB of int8 weights for hashed
character n-grams and words, for the Latin script; other scripts are told by the character. The screen
`guardsdk/screens/language.py` gives the result as label `out_of_range`.

- Kinds of text it was trained to leave alone: English chat, questions, prose, slang, code, JSON.
- Languages it was trained to notice: {languages}. Others are noticed because their n-grams are not English.
- One half is the line: about {rate:.1%} of the English texts in `calib/` are beyond it, each set weighing the same.
- It does not notice a few foreign words, and it cannot tell a single short phrase of words that English has as well.
  Words glued to digits, paths or addresses are not weighed.
- How often it flags which language: `docs/languages.md`. Licence of the weights: Apache-2.0.

## Trained on

| source | texts | licence as read |
| --- | ---: | --- |
{rows}
"""


def write_model(
    out: Path,
    weights: NDArray[np.int8],
    *,
    scale: float,
    calibration: Calibration,
    sources: Mapping[str, tuple[int, str]],
    languages: Sequence[str],
    version: str,
    rate: float,
) -> NgramManifest:
    """Write the table, its manifest and its card into ``out``; ``sources`` maps a name to texts used and licence."""
    out.mkdir(parents=True, exist_ok=True)
    content = weights.tobytes()
    (out / WEIGHTS_FILE).write_bytes(content)
    manifest = NgramManifest(
        name=RANGE_MODEL,
        version=version,
        created=datetime.now(UTC).date().isoformat(),
        licence="Apache-2.0",
        weights=FileEntry(sha256=hashlib.sha256(content).hexdigest(), size=len(content)),
        scale=scale,
        calibration=calibration,
        languages=("en",),
        training_data=tuple(
            Source(name=name, rows=count, licence=licence) for name, (count, licence) in sorted(sources.items())
        ),
    )
    (out / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    card = _CARD.format(
        name=manifest.name,
        version=version,
        created=manifest.created,
        size=len(content) // 1000,
        languages=", ".join(languages),
        rate=rate,
        rows="\n".join(f"| `{source.name}` | {source.rows} | {source.licence} |" for source in manifest.training_data),
    )
    (out / "README.md").write_text(card, encoding="utf-8")
    return manifest

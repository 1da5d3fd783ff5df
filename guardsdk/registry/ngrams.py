"""The table of n-gram weights that tells which texts are in the language the classifier was measured on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationError

from guardsdk.errors import ModelError, first_problem
from guardsdk.frozen import Frozen
from guardsdk.registry.lookup import MANIFEST_FILE, find_packaged, verify
from guardsdk.registry.manifest import Calibration, FileEntry, Source

if TYPE_CHECKING:
    from pathlib import Path

RANGE_MODEL = "range-ngram"
WEIGHTS_FILE = "weights.bin"


class NgramManifest(Frozen):
    """What the folder of a table says of itself: ``manifest.json``."""

    schema_version: Literal[1] = 1
    name: str
    version: str
    created: str
    """ISO 8601 date."""
    licence: str
    weights: FileEntry
    """Of ``weights.bin``."""
    scale: float = Field(gt=0.0)
    """What one step of an int8 weight is worth, in log-odds."""
    calibration: Calibration
    """From evidence in log-odds to the probability that the text holds a passage outside of ``languages``."""
    languages: tuple[str, ...] = Field(min_length=1)
    """ISO 639-1 codes of the languages that count as measured."""
    training_data: tuple[Source, ...] = ()


def find_ngrams() -> Path:
    """Return the folder of the packaged table. Raises ``ModelNotFoundError`` where it is not there."""
    return find_packaged(RANGE_MODEL)


def load_ngrams(directory: Path) -> tuple[NgramManifest, bytes]:
    """Return the manifest in ``directory`` and the weights it names, one signed byte each.

    Raises ``ModelNotFoundError`` where a file is missing, ``ChecksumMismatchError`` where the weights are not the ones
    the manifest was written for, and ``ModelError`` where either cannot be read.
    """
    path = directory / MANIFEST_FILE
    try:
        manifest = NgramManifest.model_validate_json(path.read_bytes())
        with verify(directory, {WEIGHTS_FILE: manifest.weights}).unchanged():
            return manifest, (directory / WEIGHTS_FILE).read_bytes()
    except ValidationError as error:
        msg = f"{path}: {first_problem(error)}"
        raise ModelError(msg) from None
    except OSError as error:
        if isinstance(error, ModelError):
            raise
        msg = f"{error.filename or path} cannot be read: {error.strerror}"
        raise ModelError(msg) from error

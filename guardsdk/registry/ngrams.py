"""The table of n-gram weights that identifies texts in the language the classifier was measured on."""

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
    """The manifest of a table's directory: ``manifest.json``."""

    schema_version: Literal[1] = 1
    name: str
    version: str
    created: str
    """ISO 8601 date."""
    licence: str
    weights: FileEntry
    """The file ``weights.bin``."""
    scale: float = Field(gt=0.0)
    """Log-odds per step of an int8 weight."""
    calibration: Calibration
    """Maps evidence in log-odds to the probability that the text has a passage outside of ``languages``."""
    languages: tuple[str, ...] = Field(min_length=1)
    """ISO 639-1 codes of the languages that count as measured."""
    training_data: tuple[Source, ...] = ()


def find_ngrams() -> Path:
    """Return the directory of the packaged table. Raises ``ModelNotFoundError`` if it does not exist."""
    return find_packaged(RANGE_MODEL)


def load_ngrams(directory: Path) -> tuple[NgramManifest, bytes]:
    """Return the manifest in ``directory`` and the weights it names, one signed byte each.

    Raises ``ModelNotFoundError`` if a file is missing, ``ChecksumMismatchError`` if the weights do not match the
    manifest, and ``ModelError`` if either cannot be read.
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

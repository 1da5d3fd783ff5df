"""Finds a model directory, reads its manifest, and verifies its files against it."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from stat import S_ISREG
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import ValidationError

from guardsdk.errors import ChecksumMismatchError, ModelError, ModelNotFoundError, first_problem
from guardsdk.registry.external import external_files
from guardsdk.registry.manifest import CONFIG_FILE, DEFAULT_CONTEXT_STAGES, Manifest, file_entry
from guardsdk.verdict import ArtifactRef

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from guardsdk.registry.manifest import FileEntry
    from guardsdk.settings import Settings

DEFAULT_MODEL = "guard-minilm-l6"
MANIFEST_FILE = "manifest.json"
_GRAPH = ".onnx"
_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model directory whose manifest was read; its large files have not been opened yet."""

    directory: Path
    manifest: Manifest
    ref: ArtifactRef
    """Name, version and a digest of the manifest, without evaluation figures, and of every file's checksum."""
    activation: Literal["sigmoid", "softmax"]
    """Whether the logits are independent (sigmoid) or share one distribution (softmax)."""

    def path(self, name: str) -> Path:
        """Return the path of the manifest's file ``name``."""
        return self.directory / name


def find_model(explicit: Path | str | None, settings: Settings) -> Path:
    """Return the model directory: ``explicit``, else ``settings.model``, else the packaged one.

    If a directory was requested and does not exist, this is an error, never a reason to use another model. Raises
    ``ModelNotFoundError`` that says what was looked for and what to do.
    """
    if explicit is not None:
        return _require(Path(explicit), "the model directory given")
    if settings.model is not None:
        return _require(settings.model, "the model directory named by the settings (GUARDSDK_MODEL)")
    return find_packaged(DEFAULT_MODEL)


def find_packaged(name: str) -> Path:
    """Return the directory of the packaged model ``name``.

    Raises ``ModelNotFoundError`` that says what was looked for and what to do.
    """
    candidates = (_PACKAGE / "_models" / name, _PACKAGE.parent / "models" / name)
    for candidate in candidates:
        if (candidate / MANIFEST_FILE).is_file():
            return candidate
    looked = " or ".join(str(candidate) for candidate in candidates)
    msg = (
        f"the packaged model {name} is not there: looked for {MANIFEST_FILE} in {looked}. "
        "Install the wheel, which carries it, or pass a model directory"
    )
    raise ModelNotFoundError(msg)


def load_manifest(directory: Path) -> LoadedModel:
    """Read the manifest of the model in ``directory``.

    That is ``manifest.json`` or, for a model exported by another tool, its ``config.json`` (see ``registry.exported``).
    Raises ``ModelNotFoundError`` if there is neither, and ``ModelError`` that names file and key if one is invalid.
    """
    path = _require(directory, "the model directory") / MANIFEST_FILE
    if not path.is_file():
        from guardsdk.registry.exported import describe  # noqa: PLC0415  our own models do not need it

        manifest, activation = describe(directory)
        content = f"{activation}\n{manifest.model_dump_json()}".encode()
    else:
        manifest, activation = _parse(path, _read(path)), "sigmoid"
        # Evaluation figures are not part of a model's identity: measuring it must not change its digest. Nor must a
        # field that was added later change the digest of older manifests.
        plain = {"context_stages"} if manifest.context_stages == DEFAULT_CONTEXT_STAGES else set()
        plain |= {name for name in ("aimed", "gloss_margins", "passages") if not getattr(manifest, name)}
        content = manifest.model_copy(update={"evaluation": ()}).model_dump_json(exclude=plain).encode()
    digest = hashlib.sha256()
    for name, entry in sorted(manifest.files.items()):
        digest.update(f"{name}\0{entry.size}\0{entry.sha256}\n".encode())
    digest.update(content)
    ref = ArtifactRef(name=manifest.name, version=manifest.version, digest=digest.hexdigest())
    return LoadedModel(directory=directory, manifest=manifest, ref=ref, activation=activation)


class _Identity(NamedTuple):
    device: int
    inode: int
    size: int
    """In bytes."""
    written_ns: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class Verified:
    """Files that matched their manifest, with their identities at that time."""

    directory: Path
    identities: Mapping[str, _Identity | None]

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Run the block, which opens the files, then verify that they are still the ones that were compared.

        Raises ``ChecksumMismatchError`` if one was replaced or written to in the meantime, as another file may have
        been opened.
        """
        yield
        if _identities(self.directory, self.identities) != self.identities:
            msg = f"model files in {self.directory} were changed while they were opened: the model is refused"
            raise ChecksumMismatchError(msg)


class ExternalWeights:
    """The external data (ONNX's term) of a model in use: weights that its graphs keep in separate files.

    The runtime memory-maps such a file and keeps reading it. Replacing the file does not affect the mapped one, but
    overwriting it changes the running model, whose scores may then be anything.
    """

    def __init__(self, model: LoadedModel, verified: Verified) -> None:
        """Start with the files as they were ``verified``."""
        self._model = model
        graphs = [name for name in model.manifest.files if name.endswith(_GRAPH)]
        names = {name for graph in graphs for name in external_files(model.directory, graph)}
        found = ((name, verified.identities[name]) for name in sorted(names))
        self._known = [  # absolute, as the working directory may change
            (str(model.path(name).absolute()), name, identity) for name, identity in found if identity is not None
        ]

    def require_unchanged(self) -> None:
        """Raise ``ChecksumMismatchError`` if a file was overwritten with other content; to be called after a run.

        A file that was removed or replaced is not the mapped one, which has not changed.
        """
        for at, (path, name, before) in enumerate(self._known):
            try:
                now = os.stat(path)  # noqa: PTH116  called after every run, and a Path needs three calls for it
            except OSError:
                continue
            if (now.st_mtime_ns, now.st_ctime_ns) == before[-2:] or (now.st_dev, now.st_ino) != before[:2]:
                continue
            if file_entry(Path(path)).sha256 != self._model.manifest.files[name].sha256:
                msg = f"model file {path} was written over while it was in use: put it back, or restart the program"
                raise ChecksumMismatchError(msg)
            self._known[at] = path, name, _identity(now)


def verify_files(model: LoadedModel) -> Verified:
    """Compare every file of ``model`` with its manifest. Raises as ``verify`` does."""
    return verify(model.directory, model.manifest.files)


def verify(directory: Path, files: Mapping[str, FileEntry]) -> Verified:
    """Compare every file of ``directory`` in ``files`` with its size, then with its SHA-256.

    Files that a graph among them refers to must be listed too, as their weights would otherwise not be compared. Raises
    ``ModelNotFoundError`` for a missing file, and ``ChecksumMismatchError`` that names a file that differs or is not in
    ``files``.
    """
    before = _identities(directory, files)  # before they are read, as each may be replaced later
    for name, entry in files.items():
        identity = before[name]
        if identity is None:
            msg = f"model file {name} is missing from {directory}"
            raise ModelNotFoundError(msg)
        if identity.size != entry.size:
            msg = (
                f"model file {directory / name} has {identity.size} bytes, its manifest says {entry.size}: "
                "the model is refused"
            )
            raise ChecksumMismatchError(msg)
    for name, entry in files.items():
        path = directory / name
        sha256 = file_entry(path).sha256
        if sha256 != entry.sha256:
            msg = f"model file {path} has sha256 {sha256}, its manifest says {entry.sha256}: the model is refused"
            raise ChecksumMismatchError(msg)
        if name.endswith(_GRAPH):
            unnamed = [one for one in external_files(directory, name) if one not in files]
            if unnamed:
                msg = f"model file {path} opens {unnamed[0]}, of which its manifest says nothing: the model is refused"
                raise ChecksumMismatchError(msg)
    return Verified(directory, before)


def _identities(directory: Path, files: Iterable[str]) -> dict[str, _Identity | None]:
    """Return each file's identity and last modification; ``None`` for what is missing or not a file."""
    found: dict[str, _Identity | None] = {}
    for name in files:
        try:
            now = (directory / name).stat()
        except OSError:
            found[name] = None
        else:
            found[name] = _identity(now) if S_ISREG(now.st_mode) else None
    return found


def _identity(now: os.stat_result) -> _Identity:
    return _Identity(now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns)


def _require(directory: Path, what: str) -> Path:
    if not directory.is_dir():
        there = directory.exists()
        msg = f"{what} {'is a file; give the folder it is in' if there else 'does not exist'}: {directory}"
        raise ModelNotFoundError(msg)
    if not any((directory / name).is_file() for name in (MANIFEST_FILE, CONFIG_FILE)):
        msg = f"{what} holds no model, neither {MANIFEST_FILE} nor {CONFIG_FILE}: {directory}"
        raise ModelNotFoundError(msg)
    return directory


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise ModelError(msg) from error


def _parse(path: Path, content: bytes) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        msg = f"{path}: {first_problem(error)}"
        raise ModelError(msg) from None
    for name in manifest.files:
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts:
            msg = f"{path}: files.{name}: must lie inside the model directory"
            raise ModelError(msg)
    return manifest

"""A model directory as saved by Hugging Face's ``transformers``, or a GGUF file. Needs the extra ``model``."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from guardsdk.disk import path_of
from guardsdk.errors import EvaluationError
from guardsdk.evaluation.record import TargetRef
from guardsdk.evaluation.targets import TargetError, in_daemon_thread, require_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from guardsdk.evaluation.targets import Question

_ROLES_JOINED: Final = "\n\n"
_WEIGHTS: Final = (".safetensors", ".bin", ".gguf")


class ModelTarget:
    """A causal language model that runs in this process. Nothing is downloaded; all files are in the directory."""

    def __init__(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        max_tokens: int = 256,
        temperature: float = 0.0,
        batch: int = 8,
    ) -> None:
        """Load the model at ``path``, on a GPU if torch has one.

        Args:
            path: A directory with ``config.json`` and weights, or a ``.gguf`` file (or a directory with one).
            name: Its name in the record; defaults to the name of the directory.
            max_tokens: The most tokens of an answer.
            temperature: 0 decodes greedily; above 0 answers are sampled, seeded per batch.
            batch: Questions answered at once.

        Raises:
            EvaluationError: torch or transformers is missing, or they cannot load a model from ``path``.
            InputError, InputTypeError: An argument has an invalid value or type.
        """
        path = path_of(path, "path")
        require_numbers(max_tokens=max_tokens, batch=batch, temperature=temperature)
        try:
            import torch  # noqa: PLC0415  an extra
            from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415  an extra
        except ModuleNotFoundError as error:
            msg = f"a model directory needs {error.name}: pip install 'guardsdk[model]'"
            raise EvaluationError(msg) from error
        folder, where = _located(path)
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True, **where)
            model: Any = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype="auto", **where)
        except Exception as error:  # of transformers, or of libraries for formats such as safetensors
            msg = f"{path}: transformers cannot load a causal language model from it: {type(error).__qualname__}"
            raise EvaluationError(msg) from error
        self._torch: Any = torch
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model = model.to(self._device).eval()
        self._max_tokens = max_tokens
        self._temperature = temperature
        self._lock = threading.Lock()
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._tokenizer.padding_side = "left"  # all answers of a batch then begin at the same position
        self.batch = batch
        self.origin = _origin(path)
        self.ref = TargetRef(
            kind="model",
            model=name or path.resolve().name.encode("utf-8", "replace").decode(),
            # Padding and sampling depend on the other questions of a batch.
            parameters={"max_tokens": max_tokens, "temperature": temperature, "batch": batch},
        )

    async def ask(self, questions: Sequence[Question]) -> list[str]:
        """See ``Target``."""
        answers: list[str] = await in_daemon_thread(lambda: self._ask(questions))
        return answers

    def _ask(self, questions: Sequence[Question]) -> list[str]:
        texts = [self._prompted(question) for question in questions]
        with self._lock, self._torch.inference_mode():  # a call that timed out may still be running
            self._torch.manual_seed(questions[0].seed)
            encoded = self._tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
            room = getattr(self._model.config, "max_position_embeddings", None)
            length = encoded["input_ids"].shape[1]
            if room is not None and length + self._max_tokens > room:
                reason = f"{length} tokens and an answer of {self._max_tokens} do not fit into the model's {room}"
                raise TargetError(reason, again=False)
            sampled = {"do_sample": True, "temperature": self._temperature} if self._temperature else {}
            written = self._model.generate(
                **{key: encoded[key].to(self._device) for key in ("input_ids", "attention_mask")},
                max_new_tokens=self._max_tokens,
                pad_token_id=self._tokenizer.pad_token_id,
                **(sampled or {"do_sample": False}),
            )
        return [
            str(text).strip() for text in self._tokenizer.batch_decode(written[:, length:], skip_special_tokens=True)
        ]

    def _prompted(self, question: Question) -> str:
        """Return the conversation in the model's chat template, or as plain text if it has none."""
        turns = question.plain_turns
        if self._tokenizer.chat_template:
            return str(self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
        lines = [f"{turn['role'].capitalize()}: {turn['content']}" for turn in turns]
        return str(self._tokenizer.bos_token or "") + _ROLES_JOINED.join([*lines, "Assistant:"])


def _located(path: Path) -> tuple[Path, dict[str, str]]:
    """Return the directory and, for GGUF, the file in it."""
    if path.suffix == ".gguf":
        return path.parent, {"gguf_file": path.name}
    files = [] if (path / "config.json").is_file() else sorted(path.glob("*.gguf"))
    if len(files) > 1:
        msg = f"{path}: has several GGUF files; give the one"
        raise EvaluationError(msg)
    return path, {"gguf_file": files[0].name} if files else {}


def _origin(path: Path) -> str:
    """Return where the model is, with sizes and times of its weights, as another model may be saved over it."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    found = [(file.name, file.stat()) for file in files if file.suffix in _WEIGHTS]
    return "\n".join([str(path.resolve()), *(f"{name} {now.st_size} {now.st_mtime_ns}" for name, now in found)])


def is_model(path: Path) -> bool:
    """Whether ``path`` looks like a model: a GGUF file, or a directory with a ``config.json`` or a GGUF file."""
    if path.is_dir():
        return (path / "config.json").is_file() or any(path.glob("*.gguf"))
    return path.suffix == ".gguf" and path.is_file()

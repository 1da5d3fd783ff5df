"""A real, tiny, untrained model in a directory answers; what cannot be loaded or does not fit is said."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk.errors import EvaluationError
from guardsdk.evaluation.cases import Case
from guardsdk.evaluation.opening import Options, open_target
from guardsdk.evaluation.targets import TargetError, question_of

if TYPE_CHECKING:
    from pathlib import Path

torch: Any = pytest.importorskip("torch", reason="the extra model is not installed")
transformers: Any = pytest.importorskip("transformers", reason="the extra model is not installed")

WORDS = ["<s>", "</s>", "<unk>", "User", "Assistant", ":", "how", "does", "bread", "rise", "yeast", "be", "kind", "?"]
TEMPLATE = "{% for m in messages %}{{ m['role'] }} : {{ m['content'] }} {% endfor %}Assistant :"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny"
    write_model(path)
    return path


def write_model(path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    base = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="<unk>"))  # noqa: S106  a token, no password
    base.pre_tokenizer = pre_tokenizers.Whitespace()
    tokens = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=base, **tokens).save_pretrained(path)
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=64,
        bos_token_id=0,
        eos_token_id=1,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(path)


def case(prompt: str) -> Case:
    return Case.model_validate({"prompt": prompt, "system": "be kind", "expectation": "comply"})


async def test_it_answers_and_says_the_same_again(directory: Path) -> None:
    target = open_target(str(directory), Options(max_tokens=6, batch=2))
    assert target is not None
    assert target.ref.model_dump() == {
        "kind": "model",
        "model": "tiny",
        "parameters": {"max_tokens": 6, "temperature": 0.0, "batch": 2},
    }
    questions = [question_of(case(text), 0) for text in ("how does bread rise ?", "yeast ?")]
    answers = await target.ask(questions)
    assert len(answers) == 2
    assert set(" ".join(answers).split()) <= set(WORDS)
    assert await target.ask(questions) == answers


def test_answers_kept_of_one_model_are_not_those_of_another_of_its_name(directory: Path, tmp_path: Path) -> None:
    other = tmp_path / "tiny"
    shutil.copytree(directory, other)
    weights = next(other.glob("*.safetensors"))

    def opened(path: Path) -> Any:
        return open_target(str(path), Options())

    first = opened(other)
    assert opened(directory).ref == first.ref
    assert len({opened(directory).origin, first.origin}) == 2
    assert opened(other).origin == first.origin
    os.utime(weights, ns=(0, 1))  # the next one, saved over it
    assert opened(other).origin != first.origin


async def test_sampling_follows_the_seed(directory: Path) -> None:
    target = open_target(str(directory), Options(max_tokens=12, temperature=2.0))
    assert target is not None
    first, other = question_of(case("bread ?"), 1), question_of(case("bread ?"), 2)
    assert await target.ask([first]) == await target.ask([first])
    assert await target.ask([first]) != await target.ask([other])


async def test_its_own_template_is_used_where_it_brings_one(directory: Path) -> None:
    target: Any = open_target(str(directory), Options(max_tokens=4))
    question = question_of(case("bread ?"), 0)
    assert target._prompted(question) == "<s>System: be kind\n\nUser: bread ?\n\nAssistant:"
    target._tokenizer.chat_template = TEMPLATE
    assert target._prompted(question) == "system : be kind user : bread ? Assistant :"


async def test_a_prompt_longer_than_the_model_is_an_error_and_not_cut(directory: Path) -> None:
    target = open_target(str(directory), Options(max_tokens=32))
    assert target is not None
    with pytest.raises(TargetError, match="do not fit into the model's 64") as caught:
        await target.ask([question_of(case("bread " * 40), 0)])
    assert not caught.value.again


def test_weights_that_were_copied_in_part_are_refused(directory: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn"
    shutil.copytree(directory, torn)
    weights = next(torn.glob("*.safetensors"))
    for size in (weights.stat().st_size // 2, 0):
        os.truncate(weights, size)
        with pytest.raises(EvaluationError, match="cannot load a causal language model"):
            open_target(str(torn), Options())


def test_a_directory_that_holds_no_language_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(EvaluationError, match="cannot load a causal language model"):
        open_target(str(tmp_path), Options())
    for name in ("one.gguf", "two.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    (tmp_path / "config.json").unlink()
    with pytest.raises(EvaluationError, match="several GGUF files"):
        open_target(str(tmp_path), Options())

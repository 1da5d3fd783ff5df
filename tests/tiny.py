"""Small but real models, made on the spot: a WordPiece tokenizer and an ONNX graph that knows a handful of words.

The graph answers like the shipped one: a label's logit is that of its strongest token, its attention is on that token.
"""

from __future__ import annotations

import hashlib
import json
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import tokenizers
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[unused0]", "[unused1]", "[unused2]"]
LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]
WORDS = ["filler", "attack", "insult", "please", "the", "sure", "question", ".", ","]
VOCABULARY = [*SPECIAL, *LETTERS, *[f"##{letter}" for letter in LETTERS], *WORDS]
IDS = {word: number for number, word in enumerate(VOCABULARY)}
LABELS = {"prompt_injection": "attack", "toxicity": "insult"}
STRONG, WEAK = 4.0, -4.0


def rambling(words: int, seed: int = 0) -> str:
    """Return so many harmless words that hardly two windows of them are alike: equal ones are scored once."""
    return " ".join(random.Random(seed).choices(["filler", "please", "the", ",", *LETTERS], k=words))


def write_tokenizer(path: Path, *, truncate: bool = False) -> None:
    """Write a BERT-style ``tokenizer.json``, on request one that truncates and pads as exports often do."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocab=IDS, unk_token="[UNK]"))  # noqa: S106  a token, no password
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", IDS["[CLS]"]), ("[SEP]", IDS["[SEP]"])]
    )
    tokenizer.add_special_tokens(SPECIAL[:4])
    if truncate:
        tokenizer.enable_truncation(8)
        tokenizer.enable_padding(length=8)
    tokenizer.save(str(path))


def write_graph(
    path: Path,
    *,
    inputs: Sequence[str] = ("input_ids", "attention_mask", "token_type_ids"),
    integer: int = TensorProto.INT64,
    attention: bool = True,
    strong: float = STRONG,
    dilution: float = 0.0,
) -> None:
    """Write a graph with the interface of the shipped one, or one that tells less.

    Every token of a row takes ``dilution`` off its logits: what stands in the midst of much else is heard less.
    """
    weights = np.full((len(VOCABULARY), len(LABELS)), WEAK, dtype=np.float32)
    for column, word in enumerate(LABELS.values()):
        weights[IDS[word], column] = strong
    features = np.eye(len(VOCABULARY), 8, dtype=np.float32)
    constants = {
        "weights": weights,
        "features": features,
        "low": np.float32(-1e4),
        "one": np.float32(1.0),
        "last": np.array([-1], dtype=np.int64),
        "first": np.array([1], dtype=np.int64),
        "dilution": np.float32(dilution),
    }
    nodes = [
        helper.make_node("Gather", ["weights", "input_ids"], ["found"]),
        helper.make_node("Transpose", ["found"], ["by_label"], perm=[0, 2, 1]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["one", "mask"], ["padding"]),
        helper.make_node("Mul", ["padding", "low"], ["bias"]),
        helper.make_node("Unsqueeze", ["bias", "first"], ["bias_by_label"]),
        helper.make_node("Add", ["by_label", "bias_by_label"], ["scored"]),
        helper.make_node("ReduceMax", ["scored", "last"], ["highest"], keepdims=0),
        helper.make_node("ReduceSum", ["mask", "first"], ["length"], keepdims=1),
        helper.make_node("Mul", ["length", "dilution"], ["drowned"]),
        helper.make_node("Sub", ["highest", "drowned"], ["logits"]),
    ]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["rows", len(LABELS)])]
    if attention:
        nodes += [
            helper.make_node("Softmax", ["scored"], ["attention"], axis=-1),
            helper.make_node("Gather", ["features", "input_ids"], ["vectors"]),
            helper.make_node("ReduceSum", ["vectors", "first"], ["summed"], keepdims=0),
            helper.make_node("LpNormalization", ["summed"], ["embedding"], axis=-1, p=2),
        ]
        outputs += [
            helper.make_tensor_value_info("attention", TensorProto.FLOAT, ["rows", len(LABELS), "tokens"]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["rows", 8]),
        ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, integer, ["rows", "tokens"]) for name in inputs],
        outputs,
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


EARLY = {"attack": STRONG, "question": 0.0, "insult": STRONG, "sure": 0.0}
"""Words that the lower half of a model in two halves does not clear, and what it thinks of them."""
_EARLY_OF_TOXICITY = ("insult", "sure")


def write_halves(directory: Path, early: Mapping[str, float] = EARLY) -> None:
    """Write the graph in ``directory`` once more in two halves; the lower one is WEAK on all words but ``early``."""
    whole = onnx.load(str(directory / "model.onnx"))
    weights = next(one for one in whole.graph.initializer if one.name == "weights")
    heard = np.full_like(numpy_helper.to_array(weights), WEAK)
    for word, logit in early.items():
        heard[IDS[word], int(word in _EARLY_OF_TOXICITY)] = logit

    def states() -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info("states", TensorProto.FLOAT, ["rows", "tokens", len(LABELS)])

    lower, upper = onnx.ModelProto(), onnx.ModelProto()
    lower.CopyFrom(whole)
    next(one for one in lower.graph.initializer if one.name == "weights").CopyFrom(
        numpy_helper.from_array(heard, "weights")
    )
    lower.graph.initializer.append(numpy_helper.from_array(numpy_helper.to_array(weights), "whole"))
    lower.graph.node.append(helper.make_node("Gather", ["whole", "input_ids"], ["states"]))
    lower.graph.output.append(states())
    upper.CopyFrom(whole)
    kept = [one for one in whole.graph.node if one.output[0] not in {"found", "vectors", "summed", "embedding"}]
    for name, items in (
        ("node", kept),
        ("input", [states(), *(one for one in whole.graph.input if one.name == "attention_mask")]),
        ("output", [one for one in whole.graph.output if one.name != "embedding"]),
    ):
        upper.graph.ClearField(name)
        getattr(upper.graph, name).extend(items)
    upper.graph.node[0].input[0] = "states"
    for model, name in ((lower, "model_early.onnx"), (upper, "model_late.onnx")):
        onnx.checker.check_model(model)
        onnx.save(model, str(directory / name))


def early_exit(**changes: Any) -> dict[str, Any]:
    """Return what a manifest says of the halves that ``write_halves`` wrote."""
    bound = {"slope": 2.0, "intercept": -1.0, "clear_below": -3.0}
    stages = {"input": LABELS, "tool": ["prompt_injection"], "output": ["toxicity"]}
    return {
        "graph": "model_early.onnx",
        "rest": "model_late.onnx",
        "layers": 1,
        "of": 2,
        "stages": {stage: dict.fromkeys(labels, bound) for stage, labels in stages.items()},
        **changes,
    }


def write_early(directory: Path, early: Mapping[str, float] = EARLY, **changes: Any) -> Path:
    """Write a whole model directory whose lower half clears all but ``early``; ``changes`` are the manifest's."""
    write_model(directory, cuda=True)
    write_halves(directory, early)
    graphs = {"cpu": "model.onnx", "cuda": "model_cuda.onnx"}
    write_manifest(directory, **{"graphs": graphs, "early_exit": early_exit(), **changes})
    return directory


def write_manifest(directory: Path, **changes: Any) -> dict[str, Any]:
    """Write ``manifest.json`` for what lies in ``directory``; ``changes`` replace whole keys. Returns its content."""
    names = [path.name for path in sorted(directory.iterdir()) if path.name != "manifest.json"]
    point = {"calibration": {"slope": 1.0, "intercept": 0.0}, "threshold": 0.5, "fpr": 0.01}
    stages = {"prompt_injection": ["input", "tool"], "toxicity": ["input", "output"]}
    content = {
        "name": "tiny",
        "version": "1.0.0",
        "created": "2026-01-01",
        "base_model": "none",
        "licence": "Apache-2.0",
        "graphs": {"cpu": "model.onnx"},
        "files": {
            name: {
                "sha256": hashlib.sha256((directory / name).read_bytes()).hexdigest(),
                "size": (directory / name).stat().st_size,
            }
            for name in names
        },
        "labels": [
            {"name": label, "definition": label, "stages": dict.fromkeys(stages[label], point)} for label in LABELS
        ],
        "max_tokens": 24,
        "overlap_tokens": 4,
        "context_tokens": 8,
        "stage_tokens": {stage: IDS[f"[unused{at}]"] for at, stage in enumerate(("input", "tool", "output"))},
        **changes,
    }
    (directory / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
    return content


def write_model(directory: Path, *, cuda: bool = False, **graph: Any) -> Path:
    """Write a whole model directory in the project's own layout, on request with a second graph for CUDA."""
    directory.mkdir(parents=True, exist_ok=True)
    write_graph(directory / "model.onnx", **graph)
    write_tokenizer(directory / "tokenizer.json")
    graphs = {"cpu": "model.onnx"}
    if cuda:
        write_graph(directory / "model_cuda.onnx", **graph)
        graphs["cuda"] = "model_cuda.onnx"
    write_manifest(directory, graphs=graphs)
    return directory


def write_export(directory: Path, config: dict[str, Any], **graph: Any) -> Path:
    """Write a model directory as other tools export it: ``config.json``, ``tokenizer.json``, ``model.onnx``."""
    directory.mkdir(parents=True, exist_ok=True)
    write_graph(directory / "model.onnx", attention=False, **graph)
    write_tokenizer(directory / "tokenizer.json", truncate=True)
    (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return directory

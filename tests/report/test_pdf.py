"""A printed report: its charts drawn, its masked values masked; no Chromium is said in words."""

from __future__ import annotations

import re
import shutil
import zlib
from pathlib import Path

import pytest

from toolkit.errors import InputError, RunError
from toolkit.report.pdf import print_pdf
from toolkit.report.verify import verify_report


def test_a_report_is_printed_and_stays_whole(demo: Path, tmp_path: Path) -> None:
    shutil.copytree(demo, tmp_path / "demo")
    printed = print_pdf(tmp_path / "demo").read_bytes()
    assert printed.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 3
    assert b"/URI" not in printed  # nothing on paper leads to an address
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", printed, flags=re.DOTALL)
    drawn = sum(zlib.decompressobj().decompress(s).count(b" re\n") for s in streams if s[:1] == b"x")
    assert drawn > 200  # bars and cells of the charts
    assert verify_report(tmp_path / "demo").is_empty()


def test_what_is_missing_is_said(demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("TOOLKIT_CHROMIUM", raising=False)
    with pytest.raises(InputError, match="apt-get install chromium"):
        print_pdf(demo)
    monkeypatch.setenv("TOOLKIT_CHROMIUM", str(tmp_path / "none"))
    with pytest.raises(RunError, match="did not print"):
        print_pdf(demo)

"""A report on paper: the page as Chromium prints it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from toolkit.errors import InputError, RunError, visible

__all__ = ["find_chromium", "print_pdf"]

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_WAIT_MS: Final = 20_000
"""Time of the page's own clock in which its charts are drawn."""


def find_chromium() -> str | None:
    """Find a Chromium: the one that ``TOOLKIT_CHROMIUM`` names, or one on the path.

    Examples
    --------
    >>> isinstance(find_chromium(), (str, type(None)))
    True
    """
    named = os.environ.get("TOOLKIT_CHROMIUM", "")
    return named or next((found for name in _NAMES if (found := shutil.which(name))), None)


def print_pdf(folder: str | Path, *, timeout_s: int = 180) -> Path:
    """Print the page of a report into ``report.pdf`` beside it.

    The page's own rules for print hold: masked values stay masked, code stays folded. Chromium writes the time into
    the file, so its bytes are not those of another print, and the manifest does not speak of it.

    Parameters
    ----------
    folder : str or path
        Of the report.
    timeout_s : int
        Seconds it may take.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputError
        If there is no report, or no Chromium.
    RunError
        If Chromium prints nothing.

    Examples
    --------
    >>> print_pdf("no/report")
    Traceback (most recent call last):
    toolkit.errors.InputError: no report.html in report: give the folder of a report
    """
    page = Path(folder).resolve() / "report.html"
    if not page.is_file():
        raise InputError(f"no report.html in {visible(page.parent.name)}: give the folder of a report")
    chromium = find_chromium()
    if chromium is None:
        raise InputError(
            "no Chromium to print with: install one (apt-get install chromium), or set TOOLKIT_CHROMIUM to it; the page"
            " itself prints from any browser"
        )
    with tempfile.TemporaryDirectory(prefix="tk-print-") as place:
        printed = Path(place) / "report.pdf"
        command = [
            chromium, "--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--disable-extensions", f"--user-data-dir={place}/profile",
            f"--virtual-time-budget={_WAIT_MS}", "--no-pdf-header-footer", f"--print-to-pdf={printed}",
            *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),  # root has none to use
            page.as_uri(),
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, timeout=timeout_s, check=False)  # noqa: S603 - no shell, our own file
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RunError(f"Chromium did not print the page: {visible(error, 200)}") from None
        if not printed.is_file() or not printed.read_bytes().startswith(b"%PDF"):
            raise RunError(
                f"Chromium did not print the page: {visible(done.stderr.decode(errors='replace')[-300:], 300)}"
            )
        target = page.parent / "report.pdf"
        shutil.copyfile(printed, target)
    return target

"""Every notebook runs from top to bottom."""

from __future__ import annotations

from pathlib import Path

import papermill
import pytest

from toolkit.resources import bundled


@pytest.mark.parametrize("path", sorted(bundled("notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_the_notebook_runs(path: Path, tmp_path: Path) -> None:
    """No cell fails, on the bundled sample."""
    done = papermill.execute_notebook(
        str(path), str(tmp_path / "done.ipynb"), kernel_name="python3", progress_bar=False
    )
    assert all(cell["execution_count"] for cell in done.cells if cell["cell_type"] == "code")

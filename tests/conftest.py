"""Where the real data are; and hypothesis without a stopwatch, because a busy machine is not a wrong answer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("toolkit", deadline=None)
settings.load_profile("toolkit")

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data, or a skip that says where it was looked for."""
    folder = Path(os.environ.get("TOOLKIT_REAL_DATA", CHECKOUT / ".." / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: set TOOLKIT_REAL_DATA, or put them in {folder}")
    return folder

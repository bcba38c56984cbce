"""The worlds that the tests look at, generated once."""

from __future__ import annotations

import pytest

from toolkit.sources.samples import World, generate_world


@pytest.fixture(scope="session")
def tiny() -> World:
    return generate_world("tiny", seed=0)


@pytest.fixture(scope="session")
def std() -> World:
    return generate_world("std", seed=0)

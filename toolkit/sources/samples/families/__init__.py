"""Further families of SYNTHETIC worlds, each of another structure and on other ground than the first generator's.

A method that is judged on one generator learns that generator. These were written apart from any method. ``part`` is
the grammar (who held what from when to when); ``ground``, ``people``, ``places`` and ``lies`` are the innocent world;
``ring`` is what rings have in common, ``books`` the tables, ``build`` one world; then there is one file per family.
"""

from __future__ import annotations

from typing import Final

from toolkit.errors import InputError, UnknownNameError, visible
from toolkit.sources.samples.families import adaptive, blend, chains, crews, holdout, pools, tinies, undeclared
from toolkit.sources.samples.families.build import FamilyWorld, build_family
from toolkit.sources.samples.families.describe import describe_family
from toolkit.sources.samples.plan import MAX_SEED

__all__ = ["ABOUT", "FAMILIES", "FamilyWorld", "describe_family", "generate_family"]

_FAMILIES: Final = {
    module.FAMILY.name: module.FAMILY for module in (pools, chains, crews, adaptive, tinies, undeclared, blend, holdout)
}
FAMILIES: Final[tuple[str, ...]] = tuple(_FAMILIES)
"""The names of the families."""
ABOUT: Final[dict[str, str]] = {name: family.about for name, family in _FAMILIES.items()}
"""What each is about, as the README of its worlds says."""


def generate_family(name: str, size: str = "std", seed: int = 0) -> FamilyWorld:
    """Generate a SYNTHETIC world of a family: same name, size and seed, same bytes.

    Parameters
    ----------
    name
        One of :data:`FAMILIES`.
    size
        ``std`` (6,000 to 10,000 accounts) or ``tiny`` (about 1,200).
    seed
        A whole number; another seed, another world.

    Returns
    -------
    FamilyWorld
        A :class:`World` that also knows its family and the mapping of its own tables.

    Raises
    ------
    UnknownNameError
        There is no such family.
    InputError
        An unknown size, or a seed that is not a whole number.

    Examples
    --------
    >>> world = generate_family("pools", "tiny", seed=0)
    >>> sorted(world.tables), world.truth["membership"]["role"].unique().sort().to_list()
    (['accounts', 'auth_events', 'content', 'payments', 'requests'], ['bystander', 'member', 'victim'])
    """
    if name not in _FAMILIES:
        raise UnknownNameError("family", name, FAMILIES)
    if size not in ("tiny", "std"):
        raise InputError(f"size of a family must be tiny or std; found {visible(size)!r}")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
        raise InputError(f"seed must be a whole number from 0 to {MAX_SEED}; found {seed!r}")
    return build_family(_FAMILIES[name], size, seed)

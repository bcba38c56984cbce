"""SYNTHETIC samples: a company's tables with rings planted in them, the truth apart, and a scorer.

The generator reads in this order: ``plan`` (head-counts, knobs), ``internet`` and ``texts`` (the stage), ``crowd`` and
``neighbours`` (the innocent), ``scene``, ``farms``, ``crews``, ``machines``, ``returns``, ``contagion`` (the rings),
``poison`` (identifiers that lie), ``logs``, ``books``, ``verdicts`` (what a company would hold), ``answers`` (the
truth), ``world`` and ``write``. Only ``score`` reads the truth back. ``families`` holds further worlds, of other
structures on other ground.
"""

from toolkit.sources.samples.describe import describe_world
from toolkit.sources.samples.families import FAMILIES, generate_family
from toolkit.sources.samples.world import World, generate_world
from toolkit.sources.samples.write import write_family, write_sample

__all__ = ["FAMILIES", "World", "describe_world", "generate_family", "generate_world", "write_family", "write_sample"]

"""The investigation toolkit: from a few seed accounts to the ring, the timeline, the actions and the report.

>>> import toolkit as tk
>>> sorted(name for name in dir(tk) if name.startswith("read_"))
['read_data', 'read_mapping']

Names load on first use: importing the toolkit reads no settings, touches no network and draws in no heavy library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_ROOMS = {
    "toolkit.errors": ("ToolkitError",),
    "toolkit.model.case": ("Action", "Case", "Finding"),
    "toolkit.model.confidence": ("Confidence", "Level", "Likelihood", "Rung"),
    "toolkit.settings": ("KINDS", "Kind"),
    "toolkit.sources.mapping": ("read_mapping",),
    "toolkit.sources.read": ("read_data",),
    "toolkit.sources.sql": ("open_database", "query"),
    "toolkit.linking.observations": ("find_observations",),
    "toolkit.linking.score": ("link_accounts",),
    "toolkit.linking.hubs": ("find_hubs",),
    "toolkit.linking.clusters": ("cluster_accounts",),
    "toolkit.linking.network": ("build_network",),
    "toolkit.linking.match": ("match_clusters",),
    "toolkit.linking.expand": ("expand_from_seeds",),
    "toolkit.linking.explain": ("explain_link",),
    "toolkit.linking.recommend": ("propose_actions",),
    "toolkit.timeline.build": ("build_timeline",),
    "toolkit.timeline.quality": ("find_quality_issues",),
    "toolkit.timeline.sessions": ("find_sessions",),
    "toolkit.timeline.synchrony": ("find_synchrony", "weigh_synchrony"),
    "toolkit.timeline.bursts": ("find_bursts",),
    "toolkit.timeline.phases": ("find_phases", "time_to_phase"),
    "toolkit.timeline.sequence": ("Step", "find_sequences"),
    "toolkit.timeline.hours": ("find_active_hours",),
    "toolkit.timeline.automation": ("find_automation",),
    "toolkit.timeline.changepoints": ("find_changepoints",),
    "toolkit.timeline.waves": ("find_waves",),
    "toolkit.timeline.paths": ("find_paths",),
    "toolkit.timeline.clocks": ("apply_offset", "check_causality", "measure_offset"),
    "toolkit.timeline.arrival": ("as_of", "report_lateness"),
    "toolkit.timeline.gaps": ("find_gaps", "is_known"),
    "toolkit.timeline.diff": ("diff_timelines",),
    "toolkit.timeline.around": ("explain_window", "show_around"),
    "toolkit.timeline.effect": ("measure_effect",),
    "toolkit.timeline.story": ("annotate", "find_key_events", "tell_story"),
    "toolkit.graph.build": ("build_graph",),
    "toolkit.report.run": ("run_report",),
    "toolkit.report.templates": ("find_templates",),
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "KINDS",
    "Action",
    "Case",
    "Confidence",
    "Finding",
    "Kind",
    "Level",
    "Likelihood",
    "Rung",
    "Step",
    "ToolkitError",
    "annotate",
    "apply_offset",
    "as_of",
    "build_graph",
    "build_network",
    "build_timeline",
    "check_causality",
    "cluster_accounts",
    "diff_timelines",
    "expand_from_seeds",
    "explain_link",
    "explain_window",
    "find_active_hours",
    "find_automation",
    "find_bursts",
    "find_changepoints",
    "find_gaps",
    "find_hubs",
    "find_key_events",
    "find_observations",
    "find_paths",
    "find_phases",
    "find_quality_issues",
    "find_sequences",
    "find_sessions",
    "find_synchrony",
    "find_templates",
    "find_waves",
    "is_known",
    "link_accounts",
    "match_clusters",
    "measure_effect",
    "measure_offset",
    "open_database",
    "propose_actions",
    "query",
    "read_data",
    "read_mapping",
    "report_lateness",
    "run_report",
    "show_around",
    "tell_story",
    "time_to_phase",
    "weigh_synchrony",
]

if TYPE_CHECKING:
    from toolkit.errors import ToolkitError
    from toolkit.graph.build import build_graph
    from toolkit.linking.clusters import cluster_accounts
    from toolkit.linking.expand import expand_from_seeds
    from toolkit.linking.explain import explain_link
    from toolkit.linking.hubs import find_hubs
    from toolkit.linking.match import match_clusters
    from toolkit.linking.network import build_network
    from toolkit.linking.observations import find_observations
    from toolkit.linking.recommend import propose_actions
    from toolkit.linking.score import link_accounts
    from toolkit.model.case import Action, Case, Finding
    from toolkit.model.confidence import Confidence, Level, Likelihood, Rung
    from toolkit.report.run import run_report
    from toolkit.report.templates import find_templates
    from toolkit.settings import KINDS, Kind
    from toolkit.sources.mapping import read_mapping
    from toolkit.sources.read import read_data
    from toolkit.sources.sql import open_database, query
    from toolkit.timeline.around import explain_window, show_around
    from toolkit.timeline.arrival import as_of, report_lateness
    from toolkit.timeline.automation import find_automation
    from toolkit.timeline.build import build_timeline
    from toolkit.timeline.bursts import find_bursts
    from toolkit.timeline.changepoints import find_changepoints
    from toolkit.timeline.clocks import apply_offset, check_causality, measure_offset
    from toolkit.timeline.diff import diff_timelines
    from toolkit.timeline.effect import measure_effect
    from toolkit.timeline.gaps import find_gaps, is_known
    from toolkit.timeline.hours import find_active_hours
    from toolkit.timeline.paths import find_paths
    from toolkit.timeline.phases import find_phases, time_to_phase
    from toolkit.timeline.quality import find_quality_issues
    from toolkit.timeline.sequence import Step, find_sequences
    from toolkit.timeline.sessions import find_sessions
    from toolkit.timeline.story import annotate, find_key_events, tell_story
    from toolkit.timeline.synchrony import find_synchrony, weigh_synchrony
    from toolkit.timeline.waves import find_waves


def __getattr__(name: str) -> Any:
    """Load a public name from its room."""
    if name not in _HOME:
        import difflib

        close = difflib.get_close_matches(name, __all__, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise AttributeError(f"module 'toolkit' has no attribute {name!r}{hint}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def _guard_notebook() -> None:
    """In a live notebook, show charts and query plans so that no value in them can run; elsewhere, nothing happens."""
    import sys

    if (ipython := sys.modules.get("IPython")) is not None and (shell := ipython.get_ipython()) is not None:
        from toolkit.views.notebook import register

        register(shell)


_guard_notebook()

"""The network in a live notebook: what is selected on the screen is selected in Python, and the other way round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from toolkit.errors import UnknownNameError
from toolkit.graph.select import list_nodes
from toolkit.model.case import Pivot
from toolkit.model.pivots import keep_pivot
from toolkit.views.names import Names
from toolkit.views.network import NetworkPicture, draw_network
from toolkit.widgets.again import take_over
from toolkit.widgets.trail import Name, Step, Trail

if TYPE_CHECKING:
    import networkx as nx
    import polars as pl

__all__ = ["GraphView"]


class GraphView(anywidget.AnyWidget):
    """An explorable network.

    Parameters
    ----------
    graph : networkx.Graph
        As :func:`toolkit.build_graph` returns it.
    roles, hubs, names, most_nodes, seed
        As for :func:`toolkit.views.network.draw_network`.
    name : str
        What the network is called in the code.

    Attributes
    ----------
    selection, hidden, pinned : list of str
        Keys of nodes ("account:a"); each can be set from Python, and follows what a reader does.
    accounts : list of str
        Ids of the selected accounts, sorted. Set from outside, those of them that are in the network are selected.
    rows : polars.DataFrame
        The selected nodes: ``type``, ``label``, ``degree``.
    code : str
        A cell that gives the same rows.
    picture : NetworkPicture
        What is drawn, as a table and in words.

    Raises
    ------
    InputError
        If there is nothing to draw.

    Examples
    --------
    >>> import networkx as nx
    >>> g = nx.Graph()
    >>> for name in "ab":
    ...     g.add_node(f"account:{name}", type="account", label=name)
    >>> g.add_node("ip:x", type="ip", label="x")
    >>> g.add_edges_from([("account:a", "ip:x"), ("account:b", "ip:x")])
    >>> view = GraphView(g)
    >>> view.select(["a"])
    >>> view.grow(hops=2)
    >>> view.accounts
    ['a', 'b']
    """

    _esm = (files("toolkit.views") / "assets" / "graph-widget.min.js").read_text(encoding="utf-8")
    data = traitlets.Dict().tag(sync=True)
    selection = traitlets.List(traitlets.Unicode()).tag(sync=True)
    hidden = traitlets.List(traitlets.Unicode()).tag(sync=True)
    pinned = traitlets.List(traitlets.Unicode()).tag(sync=True)
    accounts = traitlets.List(traitlets.Unicode())
    code = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        graph: nx.Graph[str],
        *,
        roles: Mapping[str, str] | None = None,
        hubs: Iterable[tuple[str, str]] = (),
        names: Names | None = None,
        most_nodes: int = 2_000,
        seed: int = 0,
        name: str = "graph",
    ) -> None:
        super().__init__()
        self._graph, self._name, self._leading = graph, name, False
        self._asked = {
            "roles": dict(roles or {}),
            "hubs": list(hubs),
            "names": names,
            "most_nodes": most_nodes,
            "seed": seed,
        }
        self._opened: list[str] = []
        self._draw()
        self._lead(None)
        self.on_msg(lambda _, content, __: self.open_cluster(str(content["open"])) if "open" in content else None)
        take_over(self)

    def _draw(self) -> None:
        self.picture: NetworkPicture = draw_network(self._graph, opened=self._opened, **self._asked)  # type: ignore[arg-type]  # kept as they were given
        self.data = self.picture.data

    @traitlets.observe("selection")
    def _lead(self, _: object) -> None:
        trail = Trail((self._name,))
        trail.add(Step("toolkit.graph.select.list_nodes", {"graph": Name(self._name), "nodes": self._in_network()}))
        self.code = trail.code
        if not self._leading:
            self._leading = True
            self.accounts = sorted(key.removeprefix("account:") for key in self.selection if key.startswith("account:"))
            self._leading = False

    @traitlets.observe("accounts")
    def _follow(self, _: object) -> None:
        if not self._leading:
            self._leading = True
            self.selection = [key for key in (f"account:{account}" for account in self.accounts) if key in self._graph]
            self._leading = False

    def _in_network(self) -> list[str]:
        """What is selected, without folded clusters and without values that a reader sees as numbers."""
        return sorted(key for key in self.selection if key in self._graph)

    @property
    def rows(self) -> pl.DataFrame:
        """The selected nodes."""
        return list_nodes(self._graph, self._in_network())

    @property
    def table(self) -> pl.DataFrame:
        """The nodes, as :class:`~toolkit.views.network.NetworkPicture` lists them."""
        return self.picture.table

    def select(self, accounts: Iterable[str]) -> None:
        """Select accounts by their ids.

        Raises
        ------
        UnknownNameError
            If an account is not in the network.
        """
        keys = [f"account:{account}" for account in accounts]
        there = set(self._graph)
        for key in keys:
            if key not in there:
                known = sorted(node.removeprefix("account:") for node in there if node.startswith("account:"))
                raise UnknownNameError("account in the network", key.removeprefix("account:"), known)
        self.selection = keys

    def grow(self, hops: int = 1) -> None:
        """Select the neighbours of what is selected too, but for what is hidden."""
        place = dict(zip(self.data["nodes"]["key"], range(len(self.data["nodes"]["key"])), strict=True))
        edges = self.data["edges"]
        chosen = {place[key] for key in self.selection if key in place}
        hidden = {place[key] for key in self.hidden if key in place}
        for _ in range(hops):
            pairs = list(zip(edges["a"], edges["b"], strict=True))
            more = {b for a, b in pairs if a in chosen} | {a for a, b in pairs if b in chosen}
            chosen |= more - hidden
        self.selection = [self.data["nodes"]["key"][i] for i in sorted(chosen)]

    def isolate(self) -> None:
        """Hide everything but what is selected."""
        kept = set(self.selection)
        self.hidden = [key for key in self.data["nodes"]["key"] if key not in kept]

    def hide(self) -> None:
        """Hide what is selected."""
        self.hidden = sorted({*self.hidden, *self.selection})
        self.selection = []

    def show_all(self) -> None:
        """Show everything again."""
        self.hidden = []

    def open_cluster(self, cluster: str) -> None:
        """Bring the inside of a folded cluster ("cluster:C1") into the picture."""
        if cluster in self.data["nodes"]["key"] and cluster not in self._opened:
            self._opened.append(cluster)
            self._draw()

    def keep(self, folder: str | Path, note: str = "", *, analyst: str = "") -> Pivot:
        """Keep in a case what is selected; as :meth:`toolkit.widgets.panel.Panel.keep`."""
        return keep_pivot(Path(folder), self.rows, self.code, widget="GraphView", note=note, analyst=analyst)

    def resume(self, earlier: GraphView) -> None:
        """Select, hide, pin and open what was selected, hidden, pinned and open, where it is still in the picture."""
        for cluster in earlier._opened:
            self.open_cluster(cluster)
        there = set(self.data["nodes"]["key"])
        for name in ("hidden", "pinned", "selection"):
            setattr(self, name, [key for key in getattr(earlier, name) if key in there])

    def _repr_mimebundle_(self, **more: Any) -> Any:
        """Give the widget, and the still picture for whoever opens the notebook without its kernel."""
        bundle = super()._repr_mimebundle_(**more)
        data, meta = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        return {**self.picture._repr_mimebundle_(), **data}, meta

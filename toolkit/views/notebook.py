"""What a live notebook shows of things that are not ours: charts and query plans, through the escape gate.

Altair's own output is a script with the data pasted in, and polars' plans are markup with the text of filters in it: a
value like ``</script><script>`` runs there (measured). polars' frames are escaped, but JupyterLab typesets what stands
between two dollar signs. In a notebook that has imported the toolkit, charts go out as
the Vega-Lite MIME type, which JupyterLab draws itself, plans as escaped text, and frames as they are.
"""

from __future__ import annotations

from typing import Any

from toolkit.errors import visible
from toolkit.views.blocks import CHART_MIME, for_notebook
from toolkit.views.safe import UnsafeChartError, escape, lint_spec, no_math

__all__ = ["register"]

_CHARTS = tuple(f"altair.vegalite.v{n}.api" for n in (5, 6))
_FRAMES = (("polars.dataframe.frame", "DataFrame"), ("polars.series.series", "Series"))
_PLANS = (("polars.lazyframe.frame", "LazyFrame"), ("polars.expr.expr", "Expr"))


def register(shell: Any) -> None:
    """Put safe formatters into an IPython shell; twice is once.

    Parameters
    ----------
    shell : IPython.core.interactiveshell.InteractiveShell

    Examples
    --------
    >>> from IPython.core.interactiveshell import InteractiveShell
    >>> shell = InteractiveShell()
    >>> register(shell)
    >>> import polars as pl
    >>> data, _ = shell.display_formatter.format(pl.col("a") == "<script>x</script>")
    >>> "<script>" in data["text/html"]
    False
    """
    formatter = shell.display_formatter
    for room in _CHARTS:
        formatter.mimebundle_formatter.for_type_by_name(room, "TopLevelMixin", format_chart)
    for room, name in _PLANS:
        formatter.formatters["text/html"].for_type_by_name(room, name, format_plan)
    for room, name in _FRAMES:
        formatter.formatters["text/html"].for_type_by_name(room, name, format_frame)


def format_chart(chart: Any, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give a chart as data; one that would fetch or link is told about instead.

    Examples
    --------
    >>> import altair as alt
    >>> data, _ = format_chart(alt.Chart(alt.Data(values=[{"a": "</script>"}])).mark_bar().encode(x="a:N"))
    >>> sorted(data)
    ['application/vnd.vegalite.v5+json', 'text/plain']
    >>> format_chart(alt.Chart("https://evil.example/x.json").mark_bar())[0]["text/plain"]
    'Not drawn: this chart is not safe to draw: data.url: not allowed'
    """
    del include, exclude  # the notebook's protocol; a chart always gives both its forms
    try:
        spec = lint_spec(chart.to_dict(), expressions=True)
    except UnsafeChartError as error:
        return {"text/plain": f"Not drawn: {error}"}, {}
    spec.pop("usermeta", None)
    said = visible(str(spec.get("description") or "chart"), 300)
    return {CHART_MIME: for_notebook(spec), "text/plain": f"[{said}]"}, {}


def format_frame(frame: Any) -> str:
    """Give a frame as polars does, which escapes it; what stands between dollar signs stays text."""
    return no_math(frame._repr_html_())


def format_plan(plan: Any) -> str:
    """Give a query plan, or an expression, as escaped text."""
    return f"<pre>{escape(visible(str(plan), 4_000), 6_000)}</pre>"

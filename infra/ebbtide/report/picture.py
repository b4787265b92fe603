"""The charts of a report as a picture, for a chat or a slide. Needs matplotlib, which is not installed by default."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from ebbtide.judgement.findings import refused
from ebbtide.report.model import Chart, Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#0969da", "#bc4c00", "#1a7f37", "#8250df", "#cf222e")
_LEAD_CHARACTERS = 150
_INCHES_WIDE, _INCHES_PER_CHART = 11.0, 2.4


def require_matplotlib(file: Path) -> None:
    """Raise SettingsError where matplotlib is missing."""
    try:
        import matplotlib.figure  # noqa: F401, PLC0415 - it is optional
    except ModuleNotFoundError:
        message = f"needs matplotlib to draw {file.name}"
        remedy = "run `pip install matplotlib`, or write an .html report, which needs nothing"
        raise refused("report", message, remedy, ("--report",)) from None


def write_picture(report: Report, file: Path) -> None:
    """Write a PNG. Raises SettingsError where matplotlib is missing."""
    require_matplotlib(file)
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - it is optional
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(_INCHES_WIDE, _INCHES_PER_CHART * len(report.charts) + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{report.title}\n{fill(report.lead, _LEAD_CHARACTERS)}", x=0.01, ha="left", fontsize=10)
    axes = figure.subplots(len(report.charts), 1, sharex=True, squeeze=False)
    for axis, chart in zip(axes[:, 0], report.charts, strict=True):
        _draw(axis, chart)
    axes[-1, 0].set_xlabel("hours since the beginning", fontsize=8)
    figure.savefig(file, dpi=110)


def _draw(axis: Axes, chart: Chart) -> None:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - it is optional

    axis.set_title(f"{chart.title} ({chart.unit})", loc="left", fontsize=9)
    axis.tick_params(labelsize=8)
    for index, series in enumerate(chart.series):
        hours = [seconds / 3600 for seconds, _ in series.points]
        values = [value for _, value in series.points]
        colour = _COLOURS[index % len(_COLOURS)]
        match series.kind:
            case "bar":
                axis.vlines(hours, 0, values, colors=colour, label=series.name, lw=1 if index else 4)
            case "step":
                axis.step(hours, values, where="post", color=colour, label=series.name, lw=1)
            case _:
                axis.plot(hours, values, color=colour, label=series.name, lw=1)
    for seconds, text in chart.marks:
        axis.axvline(seconds / 3600, color="grey", lw=0.5, ls=":")
        axis.annotate(text, (seconds / 3600, 1), xycoords=("data", "axes fraction"), fontsize=6, rotation=90, va="top")
    if all(value == int(value) for series in chart.series for _, value in series.points):
        axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlim(left=0)
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=8, loc="upper right")

"""The growth plot: seconds per tenant by number of tenants."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from bench.report import Row
from bench.sections.fleet import EACH, LOOP_EACH, MAJOR, TENANTS

_LINES = (("engine", EACH, "-"), ("loop of pg_dump (sampled)", LOOP_EACH, "--"))


def can_plot() -> bool:
    """Whether matplotlib is there, which nothing but the plot needs."""
    return find_spec("matplotlib") is not None


def plot_growth(rows: Sequence[Row], target: Path) -> None:
    """Write the plot of the fleet section's rows as SVG; only this needs matplotlib."""
    import matplotlib as mpl  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    mpl.use("svg")
    from matplotlib import pyplot  # noqa: PLC0415

    # Text as text, and the same file for the same figures.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "bench"})
    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    for major in sorted({int(str(row[MAJOR])) for row in rows}):
        own = sorted(
            (row for row in rows if row[MAJOR] == major), key=lambda row: int(str(row[TENANTS]))
        )
        tenants = [int(str(row[TENANTS])) for row in own]
        color = None
        for label, column, style in _LINES:
            (line,) = axes.plot(
                tenants,
                [float(str(row[column])) for row in own],
                style,
                color=color,
                marker="o",
                label=f"PostgreSQL {major}: {label}",
            )
            color = line.get_color()
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="tenants in the database",
        ylabel="seconds per tenant",
        title="Backing up all tenants",
    )
    counts = sorted({int(str(row[TENANTS])) for row in rows})
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.savefig(target, format="svg", metadata={"Date": None})
    pyplot.close(figure)

"""The plots of docs/performance.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt


def draw(rate: Any, rows: Any, folder: Path) -> None:
    """Write both plots."""
    figure, axes = plt.subplots(figsize=(8, 3))
    names = list(rate.shares)
    axes.barh(names, [100 * rate.shares[name] for name in names], color="#2a6f97")
    axes.axvline(97, color="#c1121f", linestyle="--", linewidth=1)
    axes.invert_yaxis()
    axes.set(xlabel="% of what is allowed", xlim=(0, 105))
    figure.tight_layout()
    figure.savefig(folder / "allowed-rate.png", dpi=110)
    figure, axes = plt.subplots(figsize=(5, 3))
    axes.plot(rows.sizes, rows.seconds, marker="o", color="#2a6f97", label="measured")
    axes.plot(
        rows.sizes,
        [rows.seconds[0] * size / rows.sizes[0] for size in rows.sizes],
        linestyle="--",
        color="#888888",
        label="linear",
    )
    axes.set(xlabel="rows", ylabel="seconds", title="Rows to bytes")
    axes.legend()
    figure.tight_layout()
    figure.savefig(folder / "growth.png", dpi=110)

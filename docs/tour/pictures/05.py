"""The error of a central difference against its step: a V."""
from matplotlib.figure import Figure


def draw(cells: dict) -> Figure:
    steps, errors = cells["steps"], cells["errors"]
    axes = (figure := Figure(figsize=(7.2, 3.6))).add_subplot()
    axes.loglog(steps, errors, "o-", color="#4a6fa5", markersize=3.5, linewidth=1)
    axes.loglog(steps[steps > 1e-6], steps[steps > 1e-6] ** 2 / 6, "--", color="#b03a2e", linewidth=1)
    axes.loglog(steps[steps < 1e-4], 2.0 ** -53 / steps[steps < 1e-4], "--", color="#b03a2e", linewidth=1)
    axes.text(2e-2, 4e-7, "truncation\n$h^2/6$", color="#b03a2e", va="center")
    axes.text(3e-10, 1e-3, "rounding\n$2^{-53}/h$", color="#b03a2e", va="center", ha="center")
    axes.set(xlabel="step h", ylabel="relative error of the difference", ylim=(1e-13, 2))
    return figure

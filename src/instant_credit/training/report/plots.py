"""Each variable's effect, drawn by the `shap` library from our exact attributions.

The library draws; the figures are ours: interventional contributions against the report's reference, in log-odds of default. Points are
a seeded sample of the test loans.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from instant_credit.application.product import Product, Variable
from instant_credit.application.wording import category_text
from instant_credit.training.report.basis import SAMPLE_SEED, Basis
from instant_credit.training.report.effects import CaseTold, VariableTold
from instant_credit.training.report.svg import FAINT, INK, SIZE, save, styled

BEESWARM_VARIABLES: Final = 15
DEPENDENCE_VARIABLES: Final = 6
CASE_VARIABLES: Final = 10
DRAWN_MAX: Final = 2_000
# The library's own greys, which would not suit a dark page.
_GREYS: Final = {
    "#333333": INK,
    "#888888": FAINT,
    "#999999": INK,
    "#cccccc": FAINT,
    "#bbbbbb": FAINT,
}
_AXIS: Final = "contribution (log-odds)"
_FEW_VALUES: Final = 20
_JITTER: Final = 0.3
_MARGIN: Final = 0.04
_TICKS: Final = 5

Floats = NDArray[np.float64]


class Drawn:
    """A sample of the explained loans as the library takes them, with units that people read."""

    def __init__(self, basis: Basis) -> None:
        rows = np.arange(len(basis.explained_rows))
        if len(rows) > DRAWN_MAX:
            chance = np.random.Generator(np.random.PCG64(SAMPLE_SEED))
            rows = np.sort(chance.choice(len(rows), DRAWN_MAX, replace=False))
        self.product: Product = basis.training.training_set.product
        self.variables: tuple[Variable, ...] = self.product.model_variables
        self.columns = {variable.name: j for j, variable in enumerate(self.variables)}
        self.contributions: Floats = basis.contributions[rows]
        self.data: Floats = basis.explained_matrix[rows].astype(np.float64)
        for j, variable in enumerate(self.variables):
            if variable.unit == "cents":
                self.data[:, j] /= 100.0
        self.expected = float(basis.interventional.expected_log_odds)

    def title(self, variable: Variable) -> str:
        """The variable with the unit that `data` has it in."""
        unit = self.product.currency if variable.unit == "cents" else variable.unit
        name = variable.name.removesuffix("_cents").replace("_", " ")
        return name if unit in {"number", "category", "flag", "count", ""} else f"{name} ({unit})"


def draw_beeswarm(drawn: Drawn, told: Sequence[VariableTold]) -> Markup:
    """Contributions of the leading variables, a point a loan, coloured by the value; grey where it is missing or a category."""
    leading = [drawn.columns[one.name] for one in told[:BEESWARM_VARIABLES]]
    # The library colours what it can read as numbers.
    data = drawn.data[:, leading].astype(object)
    for place, j in enumerate(leading):
        if drawn.variables[j].op == "category":
            data[:, place] = "category"
    explanation = _shap().Explanation(
        values=drawn.contributions[:, leading],
        base_values=np.full(len(data), drawn.expected),
        data=data,
        feature_names=[drawn.variables[j].name.replace("_", " ") for j in leading],
    )
    with _drawing("beeswarm"):
        figure, axes = plt.subplots(figsize=(8.6, 0.34 * len(leading) + 1.2), layout="constrained")
        _shap().plots.beeswarm(
            explanation,
            max_display=len(leading),
            order=np.arange(len(leading)),
            ax=axes,
            plot_size=None,
            color_bar_label="value of the variable",
            show=False,
        )
        axes.set_xlabel(_AXIS, fontsize=10)
        axes.tick_params("y", labelsize=10, length=0)
        axes.grid(visible=False)
        return save(
            figure,
            "beeswarm",
            "Beeswarm of the leading variables' contributions; the table of variables holds their mean size.",
            _GREYS,
        )


def draw_dependence(drawn: Drawn, name: str) -> Markup:
    """Contribution of one variable over its value, a point a loan; loans without it are not drawn."""
    j = drawn.columns[name]
    variable = drawn.variables[j]
    values, contributions = drawn.data[:, j], drawn.contributions[:, j]
    is_known = values >= 0 if variable.op == "category" else ~np.isnan(values)
    explanation = _shap().Explanation(
        values=contributions[is_known],
        base_values=drawn.expected,
        data=values[is_known],
        display_data=_category_names(drawn, variable, values[is_known]),
        feature_names=drawn.title(variable),
    )
    chart = f"dependence-{name.replace('_', '-')}"
    with _drawing(chart):
        figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
        # Points of few values are spread sideways, so that they do not hide each other.
        few = np.unique(values[is_known])
        step = float(np.diff(few).min()) if len(few) <= _FEW_VALUES else 0.0
        jitter = min(_JITTER, _MARGIN * float(np.ptp(few)) / step) if step else 0.0
        _shap().plots.scatter(explanation, ax=axes, x_jitter=jitter, dot_size=9, alpha=0.6, show=False)
        if variable.op != "category":
            room = jitter * step + _MARGIN * float(np.ptp(few))
            axes.set_xlim(float(few[0]) - room, float(few[-1]) + room)
            axes.xaxis.set_major_locator(MaxNLocator(_TICKS))
            axes.xaxis.set_major_formatter("{x:,.6g}")
        axes.set_xlabel(drawn.title(variable), fontsize=10)
        axes.set_ylabel(_AXIS, fontsize=10)
        for one in figure.axes:
            one.tick_params(labelsize=9)
            one.grid(visible=False)
        return save(figure, chart, f"Contribution of {drawn.title(variable)} over its value in the test loans.", _GREYS)


def can_draw_dependence(drawn: Drawn, name: str) -> bool:
    """Whether two loans of the sample know different values of the variable."""
    j = drawn.columns[name]
    values = drawn.data[:, j]
    known = values[values >= 0] if drawn.variables[j].op == "category" else values[~np.isnan(values)]
    return len(np.unique(known)) > 1


def draw_case(case: CaseTold, number: int) -> Markup:
    """One loan's way from the reference's mean to its score, variable by variable."""
    explanation = _shap().Explanation(
        values=np.array([part.contribution for part in case.parts]),
        base_values=case.expected_log_odds,
        data=np.array([part.value for part in case.parts], dtype=object),
        feature_names=[part.name.replace("_", " ") for part in case.parts],
    )
    name = f"case-{number}"
    with _drawing(name):
        figure = plt.figure()
        _shap().plots.waterfall(explanation, max_display=CASE_VARIABLES, show=False)
        for axes in figure.axes:
            axes.grid(visible=False)
            axes.tick_params(labelsize=10)
        label = f"Waterfall of a loan {case.kind}: from {case.expected_log_odds:.2f} to {case.raw:.2f} log-odds; its table holds the figures."
        return save(figure, name, label, _GREYS, is_tight=True)


def _category_names(drawn: Drawn, variable: Variable, values: Floats) -> NDArray[Any] | None:
    if variable.op != "category":
        return None
    attribute = next(a for a in drawn.product.attributes if a.name == variable.of[0])
    return np.array([category_text(attribute, int(code)) for code in values], dtype=object)


def _shap() -> Any:
    """The library, imported when it first draws: it takes seconds."""
    with warnings.catch_warnings():
        # Importing it prepares its plots with a function that matplotlib will drop.
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        import shap
    return shap


@contextmanager
def _drawing(name: str) -> Iterator[None]:
    """Off screen, in the page's style, with the library's jitter seeded and our figures closed."""
    chance, others = np.random.get_state(), plt.get_fignums()
    np.random.seed(SAMPLE_SEED)
    mpl.use("agg")
    try:
        with styled(name), warnings.catch_warnings():
            # The library looks for the spread of a variable that no loan of the sample has.
            warnings.filterwarnings("ignore", "All-NaN slice encountered", RuntimeWarning)
            yield
    finally:
        np.random.set_state(chance)
        for number in set(plt.get_fignums()) - set(others):
            plt.close(number)

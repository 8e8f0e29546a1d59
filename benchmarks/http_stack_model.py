"""What the day-built stack of suite `http` decides by: pandas features, CatBoost's `predict_proba`, `shap.TreeExplainer`, a price by bands.

Written as a good engineer does who wants it to be quick: one small frame an application, model and explainer loaded once, one thread,
categories as codes. Its model has as many trees, of the same depth, over about the same variables as the live release; it learned from
the same Cases, with outcomes drawn by the release's own probabilities, so that its trees are not those of noise.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shap
from catboost import CatBoostClassifier
from numpy.typing import NDArray

MODEL_FILE = "stack.cbm"
REASONS = 4
DECLINED_ABOVE = 0.2
APR_BY_PD = ((0.03, 0.0799), (0.06, 0.1199), (0.10, 0.1599), (DECLINED_ABOVE, 0.2199))
CATEGORIES = {
    "home_ownership": ("rent", "mortgage", "own", "other"),
    "purpose": (
        "debt_consolidation",
        "credit_card",
        "home_improvement",
        "major_purchase",
        "small_business",
        "car",
        "wedding",
        "moving",
        "house",
        "educational",
        "vacation",
        "renewable_energy",
        "other",
    ),
}
NUMBERS = (
    "requested_amount_cents",
    "term_months",
    "debt_to_income_percent",
    "revolving_utilisation",
    "revolving_balance_cents",
    "revolving_limit_cents",
    "all_utilisation",
    "open_accounts",
    "total_accounts",
    "employment_years",
    "inquiries_6m",
    "inquiries_12m",
    "finance_inquiries",
    "installment_accounts_opened_12m",
    "installment_accounts_opened_24m",
    "delinquencies_2y",
    "months_since_delinquency",
    "accounts_now_delinquent",
    "delinquent_amount_cents",
    "collections_12m",
    "chargeoffs_12m",
    "public_records",
    "months_since_public_record",
    "bankruptcies",
    "tax_liens",
    "installment_accounts_active",
    "installment_accounts",
)
TOLD = (
    *NUMBERS,
    "income_annual_cents",
    "assistance_income_annual_cents",
    "installment_balance_cents",
    "installment_credit_limit_cents",
)

Facts = Mapping[str, Any]


def build_frame(facts: Sequence[Facts], as_of: date) -> pd.DataFrame:
    """The model's variables, a row for each application; NaN = not told."""
    raw = pd.DataFrame({name: [one.get(name) for one in facts] for name in TOLD}, dtype="float64")
    income = (raw["income_annual_cents"] + raw["assistance_income_annual_cents"].fillna(0)).clip(lower=1.0)
    amount = raw["requested_amount_cents"]
    monthly = 0.15 / 12
    instalment = amount * monthly / (1 - (1 + monthly) ** -raw["term_months"])
    opened = pd.to_datetime(pd.Series([one.get("earliest_credit_on") for one in facts], dtype="object"))
    frame = raw[list(NUMBERS)].copy()
    frame["payment_to_income"] = 12 * instalment / income
    frame["loan_to_income"] = amount / income
    frame["debt_to_income_with_loan"] = raw["debt_to_income_percent"] + 100 * frame["payment_to_income"]
    frame["revolving_balance_to_income"] = raw["revolving_balance_cents"] / income
    frame["loan_to_revolving_limit"] = amount / raw["revolving_limit_cents"]
    frame["file_age_months"] = (pd.Timestamp(as_of) - opened).dt.days / 30.44
    frame["installment_balance_to_income"] = raw["installment_balance_cents"] / income
    frame["installment_use"] = raw["installment_balance_cents"] / raw["installment_credit_limit_cents"]
    for name, categories in CATEGORIES.items():
        frame[name] = pd.Categorical([one.get(name) for one in facts], categories=categories).codes
    return frame.replace([np.inf, -np.inf], np.nan)


def fit_stack(folder: Path, frame: pd.DataFrame, labels: NDArray[np.int64], shape: Mapping[str, int]) -> None:
    """Fit the stack's model, of so many `iterations` and such a `depth`, and write it into `folder`."""
    model = CatBoostClassifier(**shape, thread_count=2, random_seed=1, verbose=False, allow_writing_files=False)
    model.fit(frame, labels)
    model.save_model(str(folder / MODEL_FILE))


class StackModel:
    """Model and explainer, loaded once."""

    def __init__(self, folder: Path) -> None:
        self._model = CatBoostClassifier()
        self._model.load_model(str(folder / MODEL_FILE))
        self._explainer = shap.TreeExplainer(self._model)

    @property
    def tree_count(self) -> int:
        """How many trees the model has."""
        return int(self._model.tree_count_)

    def decide(self, facts: Facts) -> dict[str, Any]:
        """Outcome, probability of default, terms and the reasons that weighed most against."""
        frame = build_frame([facts], datetime.now(UTC).date())
        default = float(self._model.predict_proba(frame, thread_count=1)[0, 1])
        contributions = self._explainer.shap_values(frame)[0]
        if default <= DECLINED_ABOVE:
            apr = next(apr for limit, apr in APR_BY_PD if default <= limit)
            monthly, term = apr / 12, int(facts["term_months"])
            instalment = facts["requested_amount_cents"] * monthly / (1 - (1 + monthly) ** -term)
            return {
                "outcome": "approve",
                "pd": default,
                "apr": apr,
                "instalment_cents": round(instalment),
                "reasons": [],
            }
        worst = np.argsort(-contributions)[:REASONS]
        reasons = [str(frame.columns[place]) for place in worst if contributions[place] > 0]
        return {"outcome": "decline", "pd": default, "apr": None, "instalment_cents": None, "reasons": reasons}

"""Invented tapes in the shape of ones that lenders and courses use: seeded rows, real columns, codes and oddities."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

GERMAN = (
    ("checking_status", ("A11", "A12", "A13", "A14")),
    ("duration", None),
    ("credit_history", ("A30", "A31", "A32", "A33", "A34")),
    ("purpose", ("A40", "A41", "A42", "A43", "A46", "A49", "A410")),
    ("credit_amount", None),
    ("savings", ("A61", "A62", "A63", "A64", "A65")),
    ("employment_since", ("A71", "A72", "A73", "A74", "A75")),
    ("installment_rate", None),
    ("personal_status_sex", ("A91", "A92", "A93", "A94")),
    ("other_debtors", ("A101", "A102", "A103")),
    ("residence_since", None),
    ("property", ("A121", "A122", "A123", "A124")),
    ("age", None),
    ("other_plans", ("A141", "A142", "A143")),
    ("housing", ("A151", "A152", "A153")),
    ("existing_credits", None),
    ("job", ("A171", "A172", "A173", "A174")),
    ("dependents", None),
    ("telephone", ("A191", "A192")),
    ("foreign_worker", ("A201", "A202")),
)


def write_csv(path: Path, names: Sequence[str], rows: Iterable[Sequence[Any]], delimiter: str = ",") -> Path:
    """Write rows below a line of names."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(names)
        writer.writerows(rows)
    return path


def write_german(path: Path, rows: int = 1000, seed: int = 11) -> Path:
    """The German credit data's columns: codes such as A11, 1 = good and 2 = bad, separated by blanks."""
    chance = np.random.default_rng(seed)
    numbers = {
        "duration": chance.choice([6, 12, 18, 24, 36, 48], rows),
        "credit_amount": chance.lognormal(7.8, 0.7, rows).astype(int),
        "installment_rate": chance.integers(1, 5, rows),
        "residence_since": chance.integers(1, 5, rows),
        "age": chance.integers(19, 76, rows),
        "existing_credits": chance.integers(1, 5, rows),
        "dependents": chance.integers(1, 3, rows),
    }
    columns = {name: numbers[name] if codes is None else chance.choice(codes, rows) for name, codes in GERMAN}
    risk = 0.03 * (columns["duration"] - 20) + 1.2 * (columns["checking_status"] == "A11")
    bad = chance.random(rows) < 1 / (1 + np.exp(1.6 - risk))
    columns["class"] = np.where(bad, 2, 1)
    return write_csv(path, list(columns), zip(*columns.values(), strict=True), delimiter=" ")


def write_lates(path: Path, rows: int = 150_000, seed: int = 12) -> Path:
    """Give Me Some Credit's columns: an unnamed index, 96 and 98 in counts of lates, NA in income and dependents."""
    chance = np.random.default_rng(seed)
    utilisation = chance.beta(0.6, 1.6, rows) * np.where(chance.random(rows) < 0.002, 20_000, 1.2)
    lates = [np.minimum(chance.geometric(0.85, rows) - 1, 13) for _ in range(3)]
    odd = chance.random(rows) < 0.0018
    code = np.where(chance.random(rows) < 0.02, 96, 98)
    lates = [np.where(odd, code, late) for late in lates]
    income = chance.lognormal(8.6, 0.7, rows).astype(int).astype(str)
    income[chance.random(rows) < 0.2] = "NA"
    dependents = np.minimum(chance.geometric(0.6, rows) - 1, 10).astype(str)
    dependents[chance.random(rows) < 0.026] = "NA"
    risk = 1.3 * np.minimum(utilisation, 1.2) + 0.9 * np.minimum(lates[0], 4) + 1.1 * np.minimum(lates[2], 4)
    bad = (chance.random(rows) < 1 / (1 + np.exp(4.1 - risk))).astype(int)
    columns = {
        "": np.arange(1, rows + 1),
        "SeriousDlqin2yrs": bad,
        "RevolvingUtilizationOfUnsecuredLines": np.round(utilisation, 9),
        "age": chance.integers(21, 97, rows),
        "NumberOfTime30-59DaysPastDueNotWorse": lates[0],
        "DebtRatio": np.round(chance.lognormal(-1, 1.5, rows), 9),
        "MonthlyIncome": income,
        "NumberOfOpenCreditLinesAndLoans": chance.poisson(8, rows),
        "NumberOfTimes90DaysLate": lates[1],
        "NumberRealEstateLoansOrLines": chance.poisson(1, rows),
        "NumberOfTime60-89DaysPastDueNotWorse": lates[2],
        "NumberOfDependents": dependents,
    }
    return write_csv(path, list(columns), zip(*columns.values(), strict=True))


HELOC = (
    *(
        "ExternalRiskEstimate",
        "MSinceOldestTradeOpen",
        "MSinceMostRecentTradeOpen",
        "AverageMInFile",
        "NumSatisfactoryTrades",
    ),
    *("NumTrades60Ever2DerogPubRec", "NumTrades90Ever2DerogPubRec", "PercentTradesNeverDelq", "MSinceMostRecentDelq"),
    *("MaxDelq2PublicRecLast12M", "MaxDelqEver", "NumTotalTrades", "NumTradesOpeninLast12M", "PercentInstallTrades"),
    *("MSinceMostRecentInqexcl7days", "NumInqLast6M", "NumInqLast6Mexcl7days", "NetFractionRevolvingBurden"),
    *(
        "NetFractionInstallBurden",
        "NumRevolvingTradesWBalance",
        "NumInstallTradesWBalance",
        "NumBank2NatlTradesWHighUtilization",
    ),
    "PercentTradesWBalance",
)


def write_heloc(path: Path, rows: int = 3_000, seed: int = 13) -> Path:
    """The FICO challenge's columns: -9, -8 and -7 where nothing is told, RiskPerformance Bad or Good."""
    chance = np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    for place, name in enumerate(HELOC):
        values = chance.integers(0, 9 if name.startswith("MaxDelq") else 20 + 10 * place, rows)
        values = np.where(chance.random(rows) < 0.05, -8, values)
        values = np.where(chance.random(rows) < 0.1, -7, values) if name.startswith("MSince") else values
        columns[name] = values
    columns["ExternalRiskEstimate"] = chance.integers(40, 95, rows)
    nothing = chance.random(rows) < 0.06
    columns = {name: np.where(nothing, -9, values) for name, values in columns.items()}
    risk = (72 - columns["ExternalRiskEstimate"]) / 8
    bad = chance.random(rows) < 1 / (1 + np.exp(-risk))
    told = {"RiskPerformance": np.where(bad, "Bad", "Good"), **columns}
    return write_csv(path, list(told), zip(*told.values(), strict=True))


def write_wide(path: Path, rows: int = 5_000, seed: int = 14) -> Path:
    """54 columns as a marketplace lender exports them: texts with signs, months in words, leaks, names, sentences, empty columns."""
    chance = np.random.default_rng(seed)
    amount = chance.integers(10, 350, rows) * 100
    year, month = chance.integers(2013, 2017, rows), chance.integers(0, 12, rows)
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    dti = np.round(chance.gamma(4, 4.5, rows), 2)
    income = chance.lognormal(11, 0.5, rows).round(2)
    risk = 0.05 * (dti - 18) - 0.8 * (np.log(income) - 11)
    bad = chance.random(rows) < 1 / (1 + np.exp(1.5 - risk))
    paid = np.where(bad, amount * chance.uniform(0.1, 0.7, rows), amount * 1.15).round(2)
    first = chance.choice(["Mary", "John", "Anna", "Jose", "Wei", "Ada"], rows)
    last = chance.choice(["Smith", "Jones", "Miller", "Garcia", "Novak", "Okafor"], rows)
    columns: dict[str, Any] = {
        "id": chance.permutation(np.arange(10_000_000, 10_000_000 + rows)),
        "member_id": chance.integers(5_000_000, 5_000_000 + rows // 2, rows),
        "loan_amnt": [f"${one:,.2f}" for one in amount],
        "term": chance.choice([" 36 months", " 60 months"], rows),
        "int_rate": [f"{one:.2f}%" for one in chance.uniform(5, 28, rows)],
        "grade": chance.choice(list("ABCDEFG"), rows),
        "borrower": [f"{one} {other}" for one, other in zip(first, last, strict=True)],
        "email": [f"user{one}@example.com" for one in range(rows)],
        "emp_title": [f"manager of {one}" for one in chance.integers(0, 9_999, rows)],
        "emp_length": chance.choice(["< 1 year", "1 year", "5 years", "10+ years", "n/a"], rows),
        "home_ownership": chance.choice(["RENT", "OWN", "MORTGAGE", "ANY"], rows),
        "annual_inc": [f"${one:,.2f}" for one in income],
        "gender": chance.choice(["M", "F"], rows),
        "marital_status": chance.choice(["Single", "Married", "Divorced"], rows),
        "date_of_birth": [
            f"19{one:02d}-0{two}-11"
            for one, two in zip(chance.integers(40, 95, rows), chance.integers(1, 10, rows), strict=True)
        ],
        "zip_code": [f"{one:05d}" for one in chance.integers(500, 99_999, rows)],
        "city": chance.choice([f"Town {one}" for one in range(300)], rows),
        "addr_state": chance.choice(
            ["CA", "NY", "TX", "NA", *(f"{one}{two}" for one in "KLMN" for two in "ADEINSV")], rows
        ),
        "verification_status": chance.choice(["Verified", "Not Verified", "Source Verified"], rows),
        "issue_d": [f"{months[one]}-{two}" for one, two in zip(month, year, strict=True)],
        "loan_status": np.where(bad, "Charged Off", np.where(chance.random(rows) < 0.1, "Current", "Fully Paid")),
        "purpose": chance.choice(["debt_consolidation", "car", "medical", "wedding", "other"], rows),
        "desc": [f"I need this loan because of reason number {one} and will pay it back" for one in range(rows)],
        "dti": dti,
        "earliest_cr_line": [f"{months[one]}-{two - 15}" for one, two in zip(month, year, strict=True)],
        "inq_last_6mths": chance.poisson(0.8, rows),
        "mths_since_last_delinq": np.where(chance.random(rows) < 0.5, "", chance.integers(0, 80, rows).astype(str)),
        "months_since_record": np.where(chance.random(rows) < 0.7, 999, chance.integers(0, 120, rows)),
        "revol_bal": chance.lognormal(9, 1, rows).astype(int),
        "revol_util": [f"{one:.1f}%" for one in chance.uniform(0, 100, rows)],
        "total_acc": chance.poisson(24, rows),
        "policy_code": np.ones(rows, int),
        "next_pymnt_d": np.where(bad, "", "Jan-2018"),
        "total_pymnt": paid,
        "recoveries": np.where(bad, chance.uniform(1, 300, rows).round(2), 0),
        "last_pymnt_amnt": chance.uniform(10, 900, rows).round(2),
        "out_prncp": np.zeros(rows),
        "settlement_date": np.where(bad & (chance.random(rows) < 0.2), "Mar-2018", ""),
        "collection_hint": np.where(bad, 1, 0) + chance.normal(0, 0.05, rows).round(4),
        "bureau_score": chance.integers(580, 850, rows),
        "branch_code": chance.integers(100, 480, rows),
        "merchant": [f"shop {one}" for one in chance.zipf(1.4, rows) % 700],
        "sample_weight": np.where(bad, 1.0, 4.0),
        "race": chance.choice(["A", "B", "C"], rows),
    }
    for number in range(rows and 54 - len(columns)):
        columns[f"empty_{number}"] = np.full(rows, "")
    assert len(columns) == 54
    return write_csv(path, list(columns), zip(*columns.values(), strict=True), delimiter=";")

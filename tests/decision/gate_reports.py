"""Small gate reports, made of nothing but verdicts."""

from datetime import date

from instant_credit.decision.gate_report import Gate, GateReport, GateResult, Verdict, WindowTold

WINDOW = WindowTold(loans=100, bads=10, bad_rate=0.1, first_on=date(2026, 1, 1), last_on=date(2026, 3, 31))


def make_report(
    verdicts: dict[Gate, Verdict] | None = None, may_lack: tuple[Gate, ...] = (), digit: str = "a", days: int = 90
) -> GateReport:
    """A report in which every gate passes but those named."""
    verdicts = verdicts or {}
    return GateReport(
        candidate_hash=digit * 64,
        training_hash="b" * 64,
        thresholds_hash="c" * 64,
        thresholds_name="standard",
        book="tape",
        product="personal_loan",
        product_hash="d" * 64,
        known_on=date(2026, 6, 1),
        test_from=date(2026, 1, 1),
        fit=WINDOW,
        test=WINDOW,
        cases=0,
        labelled_cases=0,
        variables=(),
        may_lack=may_lack,
        waiver_days_max=days,
        results=tuple(
            GateResult(gate=gate, verdict=verdicts.get(gate, Verdict.PASSED), sentence=f"What {gate} says.")
            for gate in Gate
        ),
    )

"""Pure. A simulated lending world whose truth is known: applicants, take-up, monthly repayment. Its truth never enters a Case."""

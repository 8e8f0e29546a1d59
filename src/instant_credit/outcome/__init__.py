"""Pure. What happened after a decision: dated repayment events and the labels they give as known at a date."""

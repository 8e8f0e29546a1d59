"""The mapping of a tiny tape, for the commands that read one."""

MAPPING = """
schema_version = 1
name = "tiny"
title = "A tiny tape"
product = "personal_loan"
leaks = ["Class"]
[as_of]
constant = 2016-03-31
[facts.requested_amount_cents]
column = "funded_amnt"
[facts.term_months]
column = "term"
[facts.income_annual_cents]
column = "annual_inc"
[[events]]
kind = "paid"
when = { column = "Class", is_one_of = ["good"] }
event_on = { add_months = 9 }
known_on = { add_months = 9 }
"""

"""Edge. The time machine: a lender's book lived through again month by month, with what was known then and by the desk of today."""

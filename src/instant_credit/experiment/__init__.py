"""Pure. Champion and challenger: plans, layers, assignment, readouts from sufficient statistics, exploration, off-policy evaluation."""

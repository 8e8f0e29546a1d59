"""Edge. The desk: gathers evidence into a Case, decides it, records it, answers; live releases; replay."""

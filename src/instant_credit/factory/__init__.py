"""Edge. The cycle: jobs, how they are asked for, what their steps are, when they come due. Only handlers of jobs import the workshop."""

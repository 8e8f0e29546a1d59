"""Edge. The risk team's questions to the record: what monitoring finds in the Cases that were decided."""

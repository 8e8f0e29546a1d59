"""Edge. Gates: a candidate model against the champion, or against absolute floors, on loans and Cases that it was not fitted on."""

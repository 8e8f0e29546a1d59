"""Pure. Numbers to risk: compiled trees, exact attributions, calibration, points, ranking of reasons."""

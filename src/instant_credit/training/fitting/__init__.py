"""Edge. Fitting: a matrix of variables and labels becomes tree tables, a calibration and a scorecard."""

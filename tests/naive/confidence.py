"""Slow twin of a confidence sequence: one look in plain floats, the interval found by asking about each end."""

import math

START_EVENTS = 5
PRECISION = 12


def log_e(estimates, delta, units_max, value_max):
    """Of the difference being `delta`; None without enough events. `estimates` is ((units, mean, variance) of control, of the arm)."""
    widened = 0.0
    for units, _, variance in estimates:
        if math.isnan(variance) or variance < START_EVENTS * (value_max / units) ** 2:
            return None
        widened += variance + (value_max / units) ** 2
    z = (estimates[1][1] - estimates[0][1] - delta) / math.sqrt(widened)
    x = PRECISION * (estimates[0][0] + estimates[1][0]) / units_max
    return z * z * x / (2 * (1 + x)) - math.log(1 + x) / 2


def interval(estimates, alpha, units_max, value_max):
    if log_e(estimates, 0.0, units_max, value_max) is None:
        return -2 * value_max, 2 * value_max

    def end(side):
        middle = estimates[1][1] - estimates[0][1]
        inside, outside = 0.0, value_max
        while log_e(estimates, middle + side * outside, units_max, value_max) < -math.log(alpha):
            outside *= 2
        for _ in range(200):
            between = (inside + outside) / 2
            if log_e(estimates, middle + side * between, units_max, value_max) < -math.log(alpha):
                inside = between
            else:
                outside = between
        return middle + side * inside

    return end(-1), end(1)

"""Slow twins of the estimates from sums: row by row, over units kept as (size, value, covariate)."""


def mean_and_variance(units):
    sizes = sum(s for s, _, _ in units)
    mean = sum(y for _, y, _ in units) / sizes
    n = len(units)
    return mean, sum((y - mean * s) ** 2 for s, y, _ in units) / sizes**2 * n / (n - 1)


def adjusted(by_arm):
    everyone = [unit for units in by_arm for unit in units]
    centre = sum(x for _, _, x in everyone) / sum(s for s, _, _ in everyone)
    above = below = 0.0
    for units in by_arm:
        sizes = sum(s for s, _, _ in units)
        value = sum(y for _, y, _ in units) / sizes
        covariate = sum(x for _, _, x in units) / sizes
        above += sum((y - value * s) * (x - covariate * s) for s, y, x in units)
        below += sum((x - covariate * s) ** 2 for s, _, x in units)
    slope = above / below if below > 1e-9 else 0.0
    return [mean_and_variance([(s, y - slope * (x - s * centre), x) for s, y, x in units]) for units in by_arm]

"""Group-sequential boundaries beside those of spotify-confidence, which spends alpha t^rho."""

import numpy as np
import pytest

from instant_credit.experiment.boundaries import bound_looks


# The peer reads a pandas Series by position, which pandas deprecates.
@pytest.mark.filterwarnings("ignore:Series.__getitem__ treating keys as positions:FutureWarning")
def test_bounds_lie_within_one_percent_of_spotify_confidences() -> None:
    from spotify_confidence.analysis.frequentist.sequential_bound_solver import bounds

    draws = np.random.Generator(np.random.PCG64(3))
    plans = [np.arange(1, looks + 1) / looks for looks in (1, 2, 5, 12)]
    plans += [np.append(np.sort(draws.uniform(0.05, 0.95, 4)), 1.0) for _ in range(3)]
    for looks in plans:
        for alpha, power in ((0.05, 2.0), (0.01, 2.0), (0.05, 1.0), (0.1, 3.0)):
            theirs = bounds(looks, alpha=alpha, rho=power, ztrun=8.0, sides=2).bounds
            ours = bound_looks(looks.tolist(), (alpha * looks**power).tolist()).bounds
            assert ours == pytest.approx(theirs, rel=0.01), (looks, alpha, power)

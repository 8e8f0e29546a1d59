"""How many loans of a tape are good, bad and unresolved, and whether a model can be trained on them. Edge."""

from typing import Final

from msgspec import Struct

from instant_credit.training.plans import FOLDS_MIN, KIND_MIN

TRAINABLE_MIN: Final = FOLDS_MIN * KIND_MIN
"""The fewest good and the fewest bad loans that any test can be made with."""


class Resolved(Struct, frozen=True, kw_only=True):
    """Loans by their label; an unresolved one is neither trained nor tested on."""

    goods: int = 0
    bads: int = 0
    unresolved: int = 0

    def __add__(self, other: "Resolved") -> "Resolved":
        """Both together."""
        return Resolved(
            goods=self.goods + other.goods,
            bads=self.bads + other.bads,
            unresolved=self.unresolved + other.unresolved,
        )

    @property
    def fault(self) -> str | None:
        """Why training will refuse these loans alone; None when it need not."""
        if not self.goods + self.bads:
            return "no loan is resolved, so there is nothing to train on; look at the events of the mapping"
        if not self.goods or not self.bads:
            kind = "good" if self.goods else "bad"
            return f"every resolved loan is {kind}, and a model needs both kinds, so training will refuse; look at the events of the mapping"
        if min(self.goods, self.bads) < TRAINABLE_MIN:
            return f"training needs {TRAINABLE_MIN} good and {TRAINABLE_MIN} bad loans at least and will refuse fewer; bring more loans"
        return None

"""Static checks of a whole product document."""

from instant_credit.application.product import Product


def find_faults(product: Product) -> list[str]:
    """Every fault of `product`, as sentences; empty when it may be used."""
    return []

"""The world, the product and the applicants of the market's tests."""

from functools import cache

from instant_credit.application.document import load_product
from instant_credit.application.product import Product
from instant_credit.market.applicants import Applicants, draw_applicants
from instant_credit.market.truth import Truth, draw_truth
from instant_credit.market.world import World
from instant_credit.record.shipped import read_starter

WORLD = World(seed=20)


@cache
def personal_loan() -> Product:
    return load_product(read_starter("products", "personal_loan"))


@cache
def draw_all(world: World, count: int, first: int = 0) -> tuple[Applicants, Truth]:
    applicants = draw_applicants(world, first, count)
    return applicants, draw_truth(world, applicants)

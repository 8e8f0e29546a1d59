"""The shipped product and policy in every shape that roles allow: with and without amount and term, with and without income."""

import tomllib
from copy import deepcopy
from functools import cache
from typing import Any

import msgspec
from msgspec.structs import replace

from instant_credit.application.product import Product, Roles
from instant_credit.policy.document import Policy
from instant_credit.policy.program import MEANS_EXITS, PRICE_EXITS, CompiledPolicy, compile_policy
from instant_credit.record.shipped import read_starter
from tests.policy.documents import product

SHAPES = ("all", "priced", "income", "none")
_ROLES = {
    "all": ("amount", "term", "income_annual"),
    "priced": ("amount", "term"),
    "income": ("income_annual",),
    "none": (),
}


@cache
def product_of(shape: str) -> Product:
    """The personal loan with some of its roles."""
    whole = msgspec.structs.asdict(product().roles)
    return replace(product(), roles=Roles(**{name: whole[name] for name in _ROLES[shape]}))


def document_of(shape: str) -> dict[str, Any]:
    """The shipped policy without the sections that the shape leaves nothing to say in; one example is left."""
    document = deepcopy(tomllib.loads(read_starter("policies", "personal_loan")))
    gone = {"all": (), "priced": MEANS_EXITS}.get(shape, (*PRICE_EXITS, *MEANS_EXITS))
    for name in gone:
        del document["exits"][name]
    for section in {"all": (), "priced": ("affordability",)}.get(
        shape, ("affordability", "amounts", "grid", "apr_ppm_max")
    ):
        del document[section]
    document["examples"] = [e for e in document["examples"] if e["name"] == "Without a score a person looks at it."]
    return document


@cache
def policy_of(shape: str) -> Policy:
    return msgspec.convert(document_of(shape), Policy)


@cache
def compiled_of(shape: str) -> CompiledPolicy:
    return compile_policy(policy_of(shape), product_of(shape))

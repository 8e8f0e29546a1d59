"""A release of the shipped product and policy with a small monotone model, and Cases for it."""

from functools import cache

from hypothesis import strategies as st

from instant_credit.application.facts import Facts
from instant_credit.decision.case import Case
from instant_credit.decision.release import Manifest, Release, compose_release, decode_manifest
from tests.lending import Documents, make_documents
from tests.policy.documents import AS_OF, invented_facts


@cache
def documents() -> Documents:
    return make_documents()


@cache
def manifest() -> Manifest:
    return decode_manifest(documents().parts[-1][1])


@cache
def release() -> Release:
    return compose_release(manifest(), documents().by_hash)


def case_of(facts: Facts) -> Case:
    return Case(product_hash=manifest().product_hash, layout_hash=release().layout_hash, as_of=AS_OF, facts=facts)


def invented_cases(*, is_plausible: bool = True) -> st.SearchStrategy[Case]:
    return invented_facts(is_plausible=is_plausible).map(case_of)

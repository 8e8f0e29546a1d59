"""Portfolio caps: read, checked against their product, and found for an application."""

import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from instant_credit.application.document import load_product
from instant_credit.application.facts import Facts
from instant_credit.application.product import AttributeType, Legal
from instant_credit.errors import Refused
from instant_credit.experiment.caps import (
    Cap,
    CapReason,
    Caps,
    cap_cents,
    caps_of,
    check_caps,
    compile_caps,
    decode_caps,
    encode_caps,
    hash_caps,
    read_caps,
    tell_closed,
)
from instant_credit.policy.document import ReasonText
from instant_credit.record.shipped import list_starters, read_starter
from instant_credit.units import Cents, Ppm
from tests.budget import ROOT, examples
from tests.lending import personal_loan

PRODUCT = personal_loan()
CODED = [a for a in PRODUCT.case_attributes if a.type is AttributeType.CATEGORY]
DOCUMENT = f"""
product = "{PRODUCT.name}"

[reason]
code = "PORTFOLIO_CAP_REACHED"
number = 901
family = "portfolio"
text = "We have lent as much today as we may"

[[caps]]
name = "whole_book"
cents_by_day = 500_000_00

[[caps]]
name = "segment"
attribute = "{CODED[0].name}"
category = "{CODED[0].categories[1]}"
cents_by_day = 2_000_00
counts = "expected_loss"
lost_ppm = 600_000
"""


REASON = CapReason(code="PORTFOLIO_CAP_REACHED", number=901, family="portfolio", text="We have lent as much as we may")


def test_a_document_and_its_canonical_bytes_are_the_same_caps() -> None:
    caps = read_caps(DOCUMENT)
    assert check_caps(caps, PRODUCT) == ()
    assert decode_caps(encode_caps(caps)) == caps
    assert len(hash_caps(caps)) == 64


def test_the_pages_example_fits_the_shipped_product() -> None:
    page = (ROOT / "docs" / "guardrails.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert check_caps(read_caps(example), PRODUCT) == ()


@examples(50)
@given(st.data())
def test_an_approval_counts_against_the_caps_of_its_categories(data: st.DataObject) -> None:
    chance = Random(data.draw(st.integers(0, 2**32)))
    caps = Caps(
        product=PRODUCT.name,
        reason=REASON,
        caps=tuple(
            Cap(name=f"cap_{i}", cents_by_day=1)
            if (attribute := chance.choice([None, *CODED])) is None
            else Cap(
                name=f"cap_{i}", attribute=attribute.name, category=chance.choice(attribute.categories), cents_by_day=1
            )
            for i in range(8)
        ),
    )
    codes = tuple(chance.randrange(-1, len(attribute.categories)) for attribute in CODED)
    told = {a.name: a.categories[code] for a, code in zip(CODED, codes, strict=True) if code >= 0}
    expected = [cap.name for cap in caps.caps if not cap.attribute or told.get(cap.attribute) == cap.category]
    assert [cap.name for cap in caps_of(compile_caps(caps, PRODUCT), Facts(codes=codes))] == expected


def test_an_approval_reserves_its_amount_or_its_expected_loss() -> None:
    caps = read_caps(DOCUMENT).caps
    assert cap_cents(caps, Cents(1_000_01), Ppm(50_000)) == {"whole_book": 1_000_01, "segment": 3_001}


def test_every_fault_is_named_at_once() -> None:
    prohibited = next(a for a in PRODUCT.attributes if a.legal is Legal.PROHIBITED)
    money = next(a for a in PRODUCT.case_attributes if a.type is AttributeType.CENTS)
    places = (("no_such", "a"), (prohibited.name, "a"), (money.name, "a"), (CODED[0].name, "no_such"))
    caps = Caps(
        product="other_loan",
        reason=REASON,
        caps=tuple(Cap(name=f"c{i}", attribute=a, category=c, cents_by_day=1) for i, (a, c) in enumerate(places)),
    )
    with pytest.raises(Refused) as refused:
        compile_caps(caps, PRODUCT)
    for words in (
        "for other_loan",
        "no attribute no_such",
        "is prohibited",
        "is no category",
        "has no category no_such",
    ):
        assert words in str(refused.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("cents_by_day = 500_000_00", "cents_by_day = 0"), ">= 1"),
        (("lost_ppm = 600_000", ""), "only there"),
        (('counts = "expected_loss"', ""), "only there"),
        ((f'category = "{CODED[0].categories[1]}"', ""), "stand together"),
        (('name = "segment"', 'name = "whole_book"'), "is there twice"),
        (("[[caps]]", "[[caps"), "caps:"),
        (("product =", "produkt ="), "produkt"),
    ],
)
def test_a_document_that_is_none_is_refused(change: tuple[str, str], words: str) -> None:
    with pytest.raises(Refused, match=words):
        read_caps(DOCUMENT.replace(*change))


def test_what_is_too_long_or_no_caps_is_refused() -> None:
    with pytest.raises(Refused, match="longer than"):
        read_caps("#" * 100_001)
    with pytest.raises(Refused, match="caps:"):
        decode_caps(b"{}")


def test_a_reason_has_code_and_number_of_its_own_and_says_nothing_about_an_applicant() -> None:
    caps = read_caps(DOCUMENT)
    own = next(v for v in PRODUCT.variables if v.reason_number is not None)
    assert own.reason_number is not None
    for reason in (
        replace(caps.reason, number=own.reason_number),
        replace(caps.reason, code=own.reason or ""),
        replace(caps.reason, text="Your income of {value}"),
    ):
        assert len(check_caps(replace(caps, reason=reason), PRODUCT)) == 1
    theirs = ReasonText(code="TOO_YOUNG", number=caps.reason.number, family="age", text="Too young")
    assert check_caps(caps, PRODUCT, [theirs]) == (
        "reason PORTFOLIO_CAP_REACHED: code and number of a reason are its own, and TOO_YOUNG has number 901",
    )
    same = ReasonText(code=caps.reason.code, number=caps.reason.number, family="portfolio", text="The same")
    assert len(check_caps(caps, PRODUCT, [same])) == 1


def test_closed_caps_stand_in_the_order_of_the_document_with_its_reason() -> None:
    closed = tell_closed(read_caps(DOCUMENT), ["segment", "whole_book"])
    assert [cap.name for cap in closed] == ["whole_book", "segment"]
    assert {cap.reason.code for cap in closed} == {"PORTFOLIO_CAP_REACHED"}


def test_the_shipped_caps_fit_their_product() -> None:
    for name in list_starters("caps"):
        caps = read_caps(read_starter("caps", name))
        assert check_caps(caps, load_product(read_starter("products", caps.product))) == ()

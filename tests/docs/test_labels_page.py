"""The page on labels against the code."""

import re

from instant_credit.outcome.definition import DECIDING_KINDS, LabelDefinition, load_definition
from instant_credit.outcome.vintages import BUCKETS, FIRST_PAYMENT_DAYS
from instant_credit.record.shipped import list_starters
from instant_credit.training.leaks import AUC_TELLING
from instant_credit.training.selection_bias import Variant
from tests.docs.test_examples import list_fences, list_words, read_page

PAGE = "labels.md"


def test_the_example_is_a_definition():
    (body,) = list_fences(read_page(PAGE), "toml")
    definition = load_definition(body)
    assert definition.window_months == 9
    assert set(re.findall(r"^(\w+) = ", body, re.MULTILINE)) == set(LabelDefinition.__struct_fields__)


def test_every_field_kind_and_shipped_definition_is_documented():
    words = list_words(PAGE)
    assert not set(LabelDefinition.__struct_fields__) - words
    assert not {kind.value for kind in DECIDING_KINDS} - words
    assert not {f"labels/{name}.toml" for name in list_starters("labels")} - words
    assert not {one.value for one in Variant} - words


def test_the_numbers_are_the_ones_that_hold():
    text = read_page(PAGE)
    assert f"AUC of {AUC_TELLING} and more" in text
    assert f"the first instalment {FIRST_PAYMENT_DAYS} days unpaid" in text
    assert ", ".join(BUCKETS) in text

"""The page on exploration against the code."""

import re

from instant_credit.experiment.exploration import DAYS_MAX, Ending, Programme, read_programme
from instant_credit.experiment.offpolicy import CLIPPED_SHARE_MAX, EFFECTIVE_MIN, WEIGHT_MAX, Estimator
from instant_credit.record.shipped import list_starters
from tests.docs.test_examples import list_fences, list_words, read_page

PAGE = "exploration.md"


def test_the_example_is_a_programme():
    (body,) = list_fences(read_page(PAGE), "toml")
    assert read_programme(body).book == "branches"
    assert set(re.findall(r"^(\w+) = ", body, re.MULTILINE)) == set(Programme.__struct_fields__)


def test_every_field_ending_estimator_and_shipped_programme_is_documented():
    words = list_words(PAGE)
    assert not set(Programme.__struct_fields__) - words
    assert not {one.value for one in (*Ending, *Estimator)} - words
    assert not {f"explorations/{name}.toml" for name in list_starters("explorations")} - words


def test_the_numbers_are_the_ones_that_hold():
    text = read_page(PAGE)
    assert f"at most {DAYS_MAX:,} days" in text
    assert f"fewer than {EFFECTIVE_MIN:.0f} of equal weight" in text
    assert f"more than {CLIPPED_SHARE_MAX:.0%}" in text
    assert f"weights above {WEIGHT_MAX:.0f} are clipped" in text

import msgspec
import pytest

from instant_credit.errors import Refused
from instant_credit.outcome.definition import (
    AS_LAST_SEEN,
    DOCUMENT_CHARACTERS_MAX,
    LabelDefinition,
    decode_definition,
    encode_definition,
    hash_definition,
    load_definition,
    require_product,
)
from instant_credit.outcome.events import EventKind
from instant_credit.record.shipped import list_starters, read_starter


@pytest.mark.parametrize("name", list_starters("labels"))
def test_a_shipped_definition_loads_under_its_name_and_comes_back_from_its_bytes(name):
    definition = load_definition(read_starter("labels", name))
    assert definition.name == name
    assert decode_definition(encode_definition(definition)) == definition
    assert len(hash_definition(definition)) == 64


def test_the_shipped_definition_as_last_seen_is_the_one_that_is_taken_without_a_name():
    assert load_definition(read_starter("labels", "as_last_seen")) == AS_LAST_SEEN


def test_equal_words_have_one_hash_and_other_words_another():
    twelve = load_definition(read_starter("labels", "bad_90_in_12"))
    assert hash_definition(twelve) == hash_definition(msgspec.structs.replace(twelve))
    assert hash_definition(twelve) != hash_definition(msgspec.structs.replace(twelve, lag_days=32))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "not TOML"),
        ('name = "x"\ntitle = "X"\nbad = 3', "unknown field"),
        ('name = "x"\ntitle = "X"\nindeterminate_days_past_due = 91', "at most bad_days_past_due"),
        ('name = "x"\ntitle = "X"\nbad_kinds = ["fraud"]', "stands once"),
        ('name = "x"\ntitle = "X"\nbad_kinds = ["payment"]', "the kinds listed are of"),
        ('name = "x"\ntitle = "X"\nproducts = ["a", "a"]', "a product stands once"),
        ('name = "x"\ntitle = "X"\nwindow_months = 0', ">= 1"),
        ("#" * (DOCUMENT_CHARACTERS_MAX + 1), "longer than"),
    ],
)
def test_a_document_that_is_no_definition_is_refused_with_what_is_wrong(text, message):
    with pytest.raises(Refused, match=message):
        load_definition(text)


def test_bytes_that_are_no_definition_are_refused():
    with pytest.raises(Refused, match="label definition"):
        decode_definition(b"{}")


def test_a_definition_for_other_products_is_refused():
    cards = LabelDefinition(name="cards", title="Cards", products=("credit_card",), window_months=6)
    require_product(cards, "credit_card")
    require_product(AS_LAST_SEEN, "anything")
    with pytest.raises(Refused, match="for credit_card, not for personal_loan"):
        require_product(cards, "personal_loan")


def test_a_default_definition_counts_charge_offs_and_what_is_seriously_overdue_as_bad():
    one = LabelDefinition(name="one", title="One", window_months=12)
    assert set(one.bad_kinds) == {EventKind.CHARGED_OFF, EventKind.DELINQUENT}

import pytest

from instant_credit.application.document import load_product
from instant_credit.errors import Refused
from instant_credit.record.shipped import list_starters, read_starter
from instant_credit.training.tapes.mapping import load_mapping
from tests.training.documents import MAPPING, PRODUCT


def changed(old: str, new: str) -> str:
    assert old in MAPPING
    return MAPPING.replace(old, new)


def test_a_sound_mapping_names_the_columns_it_needs():
    mapping = load_mapping(MAPPING, PRODUCT)
    assert mapping.needed_columns == (
        "amount", "income", "issued", "last_on", "lost", "oldest", "paid", "status", "term", "use", "utilisation"
    )  # fmt: skip


def test_a_column_to_divide_by_is_needed_too():
    text = changed('column = "income"', 'column = "income"\nover = "share"\nover_min = 0.01')
    assert "share" in load_mapping(text, PRODUCT).needed_columns


@pytest.mark.parametrize("name", list_starters("mappings"))
def test_shipped_mappings_fit_their_product(name):
    mapping = load_mapping(read_starter("mappings", name), load_product(read_starter("products", "personal_loan")))
    assert mapping.name == name


@pytest.mark.parametrize(
    ("old", "new", "claim"),
    [
        ('product = "small_loan"', 'product = "other_loan"', "it is for other_loan"),
        ("schema_version = 1", "schema_version = 2", "schema_version"),
        ("[as_of]", "[as_of", "mapping:"),
        ('title = "A small tape"', 'title = "A small tape"\nsurprise = 1', "surprise"),
        ('column = "issued"', 'format = "%Y"', "as_of: give either"),
        ('column = "issued"', 'column = "issued"\nconstant = 2011-01-01', "as_of: give either"),
        ('column = "issued"', 'column = "last_on"', "as_of: column last_on is a leak"),
        ('column = "income"', 'column = "paid"', "facts.income_cents: column paid is a leak"),
        ('column = "income"', 'column = "rate"', "facts.income_cents: column rate is withheld"),
        ("[as_of]", '[person]\ncolumns = ["status"]\n[as_of]', "person.columns[0]: column status is a leak"),
        ("[as_of]", '[row]\nkey = ["id"]\nignore = ["x"]\n[as_of]', "row: `ignore`"),
        ('"lost", "last_on"]', '"last_on"]', "events: column lost tells the outcome"),
        ("[facts.utilisation]", "[facts.utilization]", "facts.utilization: the product has no such attribute"),
        ('[facts.utilisation]\ncolumn = "utilisation"\ndivide_by = 100', '[facts.sex]\ncolumn = "sex"', "prohibited"),
        ('[facts.term_months]\ncolumn = "term"\nsuffix = "months"\n', "", "facts.term_months: the product requires it"),
        ('"boat" = "other"', '"boat" = "ship"', "facts.use: 'ship' is not one of"),
        ("lowercase = true", 'lowercase = true\notherwise = "ship"', "facts.use: 'ship' is not one of"),
        ("divide_by = 100", 'values = { "low" = "0" }', "facts.utilisation: `values` of a number are numbers"),
        ("divide_by = 100", 'over = "amount"\nover_min = 1.0', "facts.utilisation: `over` is for amounts in cents"),
        ('column = "income"', 'column = "income"\nover = "term"', "facts.income_cents: `over` and `over_min` come together"),
        ('column = "income"', 'column = "income"\nover_min = 1.0', "facts.income_cents: `over` and `over_min` come together"),
        ('column = "income"', 'column = "income"\nover = "term"\nover_min = 0', "over_min"),
        ('column = "income"', 'column = "income"\nover = "paid"\nover_min = 1', "facts.income_cents.over: column paid is a leak"),
        ('column = "income"', 'column = "income"\nover = "rate"\nover_min = 1', "facts.income_cents.over: column rate is withheld"),
        ("[as_of]", '[row]\nkey = ["status"]\n[as_of]', "row.key[0]: column status is a leak"),
        ("divide_by = 100", "otherwise = 1", "facts.utilisation: `otherwise` needs `values`"),
        ('is_one_of = ["Paid"]', 'is_one_of = ["Paid"], above = 1.0', "events[0].when: give either"),
        (', is_one_of = ["Paid"]', "", "events[0].when: give either"),
        ('"last_on", add_months = 1', '"last_on", constant = 2011-01-01', "events[0].known_on: give `column` or"),
    ],
)  # fmt: skip
def test_a_faulty_mapping_is_refused_and_says_where(old, new, claim):
    with pytest.raises(Refused) as refused:
        load_mapping(changed(old, new), PRODUCT)
    assert claim in str(refused.value)


def test_all_faults_are_named_at_once():
    text = changed('column = "income"', 'column = "paid"').replace('"boat" = "other"', '"boat" = "ship"')
    with pytest.raises(Refused) as refused:
        load_mapping(text, PRODUCT)
    assert "facts.income_cents" in str(refused.value)
    assert "facts.use" in str(refused.value)

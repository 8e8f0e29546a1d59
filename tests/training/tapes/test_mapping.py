import pytest

from instant_credit.application.document import load_product
from instant_credit.errors import Refused
from instant_credit.record.shipped import list_starters, read_starter
from instant_credit.training.tapes.mapping import load_mapping, read_product_name
from tests.training.documents import MAPPING, PRODUCT
from tests.training.tapes import joins


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
    text = read_starter("mappings", name)
    mapping = load_mapping(text, load_product(read_starter("products", read_product_name(text))))
    assert mapping.name == name


@pytest.mark.parametrize("text", ["name =", "product = 1", ""])
def test_a_text_that_names_no_product_is_refused(text):
    with pytest.raises(Refused, match="mapping: "):
        read_product_name(text)


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


def test_a_mapping_with_joined_files_says_which_columns_each_file_must_have():
    mapping = load_mapping(joins.MAPPING, joins.PRODUCT)
    assert mapping.needed_columns == ("age", "amount", "id", "issued", "person", "sex", "status")
    assert mapping.list_file_columns("bureau") == ("account", "client", "grade")
    assert mapping.list_file_columns("moves") == ("account", "kind", "on", "rate", "spent")
    assert mapping.list_file_columns("late") == ("days", "loan", "paid_on", "told_on")


SPENT = '[facts.spent_cents]\nfile = "moves"\ntake = "sum"\ncolumn = "spent"\nbefore = "on"\n'
GRADE = 'column = "bureau.grade"'
LEAKS = '"late.told_on"]'
MANY = 'on = ["bureau.account"]\nrows = "many"'
MOVES = '[facts.moves]\nfile = "moves"\ntake = "count"\nbefore = "on"\n'
AGE = 'column = "age"\nedges = [30, 60]'
SEX = '[monitoring.sex]\ncolumn = "sex"'


@pytest.mark.parametrize(
    ("old", "new", "claim"),
    [
        ('key = ["client"]', 'key = ["client", "x"]', "files.bureau: `on` names as many columns as `key`"),
        ('on = ["person"]', 'on = ["moves.x"]', "files.bureau.on: moves.x is not a column of the tape or of a file of one row"),
        ('on = ["bureau.account"]', 'on = ["late.x"]', "files.moves.on: late.x is not a column"),
        ('on = ["person"]', 'on = ["person"]\nundated = true', "files.bureau: `undated` is for files of many rows"),
        ('on = ["person"]', 'on = ["person"]\nwhere = { column = "x" }', "files.bureau.where: give either `is_one_of`"),
        ('on = ["person"]', 'on = ["status"]', "files.bureau.on: column status is a leak"),
        (LEAKS, LEAKS[:-1] + ', "bureau.client"]', "files.bureau.key: column bureau.client is a leak"),
        (LEAKS, LEAKS[:-1] + ', "bureau.grade"]', "facts.grade: column bureau.grade is a leak"),
        (LEAKS, LEAKS[:-1] + ', "moves.spent"]', "facts.spent_cents: column moves.spent is a leak"),
        (LEAKS, LEAKS[:-1] + ', "moves.on"]', "facts.moves: column moves.on is a leak"),
        (LEAKS, LEAKS + '\nwithheld = ["bureau.grade"]', "facts.grade: column bureau.grade is withheld"),
        (LEAKS, LEAKS + '\nwithheld = ["moves.kind"]', "facts.moves_out: column moves.kind is withheld"),
        (', "late.told_on"]', "]", "events: column late.told_on tells the outcome and is not listed"),
        (GRADE, 'column = "moves.kind"', "moves.kind: files.moves has many rows a loan; take a fact from it"),
        (GRADE, 'column = "bureau.grade"\nfile = "bureau"\ntake = "last"\nbefore = "x"', "facts.grade: files.bureau has one row a loan"),
        (GRADE, 'column = "grade"\nfile = "none"\ntake = "last"\nbefore = "x"', "facts.grade: there is no [files.none]"),
        (GRADE, 'column = "x"\nfile = "moves"', "facts.grade: `file` and `take` come together"),
        (GRADE, 'column = "x"\nbefore = "on"', "facts.grade: `where`, `before` and `within_months` are for facts taken"),
        (GRADE, 'file = "moves"\ntake = "sum"\ncolumn = "kind"\nbefore = "on"', "facts.grade: sum does not give category"),
        (GRADE, "lowercase = true", "facts.grade: `column` is missing"),
        (SPENT, SPENT.replace('before = "on"\n', ""), "facts.spent_cents: name in `before` the column that dates the rows"),
        (SPENT, SPENT + 'over = "x"\nover_min = 1\n', "facts.spent_cents: `over` is not for facts taken from many rows"),
        (SPENT, SPENT + 'where = { column = "x", above = 1, is_told = true }\n', "facts.spent_cents.where: give either"),
        (SPENT, SPENT + 'where = { column = "x", above = 1, also = [{ column = "y" }] }\n', "where.also[0]: give either"),
        (MOVES, MOVES + 'column = "x"\n', "facts.moves: count counts rows and reads no `column`"),
        (MANY, MANY + "\nundated = true", ""),
        ('before = "on"\nwithin_months = 3', "within_months = 3", "facts.moves_recent: last and `within_months` need `before`"),
        ('event_on = { column = "paid_on" }', "event_on = { constant = 2011-01-01 }", "event_on: name the column of files.late"),
        ('known_on = { column = "told_on" }', "known_on = { add_days = 1 }", "known_on: name the column of files.late"),
        ('file = "late"', 'file = "bureau"', "events[1]: files.bureau has one row a loan"),
        ('key = ["id"]\n[as_of]', 'key = ["bureau.client"]\n[as_of]', "row: `key` names columns of the tape"),
        ('key = ["id"]\n[as_of]', 'ignore = ["person"]\n[as_of]', "files.bureau.on: column person is ignored or a leak"),
        (SEX, SEX.replace("monitoring", "facts"), "tell it in [monitoring.sex]"),
        (SEX, SEX.replace("sex]", "grade]"), "monitoring.grade: the product has no such prohibited attribute"),
        (SEX, SEX + '\nover = "age"\nover_min = 1', "monitoring.sex: it is read from one column"),
        (SEX, SEX + '\notherwise = "x"', "monitoring.sex: 'x' is not one of the attribute's categories"),
        ('column = "amount"', 'column = "age"', "facts.amount_cents: column age tells monitoring.age_group and can't tell"),
        (AGE, 'column = "status"\nedges = [30, 60]', "monitoring.age_group: column status is a leak"),
        (AGE, 'column = "age"\nedges = [30]', "monitoring.age_group: `edges` are for a category attribute of one category more"),
        (AGE, 'column = "age"\nedges = [60, 30]', "monitoring.age_group: `edges` rise"),
        (AGE, AGE + '\nvalues = { x = "old" }', "monitoring.age_group: give either `edges` or `values`"),
        ('column = "amount"', 'column = "amount"\nedges = [1]', "facts.amount_cents: `edges` are for a category"),
        ("lost = 2.5", "lost = 0", "weight.values"),
    ],
)  # fmt: skip
def test_a_faulty_join_is_refused_and_says_where(old, new, claim):
    assert old in joins.MAPPING
    text = joins.MAPPING.replace(old, new)
    if not claim:
        load_mapping(text, joins.PRODUCT)
        return
    with pytest.raises(Refused) as refused:
        load_mapping(text, joins.PRODUCT)
    assert claim in str(refused.value)


def test_a_column_of_dated_rows_may_serve_events_and_facts_when_all_facts_come_from_before_the_day():
    text = joins.MAPPING.replace('file = "late"\nwhen = { column = "days"', 'file = "moves"\nwhen = { column = "spent"')
    text = text.replace('"paid_on" }', '"on" }').replace('"told_on" }', '"on" }')
    load_mapping(text, joins.PRODUCT)
    undated = text.replace(MANY, MANY + "\nundated = true").replace(SPENT, SPENT.replace('before = "on"\n', ""))
    with pytest.raises(Refused, match=r"events: column moves\.spent tells the outcome and is not listed"):
        load_mapping(undated, joins.PRODUCT)

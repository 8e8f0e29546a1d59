-- A loan is found by its number in its book, without its person.
CREATE INDEX natural_keys_by_book ON instant_credit.natural_keys (book, natural_key);

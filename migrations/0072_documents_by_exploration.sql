-- Every process looks once a second which exploration programmes run.
CREATE INDEX documents_by_exploration ON instant_credit.documents (recorded_at, content_hash)
WHERE kind IN ('exploration', 'exploration_end');

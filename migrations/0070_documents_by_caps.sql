-- Every process looks once a second which caps hold.
CREATE INDEX documents_by_caps ON instant_credit.documents (recorded_at, content_hash) WHERE kind = 'caps';

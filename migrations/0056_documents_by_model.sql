-- A model's training and its newest gate report are found by the model's hash, which stands first of all hashes in their canonical JSON.
CREATE INDEX documents_by_model ON instant_credit.documents (
    kind,
    (substring(encode(body, 'escape') FROM '"(?:bundle|candidate)_hash":"([0-9a-f]{64})"')),
    recorded_at,
    content_hash
) WHERE kind IN ('training', 'gate_report');

"""Edge. Cards: model card, data card and validation report, generated out of manifest, bundle and gate report; every number is computed."""

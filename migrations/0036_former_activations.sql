-- Releases go live by release_events; what was activated before stays readable, and nothing is added to it.
REVOKE INSERT ON instant_credit.release_activations FROM instant_credit_app;
REVOKE USAGE ON SEQUENCE instant_credit.release_activations_activation_seq FROM instant_credit_app;

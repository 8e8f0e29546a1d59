-- An activation's number is drawn before it is written: its leaf covers it.
GRANT USAGE ON SEQUENCE instant_credit.release_activations_activation_seq TO instant_credit_app;

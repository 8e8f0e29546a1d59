-- The library writes a row for every turn of a job into its log, which nothing reads after a month: the app may throw old rows away.
GRANT DELETE ON instant_credit.pgqueuer_log TO instant_credit_app;

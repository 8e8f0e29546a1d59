"""Edge. The counter (Litestar): applications, decisions, health, metrics, the OpenAPI document; what travels over HTTP and nothing else."""

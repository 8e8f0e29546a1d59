"""What the tests of commands share."""

import io

import pytest
import structlog


@pytest.fixture
def log():
    stream = io.StringIO()
    structlog.configure(
        processors=[structlog.processors.JSONRenderer(default=repr)],
        logger_factory=structlog.PrintLoggerFactory(stream),
    )
    yield stream
    structlog.reset_defaults()

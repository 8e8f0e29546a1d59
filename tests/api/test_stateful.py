"""schemathesis walks through the server by its links, with a key and without one."""

from collections import Counter
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import positive_data_acceptance
from schemathesis.specs.openapi.schemas import OpenApiSchema
from schemathesis.specs.openapi.stateful import OpenAPIStateMachine

from tests.budget import IS_PROVING
from tests.lending import House

WALKS, REQUESTS_MIN = (900, 5_000) if IS_PROVING else (12, 30)
STEPS = 6
# Whose bodies keep rules that no schema can say (days against each other and today, at most so many of one kind, what the record holds): a body
# that fits may be 422.
RULED = (
    "apply_",
    "open_draft_",
    "quote_",
    "change_draft",
    "submit_draft",
    "take_outcomes",
    "propose_release",
    "activate_release",
    "plan_experiment",
    "start_experiment",
    "ramp_experiment",
    "ask_for_job",
    "put_trigger",
)
OPEN = {"/health/live", "/health/ready", "/metrics", "/openapi.json"}


@pytest.fixture(scope="module")
def document(house: House) -> OpenApiSchema:
    return schemathesis.openapi.from_url(f"{house.server.address}/openapi.json")


def walk(document: OpenApiSchema, headers: dict[str, str]) -> Counter[tuple[str, int]]:
    """Walk; returns how often each path answered with each status."""
    statuses: Counter[tuple[str, int]] = Counter()
    machine: type[OpenAPIStateMachine] = document.as_state_machine()

    class Walker(machine):  # type: ignore[valid-type,misc] # the class is made of the document
        def get_call_kwargs(self, case: schemathesis.Case) -> dict[str, Any]:
            return {"headers": headers, "timeout": 20}

        def validate_response(self, response: Response, case: schemathesis.Case, **_: Any) -> None:
            statuses[case.operation.path, response.status_code] += 1
            name = case.operation.definition.raw["operationId"]
            excluded = [positive_data_acceptance] if headers and name.startswith(RULED) else []
            case.validate_response(response, excluded_checks=excluded, headers=headers)

    bounds = settings(
        max_examples=WALKS,
        stateful_step_count=STEPS,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Walker, settings=bounds)
    return statuses


@pytest.mark.prove
@pytest.mark.timeout(1_200)
def test_walks_with_a_key_keep_to_the_document(house: House, document: OpenApiSchema) -> None:
    statuses = walk(document, {"Authorization": f"Bearer {house.keys['all']}"})
    assert sum(statuses.values()) >= REQUESTS_MIN, statuses
    assert any(status == 201 for _, status in statuses), statuses
    assert not any(status >= 500 for _, status in statuses), statuses


@pytest.mark.prove
@pytest.mark.timeout(1_200)
def test_walks_without_a_key_get_nowhere(document: OpenApiSchema) -> None:
    statuses = walk(document, {})
    assert sum(statuses.values()) >= REQUESTS_MIN, statuses
    guarded = {status for path, status in statuses if path not in OPEN}
    assert guarded == {401}, statuses

"""Quotes over HTTP against a running server."""

from random import Random

from tests.api.test_openapi import Held
from tests.lending import House, invent_body


def test_a_quote_is_given_without_a_name_and_read_again(house: House) -> None:
    held, product = Held(house), house.documents.product
    path = f"/v1/products/{product.name}/quotes"
    body = {"facts": invent_body(product, Random(1))["facts"]}
    with house.client() as client, house.client("apply") as other, house.client("read") as reader:
        made = client.post(path, json=body)
        held.check(path, "post", made)
        assert made.status_code == 201
        again = client.get(made.headers["location"])
        held.check("/v1/quotes/{quote_id}", "get", again)
        assert again.content == made.content
        assert made.json()["links"]["apply"]["href"] == house.apply_url
        refused = client.post(path, json={**body, "applicant": {}})
        held.check(path, "post", refused)
        assert refused.status_code == 422
        assert other.get(made.headers["location"]).status_code == 404
        assert reader.post(path, json=body).status_code == 403

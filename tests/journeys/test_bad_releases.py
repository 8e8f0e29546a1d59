"""A server beside releases that do not prove themselves: it says why and never decides by one of them."""

import asyncio
import re
from pathlib import Path
from random import Random

import httpx

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.record.documents import put_document
from instant_credit.record.pool import open_record
from instant_credit.settings import read_settings
from tests.decision.bad_releases import BAD
from tests.lending import Documents, furnish, invent_body, serving
from tests.releasing import put_live


def test_a_server_serves_what_proves_itself_and_says_what_does_not(
    documents: Documents, environ: dict[str, str], tmp_path: Path
) -> None:
    bad = {f"product_{number}": (make(), words) for number, (make, words) in enumerate(BAD.values())}
    keys = asyncio.run(furnish(read_settings(environ), documents))

    async def activate_unproven() -> None:
        """As nothing but a hand in the database could."""
        actor = Actor(kind=ActorKind.JOB, id="tests")
        async with open_record(read_settings(environ)) as record:
            for product, (made, _) in bad.items():
                for kind, raw in made.parts:
                    await put_document(record, kind, raw, actor)
                await put_live(record, product, made.release_hash, actor)

    asyncio.run(activate_unproven())
    with serving(environ, tmp_path) as server:
        bearer = {"Authorization": f"Bearer {keys['all']}"}
        with httpx.Client(base_url=server.address, headers=bearer, timeout=30) as client:
            ready = client.get("/health/ready").json()
            assert ready["releases"] == {documents.product.name: documents.release_hash}
            assert ready["not_loaded"] == {product: made.release_hash for product, (made, _) in bad.items()}
            body = invent_body(documents.product, Random(1))
            answer = client.post(f"/v1/products/{documents.product.name}/applications", json=body)
            assert (answer.status_code, answer.json()["release"]) == (201, documents.release_hash)
            for product in bad:
                assert client.post(f"/v1/products/{product}/applications", json=body).status_code == 404
    lines = {line["product"]: line for line in server.log_lines() if line["event"] == "release_not_loaded"}
    assert lines.keys() == bad.keys()
    for product, (made, words) in bad.items():
        assert lines[product]["release_hash"] == made.release_hash
        assert re.search(words, lines[product]["reason"])

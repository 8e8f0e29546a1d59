"""A small lending world for tests: applications by chance, a tiny model through the real path, a release of it, a running server."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx
import numpy as np
from click.testing import CliRunner
from msgspec.structs import replace

from instant_credit.access.actors import Actor, ActorKind, Scope
from instant_credit.application.document import encode_product, load_product
from instant_credit.application.door import Door
from instant_credit.application.product import AttributeType, Product
from instant_credit.canonical import encode_canonical, hash_content
from instant_credit.commands import cli
from instant_credit.decision.release import (
    Manifest,
    decode_manifest,
    decode_reference,
    encode_manifest,
    encode_reference,
    make_reference,
)
from instant_credit.features.build import build_features
from instant_credit.features.pack import pack_facts
from instant_credit.features.program import compile_features
from instant_credit.policy.document import Policy, decode_policy, encode_policy, read_policy
from instant_credit.record.api_keys import create_key
from instant_credit.record.documents import DocumentKind, put_document
from instant_credit.record.pool import Record, open_record
from instant_credit.record.shipped import read_starter
from instant_credit.score.bundle import ENGINE_VERSION, Bundle, decode_bundle, encode_bundle
from instant_credit.score.calibration import Calibration
from instant_credit.score.model import compile_model, leaf_counts, score_rows
from instant_credit.score.proof import prove_bundle
from instant_credit.settings import Settings, read_settings
from instant_credit.training.dataset import list_columns
from instant_credit.training.fitting.fit import SIGNS, FitParameters, fit_model
from instant_credit.units import days_from_date
from tests.releasing import put_live

AS_OF = date(2026, 6, 15)
ROWS = 1500
PARAMETERS = FitParameters(iterations=40, learning_rate=0.1, variables_share=1.0, l2_leaf_reg=3.0, seed=1, threads=1)
# Tests are busier than any real client, and vary one body many times.
UNLIMITED = {"INSTANT_CREDIT_CLIENT_RATE": "0", "INSTANT_CREDIT_VARIANTS": "0"}
SERVER = Path(__file__).parent / "serving.py"

# Where the plain ranges of the product would be absurd together.
LIKELY: dict[str, tuple[float, float]] = {
    "requested_amount_cents": (100_000, 3_500_000),
    "income_annual_cents": (1_500_000, 20_000_000),
    "assistance_income_annual_cents": (0, 1_000_000),
    "debt_to_income_percent": (0, 40),
    "delinquencies_2y": (0, 3),
    "inquiries_6m": (0, 6),
    "open_accounts": (1, 25),
    "total_accounts": (1, 60),
    "public_records": (0, 1),
    "bankruptcies": (0, 1),
    "tax_liens": (0, 1),
    "revolving_balance_cents": (0, 5_000_000),
    "revolving_utilisation": (0, 1.2),
    "accounts_now_delinquent": (0, 0),
    "delinquent_amount_cents": (0, 0),
    "collections_12m": (0, 0),
    "chargeoffs_12m": (0, 0),
}


def personal_loan() -> Product:
    return load_product(read_starter("products", "personal_loan"))


def invent_values(product: Product, chance: Random, as_of: date = AS_OF) -> dict[str, Any]:
    """Natural values by attribute name; optional ones are missing now and then."""
    values: dict[str, Any] = {}
    for attribute in product.case_attributes:
        least, most = attribute.minimum or 0.0, attribute.maximum or 0.0
        low, high = LIKELY.get(attribute.name, (least, most))
        low, high = max(low, least), min(high, most)
        if not attribute.is_required and chance.random() < 0.1:
            continue
        if attribute.name == "term_months":
            values[attribute.name] = chance.choice([term for term in (36, 60) if low <= term <= high])
        elif attribute.type is AttributeType.CATEGORY:
            values[attribute.name] = chance.choice(attribute.categories)
        elif attribute.type is AttributeType.DATE:
            values[attribute.name] = as_of - timedelta(days=int(365.2 * chance.uniform(low + 1, min(high, 30) - 1)))
        elif attribute.type is AttributeType.REAL:
            values[attribute.name] = round(chance.uniform(low, high), 3)
        else:
            values[attribute.name] = int(chance.uniform(low, high + 1 - 1e-9))
    return values


def invent_body(product: Product, chance: Random, **facts: Any) -> dict[str, Any]:
    """The body of one application, ready for JSON; `facts` replace invented ones, None leaves one out."""
    values = {**invent_values(product, chance, datetime.now(UTC).date()), **facts}
    told = {name: v.isoformat() if isinstance(v, date) else v for name, v in values.items() if v is not None}
    number = f"{chance.randrange(10**9):09d}"
    applicant = {"name": "Ada Example", "identity_number": number, "address": "1 Example Street"}
    return {"applicant": applicant, "facts": told}


@dataclass(frozen=True)
class Documents:
    """A release as documents: kind and bytes in the order of recording; the last one is the manifest."""

    product: Product
    parts: tuple[tuple[str, bytes], ...]

    @property
    def by_hash(self) -> Mapping[str, bytes]:
        return {hash_content(raw): raw for _, raw in self.parts}

    @property
    def release_hash(self) -> str:
        return hash_content(self.parts[-1][1])


def make_documents(product: Product | None = None, policy: Policy | None = None) -> Documents:
    """A product and its policy, the shipped ones by default, with a tiny model, trained on invented loans by the real path."""
    product = product or personal_loan()
    policy = policy or read_policy(read_starter("policies", "personal_loan"))
    door = Door(product)
    chance = Random(5)
    facts = [door.check_facts(invent_values(product, chance), AS_OF) for _ in range(ROWS)]
    assert not any(isinstance(one, tuple) for one in facts), facts[:1]
    program = compile_features(product)
    days = np.full(ROWS, days_from_date(AS_OF), dtype=np.int32)
    matrix = build_features(program, pack_facts(program, facts, days)).model
    bundle = _train(product, matrix)
    model_raw = encode_bundle(bundle)
    model = compile_model(bundle.tables)
    safest = matrix[np.argsort(score_rows(model, matrix))[: ROWS // 2]]
    reference = make_reference(
        bundle,
        hash_content(model_raw),
        "The safer half of invented applicants.",
        len(safest),
        leaf_counts(model, safest),
    )
    parts = [
        ("product", encode_product(product)),
        ("model", model_raw),
        ("policy", encode_policy(policy)),
        ("reference", encode_reference(reference)),
    ]
    hashes = {f"{kind}_hash": hash_content(raw) for kind, raw in parts}
    manifest = Manifest(engine_version=ENGINE_VERSION, **hashes)
    return Documents(product=product, parts=(*parts, ("release", encode_manifest(manifest))))


def vary(documents: Documents, title: str) -> Documents:
    """The same release under a policy with another title, which is another release."""
    return with_policy(documents, replace(decode_policy(dict(documents.parts)["policy"]), title=title))


def with_policy(documents: Documents, policy: Policy) -> Documents:
    """The same release under another policy."""
    parts, raw = dict(documents.parts), encode_policy(policy)
    manifest = replace(decode_manifest(parts["release"]), policy_hash=hash_content(raw))
    changed = {**parts, "policy": raw, "release": encode_manifest(manifest)}
    return Documents(product=documents.product, parts=tuple(changed.items()))


def _more_points(bundle: Bundle) -> Bundle:
    return replace(bundle, scale=replace(bundle.scale, points=bundle.scale.points + 1))


def with_other_model(documents: Documents, change: Callable[[Bundle], Bundle] = _more_points) -> Documents:
    """The same release with another model: one of other points, or changed otherwise."""
    parts = dict(documents.parts)
    bundle = decode_bundle(parts["model"])
    model = encode_bundle(prove_bundle(replace(change(bundle), proof=None)))
    reference = encode_reference(replace(decode_reference(parts["reference"]), model_hash=hash_content(model)))
    manifest = replace(
        decode_manifest(parts["release"]), model_hash=hash_content(model), reference_hash=hash_content(reference)
    )
    changed = {**parts, "model": model, "reference": reference, "release": encode_manifest(manifest)}
    return Documents(product=documents.product, parts=tuple(changed.items()))


def write_training(documents: Documents) -> tuple[str, bytes]:
    """As much of the manifest of a training of the release's model as is looked for, as a document's kind and bytes."""
    model_hash = hash_content(dict(documents.parts)["model"])
    return DocumentKind.TRAINING, encode_canonical({"schema_version": 2, "bundle_hash": model_hash})


def _train(product: Product, matrix: Any) -> Bundle:
    """A model of loans whose risk follows the catalogue's directions, fitted as the workshop fits and not calibrated."""
    columns = list_columns(product)
    rng = np.random.default_rng(7)
    direction = np.array([SIGNS[one] for one in columns.directions], dtype=float)
    ranks = np.argsort(np.argsort(np.nan_to_num(matrix), axis=0), axis=0) / len(matrix) - 0.5
    margin = ranks @ (direction * 1.2) + rng.normal(0, 1, len(matrix)) - 2.0
    labels = (rng.random(len(matrix)) < 1 / (1 + np.exp(-margin))).astype(np.int8)
    bundle = Bundle(
        product_hash=hash_content(encode_product(product)),
        variables=columns.names,
        categories=columns.categories,
        directions=columns.directions,
        tables=fit_model(matrix, labels, columns, PARAMETERS).tables,
        calibration=Calibration(),
    )
    return prove_bundle(bundle)


@dataclass
class Served:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    address: str
    log: Path
    modules: Path

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask the server to end; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(timeout=40)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status

    def log_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def start_server(environ: Mapping[str, str], folder: Path, *options: str, leads_group: bool = False) -> Served:
    """Start `instant-credit serve` on a free port and wait until it says where it listens.

    Parameters
    ----------
    leads_group : whether it has a process group of its own, as under a terminal or a service manager.
    """
    log = folder / "serve.log"
    modules = folder / "modules.json"
    with log.open("a") as stream:
        process = subprocess.Popen(
            [sys.executable, str(SERVER), str(modules), "serve", "--port", "0", *options],
            env={**os.environ, **UNLIMITED, **environ},
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            start_new_session=leads_group,
        )
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"Serving (http://\S+)", line):
            return Served(process=process, address=found[1], log=log, modules=modules)
    process.wait()
    process.stdout.close()
    raise AssertionError(f"the server ended before it served: {log.read_text()}")


def wait_until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    """Ask until it is so; fail when it is not after `seconds`."""
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, f"not so after {seconds} s"


@contextmanager
def serving(environ: Mapping[str, str], folder: Path, *options: str) -> Iterator[Served]:
    """A server that ends with the block, whatever happens in it."""
    server = start_server(environ, folder, *options)
    try:
        yield server
    finally:
        server.stop()


@dataclass
class House:
    """A lender for tests: a database with a live release, keys, and a server."""

    folder: Path
    environ: dict[str, str]
    documents: Documents
    keys: dict[str, str]
    server: Served
    superuser_url: str

    @property
    def settings(self) -> Settings:
        return read_settings(self.environ)

    @property
    def apply_url(self) -> str:
        return f"/v1/products/{self.documents.product.name}/applications"

    def client(self, key: str = "all", **kwargs: Any) -> httpx.Client:
        """An HTTP client with one of the keys, each of a client of its own: all, apply, read, audit, validate."""
        headers = {"Authorization": f"Bearer {self.keys[key]}"}
        return httpx.Client(base_url=self.server.address, headers=headers, timeout=30, **kwargs)

    def restart(self) -> None:
        """Stop the server and start another one on the same record."""
        self.server.stop()
        self.server = start_server(self.environ, self.folder)


def anchor_record(environ: Mapping[str, str]) -> str:
    """Have `instant-credit audit anchor` sign what is new; the public key, in hex."""
    _run_audit(environ, "anchor")
    return _run_audit(environ, "public-key").strip()


def verify_record(environ: Mapping[str, str]) -> None:
    """Have `instant-credit audit verify` find nothing in the record of `environ`."""
    _run_audit(environ, "verify")


def _run_audit(environ: Mapping[str, str], command: str) -> str:
    done = CliRunner().invoke(cli, ["audit", command], env=dict(environ))
    assert done.exit_code == 0, done.output or done.exception
    return done.output


def found_house(folder: Path, environ: dict[str, str], documents: Documents, superuser_url: str) -> House:
    """Fill the database of `environ`, make the release live and start a server on it."""
    keys = asyncio.run(furnish(read_settings(environ), documents))
    server = start_server(environ, folder)
    return House(folder, environ, documents, keys, server, superuser_url)


async def furnish(settings: Settings, documents: Documents) -> dict[str, str]:
    actor = Actor(kind=ActorKind.JOB, id="tests")
    scopes = {
        "all": frozenset(Scope),
        "apply": {Scope.APPLY},
        "read": {Scope.DECISIONS_READ},
        "audit": {Scope.DECISIONS_READ_ALL},
        "validate": {Scope.RELEASES_READ, Scope.RELEASES_APPROVE},
    }
    async with open_record(settings) as record:
        await install_release(record, documents)
        return {
            name: await create_key(
                record, client_id=f"client-{name}", scopes=frozenset(held), expires_at=None, actor=actor
            )
            for name, held in scopes.items()
        }


async def install_release(record: Record, documents: Documents) -> None:
    """Record a release's documents and make it live."""
    actor = Actor(kind=ActorKind.JOB, id="tests")
    for kind, raw in documents.parts:
        await put_document(record, kind, raw, actor)
    await put_live(record, documents.product.name, documents.release_hash, actor)

"""Edge. The one reader of the environment.

Every variable is optional; the defaults make a laptop work. A variable that is set and empty counts as not set.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from msgspec import Struct

from instant_credit.access.limits import Allowance, VariantLimit
from instant_credit.errors import Refused

HOME: Final = "INSTANT_CREDIT_HOME"
KEY_RING: Final = "INSTANT_CREDIT_KEY_RING"
ANCHORS: Final = "INSTANT_CREDIT_ANCHORS"
ANCHOR_KEY: Final = "INSTANT_CREDIT_ANCHOR_KEY"
ANCHOR_SECONDS: Final = "INSTANT_CREDIT_ANCHOR_SECONDS"
HOST: Final = "INSTANT_CREDIT_HOST"
PORT: Final = "INSTANT_CREDIT_PORT"
CONNECTIONS: Final = "INSTANT_CREDIT_DATABASE_CONNECTIONS"
CLIENT_RATE: Final = "INSTANT_CREDIT_CLIENT_RATE"
CLIENT_BURST: Final = "INSTANT_CREDIT_CLIENT_BURST"
VARIANTS: Final = "INSTANT_CREDIT_VARIANTS"
VARIANT_HOURS: Final = "INSTANT_CREDIT_VARIANT_HOURS"
DATABASE_URL: Final = "DATABASE_URL"
DATABASE_OWNER_URL: Final = "DATABASE_OWNER_URL"
METRICS: Final = "PROMETHEUS_MULTIPROC_DIR"
TRACES: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"

PORT_DEFAULT: Final = 8420
CONNECTIONS_DEFAULT: Final = 8
ANCHOR_SECONDS_DEFAULT: Final = 60
CLIENT_RATE_DEFAULT: Final = 500
CLIENT_BURST_DEFAULT: Final = 1_000
VARIANTS_DEFAULT: Final = 20
VARIANT_HOURS_DEFAULT: Final = 24

_SSL_MODES: Final = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})


class Settings(Struct, frozen=True, kw_only=True):
    """Where things are.

    Attributes
    ----------
    home : directory of the embedded database, the key ring and reports.
    database_url : login of the server and of imports; None = embedded Postgres below `home`.
    database_owner_url : login that migrates; None = `database_url`.
    key_ring : file of master keys; made on first use, readable by its owner only.
    host, port : where `serve` listens.
    database_connections : most connections that one process opens to the database.
    anchors : file of signed anchors of the hash chain; None = below `home`.
    anchor_key : file of the key that signs them; None = beside the key ring.
    anchor_seconds : how often a server appends one; 0 = never.
    client_rate, client_burst : requests that one process takes of one client, a second and at once; a rate of 0 = without limit.
    variants, variant_hours : how many variants of one person's application it takes of one client within how many hours; 0 = without limit.
    has_traces : whether requests are traced for the OpenTelemetry collector that the environment names.
    """

    home: Path
    database_url: str | None = None
    database_owner_url: str | None = None
    key_ring: Path
    host: str = "127.0.0.1"
    port: int = PORT_DEFAULT
    database_connections: int = CONNECTIONS_DEFAULT
    anchors: Path | None = None
    anchor_key: Path | None = None
    anchor_seconds: int = ANCHOR_SECONDS_DEFAULT
    client_rate: int = CLIENT_RATE_DEFAULT
    client_burst: int = CLIENT_BURST_DEFAULT
    variants: int = VARIANTS_DEFAULT
    variant_hours: int = VARIANT_HOURS_DEFAULT
    has_traces: bool = False

    @property
    def anchors_file(self) -> Path:
        """Where anchors are."""
        return self.anchors or self.home / "audit" / "anchors.jsonl"

    @property
    def anchor_key_file(self) -> Path:
        """Where the key that signs anchors is."""
        return self.anchor_key or self.key_ring.with_name("anchor.pem")

    @property
    def allowance(self) -> Allowance | None:
        """What each client may take of a process; None = without limit."""
        return Allowance(rate=self.client_rate, burst=self.client_burst) if self.client_rate else None

    @property
    def variant_limit(self) -> VariantLimit | None:
        """How many variants of one application are let in; None = without limit."""
        return VariantLimit(variants=self.variants, hours=self.variant_hours) if self.variants else None

    def __repr__(self) -> str:
        """Logins hold passwords and stay out."""
        return f"Settings(home={str(self.home)!r}, host={self.host!r}, port={self.port})"


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Settings out of environment variables.

    Parameters
    ----------
    environ : usually ``os.environ``.

    Raises
    ------
    Refused : a variable holds what it cannot mean; the message names it, never its value.
    """
    home_text = environ.get(HOME, "")
    home = (Path(home_text) if home_text else Path("~/.local/share/instant-credit")).expanduser().absolute()
    key_ring = _read_path(environ, KEY_RING) or home / "keys" / "ring.json"
    database_url = _read_url(environ, DATABASE_URL)
    database_owner_url = _read_url(environ, DATABASE_OWNER_URL)
    if database_owner_url is not None and database_url is None:
        raise Refused(
            f"{DATABASE_OWNER_URL} is set without {DATABASE_URL}: set both, or neither for the embedded database"
        )
    return Settings(
        home=home,
        database_url=database_url,
        database_owner_url=database_owner_url,
        key_ring=key_ring,
        host=environ.get(HOST, "") or "127.0.0.1",
        port=_read_whole(environ, PORT, PORT_DEFAULT, least=0, most=65_535),
        database_connections=_read_whole(environ, CONNECTIONS, CONNECTIONS_DEFAULT, least=1, most=1_000),
        has_traces=bool(environ.get(TRACES, "").strip()),
        anchors=_read_path(environ, ANCHORS),
        anchor_key=_read_path(environ, ANCHOR_KEY),
        anchor_seconds=_read_whole(environ, ANCHOR_SECONDS, ANCHOR_SECONDS_DEFAULT, least=0, most=86_400),
        client_rate=_read_whole(environ, CLIENT_RATE, CLIENT_RATE_DEFAULT, least=0, most=1_000_000),
        client_burst=_read_whole(environ, CLIENT_BURST, CLIENT_BURST_DEFAULT, least=1, most=1_000_000),
        variants=_read_whole(environ, VARIANTS, VARIANTS_DEFAULT, least=0, most=10_000),
        variant_hours=_read_whole(environ, VARIANT_HOURS, VARIANT_HOURS_DEFAULT, least=1, most=720),
    )


def _read_path(environ: Mapping[str, str], name: str) -> Path | None:
    text = environ.get(name, "")
    return Path(text).expanduser().absolute() if text else None


def worker_environ(metrics: str) -> dict[str, str]:
    """The environment of a worker: this process's own, and the folder in which workers count together."""
    return {**os.environ, METRICS: metrics}


def _read_url(environ: Mapping[str, str], name: str) -> str | None:
    text = environ.get(name, "").strip()
    if not text:
        return None
    if not text.startswith(("postgresql://", "postgres://")):
        raise Refused(f"{name} must start with postgresql://")
    try:
        is_valid = _is_url(text)
    except ValueError:
        is_valid = False
    if not is_valid:
        raise Refused(f"{name} is not a valid URL (percent-encode special characters in the password)")
    return text


def _is_url(text: str) -> bool:
    """Whether each part of the URL is where it belongs: a slash, a question mark or a hash in a password moves the rest into
    another part, and leaves an @ or a port that is no number there.

    Raises
    ------
    ValueError : the host's brackets do not match.
    """
    parts = urlsplit(text)
    query = parse_qs(parts.query, strict_parsing=bool(parts.query))
    hosts = [
        *parts.netloc.rpartition("@")[2].split(","),
        *(host for text in query.get("host", ()) for host in text.split(",")),
    ]
    ports = [port for text in query.get("port", ()) for port in text.split(",")]
    for host in hosts:
        after = host.rpartition("]")[2] if host.startswith("[") else "" if unquote(host).startswith("/") else host
        _, colon, port = after.partition(":")
        ports += [port] if colon and port else []
    return (
        not parts.fragment
        and "@" not in parts.path + parts.query
        and all(port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= 65_535 for port in ports)
        and _SSL_MODES.issuperset(query.get("sslmode", ()))
    )


def _read_whole(environ: Mapping[str, str], name: str, default: int, *, least: int, most: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and least <= int(text) <= most):
        raise Refused(f"{name} must be a whole number from {least} to {most}")
    return int(text)

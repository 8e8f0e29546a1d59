"""Edge. The embedded Postgres: made on first use, shared by the processes of one home, stopped by the last one out.

Law of the file: the application is never superuser, nothing listens on a network, every login has a password, and a commit
is on disk when it returns.

Sharing needs no list of process ids that a crash could falsify. Every user holds a shared lock on ``users.lock`` for as long as
it lives (the kernel lets go when it dies). Whoever leaves takes ``gate.lock``, lets go, and tries for the exclusive lock:
getting it means that nobody else is left.

The data directory appears by one rename, after roles and database were made in single-user mode: it exists whole or not at all.
"""

import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

import msgspec
from msgspec import Struct

from instant_credit.errors import Conflict, Refused, Unavailable
from instant_credit.record.home import make_home, naming_folder
from instant_credit.record.installation import (
    Installation,
    choose_socket_folder,
    find_far_socket_folder,
    prepare_installation,
)
from instant_credit.settings import DATABASE_URL, HOME

DATABASE: Final = "instant_credit"
SUPERUSER: Final = "postgres"
OWNER: Final = "instant_credit_owner"
APP: Final = "instant_credit_app"
READER: Final = "instant_credit_reader"

_START_SECONDS: Final = 60
# After a crash of the server its last children live on for a moment and hold the shared memory.
_START_TRIES: Final = 8
_PAUSE_SECONDS: Final = 0.5
_PORT: Final = 5432
_NOT_RUNNING: Final = 3
# Postgres' programs pass paths to a shell inside double quotes, and a comma ends a folder of sockets.
_UNFIT: Final = frozenset('"$`\\,')

# Terse errors keep rows out of the server's log; statements are never logged.
_CONFIGURATION: Final = """\
listen_addresses = ''
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
port = 5432
fsync = on
synchronous_commit = on
full_page_writes = on
timezone = 'UTC'
log_timezone = 'UTC'
jit = off
logging_collector = on
log_directory = '../log'
log_filename = 'postgres-%a.log'
log_rotation_age = 1d
log_truncate_on_rotation = on
log_file_mode = 0600
log_error_verbosity = terse
log_min_error_statement = panic
"""


class Passwords(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Passwords of the cluster's logins, random, in a file of mode 0600."""

    superuser: str
    owner: str
    app: str
    reader: str

    def __repr__(self) -> str:
        return "Passwords()"


class Cluster(Struct, frozen=True, kw_only=True):
    """A running embedded Postgres."""

    sockets: Path
    passwords: Passwords

    def url(self, role: str, database: str = DATABASE) -> str:
        """Connection URL of one of the roles named in this module."""
        password = {
            SUPERUSER: self.passwords.superuser,
            OWNER: self.passwords.owner,
            APP: self.passwords.app,
            READER: self.passwords.reader,
        }[role]
        host = quote(str(self.sockets), safe="")
        return f"postgresql://{role}:{password}@/{database}?host={host}&port={_PORT}"


@contextmanager
def use_cluster(home: Path) -> Iterator[Cluster]:
    """The embedded Postgres of `home`, running while at least one process uses it.

    Raises
    ------
    Refused : the wheel with Postgres is not installed, or the home can't be used; the message says why.
    Unavailable : Postgres does not start here; the message holds its last words.
    """
    _check_home(home)
    make_home(home)
    control = home / "postgres"
    with naming_folder(home):
        control.mkdir(exist_ok=True, mode=0o711 if os.geteuid() == 0 else 0o700)
        lock = _open_lock(control / "users.lock")
    with lock as users:
        with naming_folder(home), _holding(control / "gate.lock"):
            installation = prepare_installation(home)
            passwords = _read_passwords(installation.control)
            _make_cluster(installation, passwords)
            sockets = choose_socket_folder(installation)
            _start(installation, sockets)
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield Cluster(sockets=sockets, passwords=passwords)
        finally:
            with _holding(control / "gate.lock"):
                fcntl.flock(users, fcntl.LOCK_UN)
                with suppress(BlockingIOError):
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _stop(installation)


def revive_cluster(home: Path) -> bool:
    """Start the embedded Postgres of `home` again if it ended; False when it runs. For whoever is inside `use_cluster`.

    Raises
    ------
    Refused : the home can't be used any more.
    Unavailable : Postgres does not start.
    """
    with naming_folder(home), _holding(home / "postgres" / "gate.lock"):
        installation = prepare_installation(home)
        if _is_running(installation):
            return False
        _start(installation, choose_socket_folder(installation))
    return True


def destroy_cluster(home: Path) -> bool:
    """Stop the embedded Postgres of `home` and delete its data for good, wherever they lie; False when there were none.

    Cut short, it leaves no half of the data that a start would take for the whole; calling it again ends it.

    Raises
    ------
    Conflict : a process uses it.
    """
    control = home / "postgres"
    with naming_folder(home):
        if not control.is_dir():
            return False
    with _holding(control / "gate.lock"), _open_lock(control / "users.lock") as users:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"the embedded Postgres of {home} is in use: end what uses it first") from None
        installation = prepare_installation(home)
        is_there = installation.data.exists()
        if is_there:
            _stop(installation)
            _delete(installation.draft)
            installation.data.rename(installation.draft)
        sockets = find_far_socket_folder(installation)
        if sockets is not None:
            _delete(sockets)
        _delete(installation.place)
        for note in ("place", "socket_folder", "passwords.json"):
            (installation.control / note).unlink(missing_ok=True)
    return is_there


def _check_home(home: Path) -> None:
    """Refuse a home whose path Postgres' programs can't take."""
    unfit = {character for character in str(home) if character in _UNFIT or not character.isprintable()}
    if unfit:
        named = " ".join(sorted(unfit & _UNFIT)) or "a character that cannot be printed"
        raise Refused(
            f"the embedded Postgres cannot live in a folder whose path holds {named}: "
            f"let {HOME} name another one, or set {DATABASE_URL}"
        )


def _delete(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _open_lock(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")


@contextmanager
def _holding(path: Path) -> Iterator[None]:
    with _open_lock(path) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read_passwords(control: Path) -> Passwords:
    path = control / "passwords.json"
    if not path.exists():
        fresh = Passwords(**{name: secrets.token_urlsafe(32) for name in Passwords.__struct_fields__})
        draft = control / ".passwords.json"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(fresh))
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    return msgspec.json.decode(path.read_bytes(), type=Passwords)


def _make_cluster(installation: Installation, passwords: Passwords) -> None:
    """Data directory with roles and database, unless it is there already."""
    if installation.data.exists():
        return
    draft = installation.draft
    _delete(draft)
    password_file = installation.place / ".password"
    with os.fdopen(os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(passwords.superuser + "\n")
    installation.own(password_file)
    try:
        made = installation.run(
            "initdb",
            "--pgdata",
            str(draft),
            "--username",
            SUPERUSER,
            "--auth",
            "scram-sha-256",
            "--pwfile",
            str(password_file),
            "--encoding",
            "UTF8",
            "--locale-provider",
            "builtin",
            "--builtin-locale",
            "C.UTF-8",
            "--locale",
            "C",
            "--no-instructions",
        )
    finally:
        password_file.unlink()
    if made.returncode != 0:
        raise Unavailable(f"initdb failed: {_last_words(made.stderr)}")
    with (draft / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write("\ninclude = 'instant_credit.conf'\n")
    # One statement a line: the single-user mode reads lines. Passwords are URL-safe base64, so need no quoting.
    statements = [
        f"CREATE ROLE {OWNER} LOGIN PASSWORD '{passwords.owner}'",
        f"CREATE ROLE {APP} LOGIN PASSWORD '{passwords.app}'",
        f"CREATE ROLE {READER} LOGIN PASSWORD '{passwords.reader}'",
        f"CREATE DATABASE {DATABASE} OWNER {OWNER}",
        f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE {DATABASE} TO {APP}, {READER}",
    ]
    _write_configuration(installation, draft, sockets=installation.place)
    single = installation.run(
        "postgres", "--single", "-D", str(draft), "-c", "exit_on_error=true", "-c", "logging_collector=off",
        SUPERUSER, given="".join(f"{statement}\n" for statement in statements),
    )  # fmt: skip
    if single.returncode != 0:
        raise Unavailable(f"the first statements failed: {_last_words(single.stderr)}")
    draft.rename(installation.data)


def _write_configuration(installation: Installation, data: Path, sockets: Path) -> None:
    path = data / "instant_credit.conf"
    quoted = '"' + str(sockets).replace('"', '""') + '"'
    path.write_text(_CONFIGURATION.format(sockets=quoted.replace("'", "''")), encoding="utf-8")
    path.chmod(0o600)
    installation.own(path)


def _is_running(installation: Installation) -> bool:
    """Whether Postgres itself runs on the data; a process id that another program has taken since a crash does not count."""
    status = installation.run("pg_ctl", "status", "--pgdata", str(installation.data))
    if status.returncode == _NOT_RUNNING:
        return False
    note = installation.data / "postmaster.pid"
    try:
        pid = int(note.read_text(encoding="utf-8").split("\n", 1)[0])
        command = Path(f"/proc/{abs(pid)}/cmdline").read_bytes()
    except (OSError, ValueError):
        return status.returncode == 0
    if b"postgres" in command.split(b"\0", 1)[0]:
        return True
    note.unlink(missing_ok=True)
    return False


def _start(installation: Installation, sockets: Path) -> None:
    if _is_running(installation):
        return
    _write_configuration(installation, installation.data, sockets)
    log = installation.place / "start.log"
    for left in reversed(range(_START_TRIES)):
        log.unlink(missing_ok=True)
        started = installation.run(
            "pg_ctl", "start", "--wait", "--timeout", str(_START_SECONDS), "--silent",
            "--pgdata", str(installation.data), "--log", str(log),
        )  # fmt: skip
        if started.returncode == 0:
            return
        if left:
            time.sleep(_PAUSE_SECONDS)
    raise Unavailable(f"the embedded Postgres does not start: {_last_words(_read_log(installation, log))}")


def _read_log(installation: Installation, log: Path) -> str:
    """What the server said last: its words go to `log` until its log collector takes over."""
    found = [path for path in (log, *(installation.place / "log").glob("*.log")) if path.exists()]
    newest = max(found, key=lambda path: path.stat().st_mtime_ns, default=None)
    return "" if newest is None else newest.read_text(encoding="utf-8", errors="replace")


def _stop(installation: Installation) -> None:
    if not _is_running(installation):
        return
    stopped = installation.run(
        "pg_ctl",
        "stop",
        "--wait",
        "--timeout",
        str(_START_SECONDS),
        "--silent",
        "--mode",
        "fast",
        "--pgdata",
        str(installation.data),
    )
    if stopped.returncode != 0 and _is_running(installation):
        raise Unavailable(f"the embedded Postgres does not stop: {_last_words(stopped.stderr)}")


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return json.dumps(" | ".join(lines[-3:]))

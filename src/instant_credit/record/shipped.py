"""Edge. What is shipped beside the code: migrations, SQL statements, starter documents. Read the same way from a clone and
from an installed wheel.
"""

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from instant_credit.errors import NotFound, Refused

_PACKAGE: Final = Path(str(files("instant_credit")))
_CLONE: Final = _PACKAGE.parent.parent


def migrations_folder() -> Path:
    """The folder of forward-only migrations.

    Raises
    ------
    Refused : it is not beside the package.
    """
    for parent in (_PACKAGE, _CLONE):
        if (parent / "migrations").is_dir():
            return parent / "migrations"
    raise Refused("the folder migrations is not beside the package: install instant-credit again")


@cache
def read_sql(name: str) -> str:
    """One statement out of ``record/sql/``, for instance ``"insert_document"``."""
    return (_PACKAGE / "record" / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def list_starters(kind: str) -> tuple[str, ...]:
    """Names of the shipped documents of one kind (``products``, ``policies``, ``mappings``, ``labels``), sorted."""
    return tuple(sorted(path.stem for path in (_PACKAGE / "starter" / kind).glob("*.toml")))


def read_starter(kind: str, name: str) -> str:
    """Text of one shipped document, for instance ``read_starter("products", "personal_loan")``.

    Raises
    ------
    NotFound : no such document is shipped.
    """
    if name not in list_starters(kind):
        raise NotFound("shipped document", f"{kind}/{name}")
    return (_PACKAGE / "starter" / kind / f"{name}.toml").read_text(encoding="utf-8")

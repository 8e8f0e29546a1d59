"""Documents that commands are told: a shipped one by its name, any other by the path of its file."""

from pathlib import Path

from instant_credit.errors import Refused
from instant_credit.record.shipped import list_starters, read_starter


def read_document(kind: str, name: str) -> str:
    """Text of the shipped document `name`, or of the file at that path.

    Parameters
    ----------
    kind : a folder of shipped documents: "products", "mappings" or "policies".

    Raises
    ------
    Refused : neither a shipped name nor a file of UTF-8 text; the message lists the shipped ones.
    """
    shipped = list_starters(kind)
    if name in shipped:
        return read_starter(kind, name)
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{name}: neither a readable file nor one of the shipped {kind}: {', '.join(shipped)}") from error

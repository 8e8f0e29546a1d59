"""The drafted documents as files, after proving that they load. Edge."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct

from instant_credit.application.document import load_product
from instant_credit.application.product import Name
from instant_credit.errors import BrokenInvariant, Refused
from instant_credit.training.drafting.documents.mapping_text import write_mapping
from instant_credit.training.drafting.documents.product_text import write_product
from instant_credit.training.drafting.draft import Draft, Wish, make_draft
from instant_credit.training.drafting.reading.profile import read_columns
from instant_credit.training.drafting.words.naming import slug_text
from instant_credit.training.tapes.mapping import load_mapping
from instant_credit.training.whole_files import replace_files
from instant_credit.underwriting.course import API_BOOKS

PRODUCT_FILE = "product.toml"
MAPPING_FILE = "mapping.toml"
_CURRENCY = re.compile(r"[A-Z]{3}")


class Drafted(Struct, frozen=True, kw_only=True, eq=False):
    """A draft and its two documents."""

    draft: Draft
    product: str
    mapping: str


def choose_name(path: Path) -> str:
    """A name for product, mapping and book out of the file's; never that of a book of the API's own."""
    slug = slug_text(path.name.partition(".")[0])[:50].strip("_")
    if slug in API_BOOKS:
        return f"{slug}_tape"
    return slug if slug and slug[0].isalpha() else f"tape_{slug}".rstrip("_")


def draft_files(
    paths: Sequence[Path], wish: Wish, progress: Callable[[str, int], None] = lambda _name, _rows: None
) -> Drafted:
    """Read the files, the first of which has a row for each loan, and draft product and mapping.

    Raises
    ------
    Refused : a file can't be read or joined, an option names what is not there, or no column is left to decide by.
    """
    try:
        msgspec.convert(wish.name, Name)
    except msgspec.ValidationError as error:
        raise Refused("--name is a-z, 0-9 and _, begins with a letter and has at most 63 characters") from error
    if wish.name in API_BOOKS:
        raise Refused(
            f"--name {wish.name}: the book of that name holds what came in through the API; give another name"
        )
    if wish.currency is not None and not _CURRENCY.fullmatch(wish.currency):
        raise Refused("--currency is an ISO code such as EUR")
    tapes = [read_columns(path, partial(progress, path.name)) for path in paths]
    progress("columns", 0)
    draft = make_draft(tapes, wish)
    drafted = Drafted(draft=draft, product=write_product(draft), mapping=write_mapping(draft))
    try:
        load_mapping(drafted.mapping, load_product(drafted.product))
    except Refused as error:
        raise BrokenInvariant(f"the draft of {paths[0].name} does not load: {error}") from error
    return drafted


def write_folder(drafted: Drafted, folder: Path, *, is_forced: bool) -> tuple[Path, Path]:
    """Write both documents into `folder`, whole or not at all.

    Raises
    ------
    Refused : one of them is there already, and it may have been edited.
    """
    paths = (folder / PRODUCT_FILE, folder / MAPPING_FILE)
    standing = [str(path) for path in paths if path.exists()]
    if standing and not is_forced:
        raise Refused(f"{' and '.join(standing)} would be lost: draft into another folder (--to), or give --force")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_files(dict(zip(paths, (drafted.product.encode(), drafted.mapping.encode()), strict=True)))
    except OSError as error:
        raise Refused(f"{error.filename or folder} can't be written: {error.strerror}") from error
    return paths

"""Documents that commands are told: a shipped one by its name, any other by the path of its file; and those in the record."""

from datetime import datetime
from pathlib import Path
from typing import Final

import click
import msgspec
from msgspec import Struct

from instant_credit.application.document import decode_product, hash_layout, load_product
from instant_credit.application.product import Product
from instant_credit.errors import Refused
from instant_credit.outcome.definition import AS_LAST_SEEN
from instant_credit.record.clock import SystemClock
from instant_credit.record.documents import DocumentKind, get_document, list_documents
from instant_credit.record.pool import Record
from instant_credit.record.reads import list_book_products
from instant_credit.record.shipped import list_starters, read_starter
from instant_credit.training.whole_files import replace_files

NEWEST: Final = "newest"
DOCUMENT_BYTES_MAX: Final = 4_194_304

# The option of commands that take a recorded model; what it is told goes through `find_model`.
model_option: Final = click.option(
    "--model",
    "model_hash",
    default=NEWEST,
    show_default=True,
    help="Hash of a recorded model bundle; by default the newest of the book's product.",
)

# The option of commands that label loans; what it is told goes through `read_document("labels", ...)`.
labels_option: Final = click.option(
    "--labels",
    default=AS_LAST_SEEN.name,
    show_default=True,
    help="What good and bad mean: a shipped definition's name or a TOML file (docs/labels.md).",
)


def refuse_future(_: click.Context, __: click.Parameter, told: datetime | None) -> datetime | None:
    """The day that a ``--known-on`` tells. Raises BadParameter for one to come: nobody can know by then what happens until then."""
    if told is not None and told.date() > SystemClock().now().date():
        raise click.BadParameter(
            "it lies ahead, and nobody knows yet what will be known then: give today or an earlier day"
        )
    return told


class _BundleHead(Struct, frozen=True):
    """What is read of a model bundle to know its product."""

    product_hash: str


_BUNDLE_DECODER: Final = msgspec.json.Decoder(_BundleHead)


def read_document(kind: str, name: str) -> str:
    """Text of the shipped document `name`, or of the file at that path.

    Parameters
    ----------
    kind : a folder of shipped documents: "products", "mappings", "policies" or "labels".

    Raises
    ------
    Refused : neither a shipped name nor a file of UTF-8 text of at most `DOCUMENT_BYTES_MAX`; the message lists the shipped ones.
    """
    shipped = list_starters(kind)
    if name in shipped:
        return read_starter(kind, name)
    try:
        with Path(name).open("rb") as file:
            raw = file.read(DOCUMENT_BYTES_MAX + 1)
        if len(raw) > DOCUMENT_BYTES_MAX:
            raise Refused(f"{name}: longer than {DOCUMENT_BYTES_MAX:,} bytes, so it is no document of these")
        return raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{name}: neither a readable file nor one of the shipped {kind}: {', '.join(shipped)}") from error


def require_folder(path: Path | None) -> None:
    """Refused unless the folder is there in which `path` is to be written, before the work whose end would fail."""
    if path is not None and not path.parent.is_dir():
        raise Refused(f"{path}: there is no folder {path.parent}; make it, or name another file")


def write_file(path: Path, text: str) -> None:
    """Write the text to `path`, whole or not at all. Raises Refused when it can't be written."""
    try:
        replace_files({path: text.encode()})
    except OSError as error:
        raise Refused(f"{path} can't be written: {error.strerror}") from error


async def find_model(record: Record, told: str, book: str, product: Product | None = None) -> str:
    """Hash of the model that the command line names: its own, or `NEWEST` as `find_newest_model` finds it.

    Raises
    ------
    Refused : there is none; the message says what to do.
    """
    if told == NEWEST:
        return await find_newest_model(record, book, product)
    if told not in {row.content_hash for row in await list_documents(record, DocumentKind.MODEL)}:
        raise Refused(f"no model {told} is recorded: give the hash that `instant-credit train` printed after Bundle:")
    return told


async def find_losses(record: Record, told: str) -> str:
    """The hash of a recorded loss table. Raises Refused when none of this hash is recorded; the message says what to do."""
    if told not in {row.content_hash for row in await list_documents(record, DocumentKind.LOSSES)}:
        raise Refused(
            f"no loss table {told} is recorded: give the hash that `instant-credit book losses --record` printed after Losses:"
        )
    return told


async def find_newest_model(record: Record, book: str, product: Product | None = None) -> str:
    """Hash of the model recorded last for `product`, by default for a product whose Cases `book` holds.

    A model fits when it was trained on a version of the product with the same columns.

    Raises
    ------
    Refused : the book holds no Case, or no such model is recorded; the message says what to do.
    """
    recorded = await list_book_products(record, book)
    if not recorded:
        raise Refused(f"book {book} holds no Case: import a tape into it first (instant-credit tape import)")
    names = sorted({one.product for one in recorded})
    if product is not None and product.name not in names:
        raise Refused(
            f"book {book} holds no Case of {product.name}, only of {', '.join(names)}: name another book or product"
        )
    versions = [await _read_product(record, one.product_hash) for one in recorded] if product is None else [product]
    wanted = {(one.name, hash_layout(one)) for one in versions}
    others = set()
    for row in reversed(await list_documents(record, DocumentKind.MODEL)):
        trained_on = await _read_product(
            record, _BUNDLE_DECODER.decode(await get_document(record, row.content_hash)).product_hash
        )
        if (trained_on.name, hash_layout(trained_on)) in wanted:
            return row.content_hash
        others.add(trained_on.name)
    if not others:
        raise Refused(f"no model is recorded: train one first (instant-credit train --book {book})")
    wants = sorted({name for name, _ in wanted})
    columns = " with these columns" if others & set(wants) else ""
    raise Refused(
        f"no model is recorded for {' or '.join(wants)}{columns}, only for {', '.join(sorted(others))}: "
        f"train one first (instant-credit train --book {book})"
    )


async def find_book_product(record: Record, book: str, told: str | None) -> Product:
    """The product told (a shipped name or a TOML file), or the document that the book was recorded under, its newest version.

    Raises
    ------
    Refused : the book holds no Case, or Cases of several products and none is told.
    """
    if told is not None:
        return load_product(read_document("products", told))
    recorded = await list_book_products(record, book)
    if not recorded:
        raise Refused(f"book {book} holds no Case: import a tape into it first (instant-credit tape import)")
    if len({one.product for one in recorded}) > 1:
        raise Refused(f"book {book} holds Cases of several products: name one with --product")
    return await _read_product(record, recorded[0].product_hash)


async def _read_product(record: Record, product_hash: str) -> Product:
    return decode_product(await get_document(record, product_hash))


async def find_product(record: Record, name: str, *, remedy: str = "give its file with --product") -> Product:
    """The newest recorded product called `name`, else the shipped one.

    Parameters
    ----------
    remedy : what to do when there is none.

    Raises
    ------
    Refused : there is none.
    """
    for row in reversed(await list_documents(record, DocumentKind.PRODUCT)):
        product = await _read_product(record, row.content_hash)
        if product.name == name:
            return product
    if name in list_starters("products"):
        return load_product(read_starter("products", name))
    raise Refused(f"product {name} is neither recorded nor shipped: {remedy}")

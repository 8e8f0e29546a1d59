"""Documents that commands are told: a shipped one by its name, any other by the path of its file; and those in the record."""

import os
from pathlib import Path
from typing import Final

from instant_credit.application.document import decode_product, load_product
from instant_credit.application.product import Product
from instant_credit.errors import Refused
from instant_credit.record.documents import DocumentKind, get_document, list_documents
from instant_credit.record.pool import Record, open_record
from instant_credit.record.shipped import list_starters, read_starter
from instant_credit.settings import read_settings

NEWEST: Final = "newest"


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


async def find_newest_model(record: Record) -> str:
    """Hash of the model recorded last."""
    models = await list_documents(record, DocumentKind.MODEL)
    if not models:
        raise Refused("no model is recorded: train one first (instant-credit train)")
    return models[-1].content_hash


async def find_product(name: str, document: str | None = None) -> Product:
    """The product document told on the command line, else the newest recorded one called `name`, else the shipped one.

    Raises
    ------
    Refused : there is none.
    """
    if document is not None:
        return load_product(read_document("products", document))
    async with open_record(read_settings(os.environ)) as record:
        for row in reversed(await list_documents(record, DocumentKind.PRODUCT)):
            product = decode_product(await get_document(record, row.content_hash))
            if product.name == name:
                return product
    if name in list_starters("products"):
        return load_product(read_starter("products", name))
    raise Refused(f"product {name} is neither recorded nor shipped: give its file with --product")

"""Drafts of small tapes for tests: from columns to documents that load."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from msgspec import Struct

from instant_credit.application.document import load_product
from instant_credit.application.product import Attribute, Product
from instant_credit.training.drafting.documents.doubts import list_doubts
from instant_credit.training.drafting.documents.folder import Drafted, choose_name, draft_files
from instant_credit.training.drafting.draft import Wish
from instant_credit.training.drafting.guessing.columns import guess_column
from instant_credit.training.drafting.guessing.guess import Guess, settle_law
from instant_credit.training.drafting.reading.profile import Column
from instant_credit.training.drafting.words.naming import Names
from instant_credit.training.tapes.mapping import load_mapping
from instant_credit.training.tapes.parts import TapeMapping

TODAY = date(2026, 11, 23)


class Loaded(Struct, frozen=True, kw_only=True):
    """A draft, its documents as loaded, and its doubts as one text."""

    drafted: Drafted
    product: Product
    mapping: TapeMapping
    doubts: str

    def attribute(self, name: str) -> Attribute:
        return next(one for one in self.product.attributes if one.name == name)


def draft(*paths: Path, **wish: Any) -> Loaded:
    """The draft of files, as both documents tell it."""
    drafted = draft_files(paths, Wish(**{"name": choose_name(paths[0]), "today": TODAY, **wish}))
    product = load_product(drafted.product)
    return Loaded(
        drafted=drafted,
        product=product,
        mapping=load_mapping(drafted.mapping, product),
        doubts="\n".join(f"{', '.join(one.places)}: {one.text}" for one in list_doubts(drafted.draft)),
    )


def write_tape(path: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    """A parquet file with these columns."""
    pl.DataFrame({name: pl.Series(values, strict=False) for name, values in columns.items()}).write_parquet(path)
    return path


def guess(name: str, texts: Sequence[str | None]) -> Guess:
    """What a column of these texts is taken for, under the law."""
    return settle_law(guess_column(Column(name, pl.Series(texts, dtype=pl.String), 0), Names("column")))

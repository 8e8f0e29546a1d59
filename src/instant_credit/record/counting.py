"""Edge. How often a person applied: asked of the record by whoever limits it."""

from datetime import datetime

from msgspec import Struct

from instant_credit.record.ids import least_id
from instant_credit.record.pool import Record
from instant_credit.record.sealing import bucket_of_person
from instant_credit.record.shipped import read_sql


class ApplicationCount(Struct, frozen=True, kw_only=True):
    """How many applications there are, and when the first of them was recorded; None when there is none."""

    applications: int
    first_at: datetime | None


async def count_applications(record: Record, person_id: bytes, client_id: str, since: datetime) -> ApplicationCount:
    """How many applications of one person a client made since an instant."""
    bucket = bucket_of_person(person_id)
    async with record.connection() as connection:
        row = await connection.fetchrow(read_sql("count_applications"), bucket, person_id, client_id, least_id(since))
    return ApplicationCount(applications=row["applications"], first_at=row["first_at"])

"""The day-built stack of suite `http`: FastAPI and pydantic, the model of `http_stack_model`, one SQLAlchemy insert an application.

    python -m benchmarks.http_stack DATABASE_URL FOLDER

The same uvicorn, uvloop and httptools as ours, asyncpg below SQLAlchemy, a pool of connections, one commit an application, made durable before
the answer. The handler is a coroutine that calls the model itself: the work holds the interpreter, so a pool of threads would only add
hand-overs.
"""

import asyncio
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pydantic
import uvloop
from fastapi import FastAPI
from sqlalchemy import JSON, DateTime
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.http_stack_model import CATEGORIES, TOLD, StackModel
from benchmarks.servers import serve_peer

PATH = "/applications"
REQUIRED = frozenset({"requested_amount_cents", "term_months", "income_annual_cents"})


class Base(DeclarativeBase):  # type: ignore[misc] # checked without sqlalchemy
    """SQLAlchemy's registry."""


class Row(Base):
    """One decided application."""

    __tablename__ = "decisions"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    application: Mapped[dict[str, Any]] = mapped_column(JSON)
    outcome: Mapped[str]
    pd: Mapped[float]
    apr: Mapped[float | None]
    reasons: Mapped[list[str]] = mapped_column(JSON)
    recorded_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


def _facts_model() -> Any:
    """The pydantic model of the facts that the model's variables are made of; others are passed over."""
    number = float | None
    fields: dict[str, Any] = {
        name: (float, pydantic.Field(ge=0)) if name in REQUIRED else (number, pydantic.Field(default=None, ge=0))
        for name in TOLD
    }
    fields["earliest_credit_on"] = (date | None, None)
    for name in CATEGORIES:
        fields[name] = (str | None, None)
    return pydantic.create_model("Facts", **fields)


class Applicant(pydantic.BaseModel):  # type: ignore[misc] # checked without pydantic
    """Who applies."""

    name: str = pydantic.Field(min_length=1, max_length=200)
    identity_number: str = pydantic.Field(min_length=4, max_length=64)
    address: str = pydantic.Field(min_length=1, max_length=500)


class Application(pydantic.BaseModel):  # type: ignore[misc] # checked without pydantic
    """The body."""

    applicant: Applicant
    facts: _facts_model()  # type: ignore[valid-type] # made of the list of variables


class Decided(pydantic.BaseModel):  # type: ignore[misc] # checked without pydantic
    """The answer."""

    id: UUID
    outcome: str
    pd: float
    apr: float | None
    instalment_cents: int | None
    reasons: list[str]


def create_stack(engine: AsyncEngine, model: StackModel) -> FastAPI:
    """The application over one engine and one model."""
    app = FastAPI(openapi_url=None)
    sessions = async_sessionmaker(engine, expire_on_commit=False)

    @app.post(PATH, status_code=201)  # type: ignore[untyped-decorator] # checked without fastapi
    async def apply(application: Application) -> Decided:
        decided = model.decide(application.facts.model_dump())
        row = Row(
            id=uuid4(),
            application=application.model_dump(mode="json"),
            outcome=decided["outcome"],
            pd=decided["pd"],
            apr=decided["apr"],
            reasons=decided["reasons"],
            recorded_at=datetime.now(UTC),
        )
        async with sessions() as session:
            session.add(row)
            await session.commit()
        return Decided(id=row.id, **decided)

    return app


async def serve(url: str, folder: Path) -> None:
    """Serve until a signal."""
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"), pool_size=8, max_overflow=8)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    await serve_peer(create_stack(engine, StackModel(folder)))
    await engine.dispose()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(sys.argv[1], Path(sys.argv[2])))

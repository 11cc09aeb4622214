import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Path
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# region the engine, the table `users`, the models, and the lifespan
engine = create_async_engine(os.environ["DATABASE_URL"])
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class UserCreate(BaseModel):
    name: str


class UserRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int
    name: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Create the tables at the start, and close the connections at the end."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


# endregion


async def get_session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session  # the endpoint runs with it; then it is closed


Session = Annotated[AsyncSession, Depends(get_session)]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]  # what the column can hold


@app.get("/users/{number}")
async def read_user(number: Number, session: Session) -> UserRead:
    user = await session.get(User, number)
    if user is None:
        raise HTTPException(404, f"no user {number}")
    return UserRead.model_validate(user)


@app.post("/users", status_code=201)
async def create_user(data: UserCreate, session: Session) -> UserRead:
    user = User(**data.model_dump())
    session.add(user)
    await session.commit()
    return UserRead.model_validate(user)

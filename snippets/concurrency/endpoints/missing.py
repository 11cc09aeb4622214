from fastapi import FastAPI
from pydantic import BaseModel


class UserRead(BaseModel):
    id: int
    name: str


app = FastAPI()
USERS = {1: UserRead(id=1, name="Ada")}


@app.get("/users/{number}")
async def read_user(number: int) -> UserRead:
    """Return a user, if there is one."""
    return USERS.get(number)

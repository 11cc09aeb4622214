from fastapi import FastAPI, HTTPException
from pydantic import BaseModel


class UserRead(BaseModel):
    id: int
    name: str


app = FastAPI()
USERS = {1: UserRead(id=1, name="Ada")}


@app.get("/users/{number}")
async def read_user(number: int) -> UserRead:
    """Return a user, or 404."""
    if number not in USERS:
        raise HTTPException(404, f"no user {number}")
    return USERS[number]

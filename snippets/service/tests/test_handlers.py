"""What a client sees of each endpoint."""

from httpx2 import AsyncClient

from tests.fixtures.sample_data import ANN


async def test_a_created_user_can_be_read(client: AsyncClient) -> None:
    created = await client.post("/users", json=ANN)
    assert created.status_code == 201
    read = await client.get(f"/users/{created.json()['id']}")
    assert read.status_code == 200
    assert read.json() == created.json()
    assert read.json().keys() == {"id", "email", "display_name", "created_at"}

cat > pay.py <<'PY'
import asyncpg


async def pay(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.exekute("UPDATE orders SET paid = true")
PY
mypy --strict --ignore-missing-imports pay.py && echo "without types: green"
mypy --strict pay.py || echo "the gate: refused"

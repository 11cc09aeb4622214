cat > planted.py <<'PY'
"""A fault that only a selected rule finds."""

import asyncio


async def send() -> None:
    """Start to send, and don't wait for the end."""
    asyncio.create_task(asyncio.sleep(1))
PY
ruff check --output-format=concise planted.py || echo "the gate: refused"
ruff check --ignore=RUF006 planted.py && echo "without the rule: green"

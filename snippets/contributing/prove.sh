.venv/bin/pytest docs/concurrency/order.md

.venv/bin/pytest --update-examples docs/concurrency/order.md
.venv/bin/pytest docs/concurrency/order.md

from flask import Flask

app = Flask(__name__)


@app.get("/invoices")
def read_invoices() -> list[int]:
    """Return the numbers of the invoices."""
    return [1, 2]

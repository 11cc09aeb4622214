import hashlib
import json

from fastapi import FastAPI

app = FastAPI()


def render(order: int) -> bytes:
    lines = [{"order": order, "line": line} for line in range(1000)]
    return json.dumps(lines).encode()


def sign(invoice: bytes) -> str:
    return hashlib.pbkdf2_hmac("sha256", invoice, b"salt", 20_000).hex()


@app.get("/invoices/{order}")
def invoice(order: int) -> str:
    return sign(render(order))

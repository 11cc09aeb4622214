import os
from http.client import HTTPConnection
from urllib.parse import urlsplit

from flask import Flask

app = Flask(__name__)


@app.get("/price")
def price() -> str:
    """Wait for the remote service, and hold the thread."""
    prices = urlsplit(os.environ["UPSTREAM_URL"]).netloc
    connection = HTTPConnection(prices, timeout=60)
    connection.request("GET", "/whoami")
    answer = connection.getresponse().read().decode()
    connection.close()
    return answer

import os
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2
from flask import Flask

app = Flask(__name__)


@cache
def client() -> httpx2.Client:
    """Keep one client for the remote service, and no cookies."""
    jar = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    url = os.environ["UPSTREAM_URL"]
    return httpx2.Client(base_url=url, cookies=jar, timeout=20)


@app.get("/price")
def price() -> str:
    """Wait for the remote service, and hold the thread."""
    return client().get("/whoami").text

import base64
import time

import jwt


# region what signs a good token, but for what is told
def signed(key: str, algorithm: str = "HS256", **claims: object) -> str:
    """Return a token; a claim of None is left out."""
    end = int(time.time()) + 3600
    told = {"sub": "7", "aud": "orders", "exp": end, **claims}
    kept = {name: told[name] for name in told if told[name] is not None}
    return jwt.encode(kept, key, algorithm)


# endregion
def wrong(key: str) -> dict[str, str]:
    """Return tokens that nobody may accept, by what is wrong with them."""
    head, body, signature = signed(key).split(".")
    _, other, _ = signed(key, sub="8").split(".")
    return {
        "another key": signed("another key, of 32 bytes or more"),
        "another algorithm": signed(key, "HS384"),
        "no signature": signed("", "none"),
        "a signature of other claims": f"{head}.{other}.{signature}",
        "a cut signature": f"{head}.{body}.{signature[:-4]}",
        "expired": signed(key, exp=int(time.time()) - 1),
        "no expiry": signed(key, exp=None),
        "another audience": signed(key, aud="invoices"),
        "no audience": signed(key, aud=None),
        "no subject": signed(key, sub=None),
        "a subject that is no id": signed(key, sub="ann"),
        "an id that no column holds": signed(key, sub="9" * 19),
        "no token": "garbage",
        "a huge token": "a" * 100_000,
        "a character that no text has": "\ud800",
        "a header that nests": base64.b64encode(b"[" * 99_999).decode() + "..",
    }

"""Print a bearer token: `TOKEN_KEY=… python -m dev.token 1 users:read`.

The key is the secret of the service, or a JWK set with a key that signs.
"""

import os
import sys
from datetime import timedelta

from accounts.tokens import mint

key, user_id, *scopes = os.environ.get("TOKEN_KEY", ""), *sys.argv[1:]
if not key:
    raise SystemExit("TOKEN_KEY is not set.")
try:
    print(mint(key, int(user_id), timedelta(hours=1), scopes))
except ValueError as error:
    raise SystemExit(f"TOKEN_KEY: {error}") from None

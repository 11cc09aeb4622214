"""Print a bearer token: `TOKEN_KEY=… python -m dev.token 1`."""

import os
import sys
from datetime import timedelta

from accounts.config import Settings
from accounts.tokens import issue

for name, value in {"DATABASE_URL": "postgresql://", "REDIS_URL": "redis://"}.items():
    os.environ.setdefault(name, value)  # required, but not used here
print(issue(Settings(), int(sys.argv[1]), timedelta(hours=1)))

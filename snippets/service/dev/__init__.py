"""Real parts for development and tests, from wheels: no system service, no Docker."""

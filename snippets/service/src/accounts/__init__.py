"""Users: create, read, list, change, stream, and a welcome e-mail."""

from importlib.metadata import version

__version__ = version("accounts")

"""What a use case needs to be done whole or not at all."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

Transaction = Callable[[], AbstractAsyncContextManager[object]]
"""Begins a transaction; its end commits, an exception rolls back."""

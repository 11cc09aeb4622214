"""Serve the site as `mkdocs serve` does, but do once what comes out the same each time.

What is remembered depends on its key alone, so no byte of the site changes.
Run it as `python -m tests.speed.serve`, with the options of `mkdocs serve`, the address last.
"""

import copy
import functools
import socket
import sys
from typing import Any

import material.plugins.search.plugin as search  # type: ignore[import-untyped]  # it has no types
import mkdocs.commands.serve
import pymdownx.highlight
from jinja2 import Environment, MemcachedBytecodeCache
from mkdocs.__main__ import cli
from mkdocs.livereload import LiveReloadServer
from mkdocs.theme import Theme


class Memory(dict[str, bytes]):
    """What Jinja takes for a client of memcached."""

    set = dict.__setitem__


def remember() -> None:
    """Make all further builds of this process remember what they highlight, index and compile."""
    highlight, feed, get_env = pymdownx.highlight.highlight, search.Parser.feed, Theme.get_env
    templates = MemcachedBytecodeCache(Memory())  # type: ignore[arg-type]  # a dict will do
    highlighted: dict[object, str] = {}

    def highlight_once(code: str, lexer: Any, formatter: Any) -> str:
        inline = getattr(formatter, "pymdownx_inline", None)  # which its options don't tell
        options = repr((lexer.options, formatter.options, inline))
        key = (code, type(lexer), type(formatter), options)
        if key not in highlighted:
            highlighted[key] = highlight(code, lexer, formatter)
        return highlighted[key]

    @functools.cache
    def sections(html: str) -> Any:
        parser = search.Parser()
        feed(parser, html)
        parser.close()
        return parser.data

    def feed_once(parser: Any, html: str) -> None:
        parser.data = [copy.copy(section) for section in sections(html)]  # the index sets titles

    def get_warm_env(self: Theme) -> Environment:
        environment = get_env(self)
        environment.bytecode_cache = templates
        return environment

    pymdownx.highlight.highlight = highlight_once
    search.Parser.feed = feed_once
    Theme.get_env = get_warm_env  # type: ignore[method-assign]  # that is the point


def hold_free(address: str) -> None:
    """End with what to do, before the site is built, where an address can't be listened on."""
    host, _, port = address.rpartition(":")
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            trial.bind((host, int(port)))
        except OSError as error:
            other = f"{host}:{int(port) + 1}"
            sys.exit(f"{address}: {error.strerror}. Take another: make serve ADDRESS={other}")


if __name__ == "__main__":
    hold_free(sys.argv[-1])
    remember()
    watcher = functools.partial(LiveReloadServer, polling_interval=0.2)  # seconds, not 0.5
    vars(mkdocs.commands.serve)["LiveReloadServer"] = watcher
    cli(["serve", *sys.argv[1:]])

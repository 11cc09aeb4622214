"""Find what frameworks accept in silence: `python -m dev.wiring`.

A second route for the same requests, a second handler for the same error, a second task
of one name, middleware that wraps twice, a router that nobody includes, and a setting
that nobody reads: each is taken without a word, and one of the two does nothing.
"""

import ast
import importlib
import os
import pkgutil
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from celery import Celery
from fastapi import APIRouter, FastAPI
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.routing import compile_path

from accounts import api
from accounts.config import ServerSettings
from accounts.main import create_app

ROOT = Path(__file__).parents[1]
EXAMPLE = {
    "DATABASE_URL": "postgresql://",
    "REDIS_URL": "redis://",
    "TOKEN_KEY": "to look at how it is wired, no more",
}
"""Settings that lead nowhere."""
PARAMETER = re.compile(r"{(\w+)(:\w+)?}")
VALUES = {":int": "1", ":float": "1.5", ":uuid": f"{0:032x}"}


# --8<-- [start:findings]
def findings() -> Iterator[str]:
    """Give a sentence for each thing that is there in vain."""
    with recorded(FastAPI, "add_exception_handler") as handlers:
        app = create_app()
    yield from twice("error handlers", ((told[0], told[1]) for told in handlers))
    wraps = ((layer.cls, layer.cls) for layer in app.user_middleware)
    yield from twice("middlewares", wraps)
    yield from hidden_routes(app)
    yield from forgotten_routes(app)
    with recorded(Celery, "_task_from_fun") as tasks:
        importlib.import_module("accounts.tasks")
        importlib.import_module("accounts.broker").celery.finalize()
    made = dict.fromkeys((name_of_task(told), told[0]) for told in tasks)
    yield from twice("tasks", made)  # one that is asked for early is made twice
    yield from unread(ServerSettings.model_fields)


# --8<-- [end:findings]


@contextmanager
def recorded(kind: type, method: str) -> Iterator[list[tuple[Any, ...]]]:
    """Note with what a method is called, keyword arguments last."""
    original: Callable[..., Any] = getattr(kind, method)
    calls = list[tuple[Any, ...]]()

    def record(self: object, *told: object, **named: object) -> object:
        calls.append((*told, named))
        return original(self, *told, **named)

    setattr(kind, method, record)
    try:
        yield calls
    finally:
        setattr(kind, method, original)


def name_of_task(told: tuple[Any, ...]) -> str:
    """Return under which name a task is registered."""
    return str(told[-1].get("name") or (told[1] if len(told) > 2 else place(told[0])))


def place(thing: Any) -> str:  # noqa: ANN401  a function, a class, or what wraps one
    """Return where something is defined."""
    thing = getattr(thing, "__wrapped__", thing)
    name = getattr(thing, "__qualname__", type(thing).__qualname__)
    code = getattr(thing, "__code__", None)
    line = f":{code.co_firstlineno}" if code else ""
    return f"{getattr(thing, '__module__', '?')}.{name}{line}"


def twice(what: str, pairs: Iterable[tuple[object, object]]) -> Iterator[str]:
    """Give those that come again under the same key."""
    seen = dict[object, object]()
    for key, one in pairs:
        if key in seen:
            known = key if isinstance(key, str) else place(key)
            yield f"two {what} for {known}: {place(seen[key])} and {place(one)}"
        seen.setdefault(key, one)


# --8<-- [start:routes]
def hidden_routes(app: FastAPI) -> Iterator[str]:
    """Give the routes that no request reaches, as another one comes before."""
    routes = [route for route in iter_route_contexts(app.routes) if route.path]
    for route in routes:
        path = PARAMETER.sub(example, route.path or "")
        for method in sorted(route.methods or ()):
            first = next(one for one in routes if takes(one, method, path))
            if first is not route:
                both = f"{place(first.endpoint)} and {place(route.endpoint)}"
                yield f"two routes for {method} {route.path}: {both}"
                break


def example(parameter: re.Match[str]) -> str:
    """Return what a parameter of a path may be."""
    return VALUES.get(parameter[2], "x")


def takes(route: RouteContext, method: str, path: str) -> bool:
    """Tell whether a route takes a request."""
    pattern, _, _ = compile_path(route.path or "")
    return method in (route.methods or ()) and bool(pattern.match(path))


# --8<-- [end:routes]


def forgotten_routes(app: FastAPI) -> Iterator[str]:
    """Give the handlers of routers that the app doesn't include, and operation ids."""
    known = {route.endpoint for route in iter_route_contexts(app.routes)}
    for module in pkgutil.iter_modules(api.__path__, "accounts.api."):
        for router in vars(importlib.import_module(module.name)).values():
            if isinstance(router, APIRouter):
                for route in router.routes:
                    endpoint = getattr(route, "endpoint", None)
                    if endpoint not in known:
                        yield f"no app includes the route of {place(endpoint)}"
    with warnings.catch_warnings(record=True, action="always") as told:
        app.openapi()
    yield from (f"the schema: {warning.message}" for warning in told)


# --8<-- [start:settings]
def unread(names: Iterable[str]) -> Iterator[str]:
    """Give the settings that no line of the service reads."""
    files = [*ROOT.glob("src/**/*.py"), ROOT / "gunicorn.conf.py"]
    read = {
        node.attr
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
        if "settings" in ast.unparse(node.value)
        or (file.name == "config.py" and ast.unparse(node.value) == "self")
    }
    yield from (f"nobody reads {name.upper()}" for name in names if name not in read)


# --8<-- [end:settings]


def main() -> int:
    """Print what was found; return the exit status."""
    for name, value in EXAMPLE.items():
        os.environ[name] = value
    found = list(findings())
    print(*found or ["Nothing is there in vain."], sep="\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())

from importlib.metadata import metadata

LIBRARIES = ["asyncpg", "fastapi", "sqlalchemy", "uvicorn"]


def required(library: str) -> str:
    """Return the oldest Python that an installed library supports."""
    return str(metadata(library)["Requires-Python"]).removeprefix(">=")


def floor(libraries: list[str]) -> str:
    """Return the oldest Python that all of these libraries support."""
    return max(required(library) for library in libraries)


def main() -> None:
    print(floor(LIBRARIES))
    #> 3.9.0


if __name__ == "__main__":
    main()

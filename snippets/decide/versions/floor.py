from importlib.metadata import metadata

from packaging.specifiers import SpecifierSet
from packaging.version import Version

LIBRARIES = ["asyncpg", "fastapi", "sqlalchemy", "uvicorn"]


def required(library: str) -> Version:
    """Return the oldest Python that an installed library supports."""
    told = metadata(library).get_all("Requires-Python", [])
    rules = SpecifierSet(",".join(told))
    least = [rule for rule in rules if rule.operator in (">=", "~=", ">", "==")]
    return max(
        (Version(rule.version.removesuffix(".*")) for rule in least),
        default=Version("3"),
    )


def floor(libraries: list[str]) -> str:
    """Return the oldest Python that all of these libraries support."""
    return str(max(required(library) for library in libraries))


def main() -> None:
    print(floor(LIBRARIES))
    #> 3.11


if __name__ == "__main__":
    main()

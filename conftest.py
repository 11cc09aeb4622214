"""Load the engine for pages and tests alike: pytest looks for it only here."""

pytest_plugins = [
    "tests.engine.plugin",
    "tests.parts.plugin",
    "tests.parts.evidence",
    "tests.pythons.newer",
    "tests.sessions",
]

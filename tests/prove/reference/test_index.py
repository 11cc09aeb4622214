"""What the list of the function reference says of each page."""

import pytest

from tests.engine.pages import DOCS
from tests.prove import contents, prose

REFERENCE = DOCS / "reference"
TOLD = {  # each part that the list names, with a module that the page shows
    "application": {"start": "startup", "settings": "config", "shutdown": "shutdown"},
    "api": {"endpoints": "handlers", "what goes in and out": "schemas", "errors": "errors"}
    | {"health": "health", "tokens": "tokens"},
    "domain": {"what the service decides": "user_service"},
    "storage": {"tables": "user", "repositories": "user_repository", "the database": "database"}
    | {"the cache": "cache"},
    "background": {"what happens after the answer": "tasks"},
    "telemetry": {"logs": "logs", "metrics": "metrics"},
}


@pytest.mark.holds(
    "Function reference",
    "Application: start, settings and shutdown.",
    "API: endpoints, what goes in and out, errors, health and tokens.",
    "Domain: what the service decides.",
    "Storage: tables, repositories, the database and the cache.",
    "Background: what happens after the answer.",
    "Telemetry: logs and metrics.",
)
def test_each_page_shows_what_the_list_says_of_it() -> None:
    assert {page.stem for page in REFERENCE.glob("*.md")} == {"index", *TOLD}
    text = (REFERENCE / "index.md").read_text()
    for name, parts in TOLD.items():
        *most, last = parts
        said = f"{', '.join(most)} and {last}" if most else last
        title = contents.title_of(f"reference/{name}.md")
        assert f"- [{title}]({name}.md): {said}.\n" in text
        shown = {file.stem for _, file in prose.references(REFERENCE / f"{name}.md")}
        assert set(parts.values()) <= shown

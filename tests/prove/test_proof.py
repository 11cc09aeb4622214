"""What the proof page says: its template gives each block a row."""

from types import SimpleNamespace

import jinja2
import pytest
from bs4 import BeautifulSoup

from tests.engine.pages import DOCS
from tests.prove import claims, prose

INSTRUCTIONS = [
    "Open its row to see what proved it.",
]
TEMPLATES = DOCS / "templates"
MAIN = "{% block content %}{% block after_content %}{% endblock %}{% endblock %}"


@pytest.mark.holds("Each block of this site stands here.")
def test_each_block_has_a_row_for_its_proof() -> None:
    pages, title = prose.pages(), '<span class="filename">'
    shown = [
        SimpleNamespace(
            content=title * len(prose.blocks(page)),
            file=SimpleNamespace(src_uri=claims.page_id(page)),
            url=claims.page_id(page).removesuffix("md"),
            title=page.stem,
        )
        for page in pages
    ]
    loaders = [jinja2.DictLoader({"main.html": MAIN}), jinja2.FileSystemLoader(TEMPLATES)]
    site = jinja2.Environment(loader=jinja2.ChoiceLoader(loaders), autoescape=False)  # noqa: S701  MkDocs sets it so
    site.filters["url"] = str
    html = site.get_template("proof.html").render(nav=SimpleNamespace(pages=shown))
    rows = BeautifulSoup(html, "html.parser").select("li[data-row]")
    wanted = [
        f"{claims.page_id(page)[:-3]}:{n + 1}"
        for page in pages
        for n in range(len(prose.blocks(page)))
    ]
    assert [row["data-row"] for row in rows] == wanted != []
    assert all(row.select("[data-proof]") for row in rows)

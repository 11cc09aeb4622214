"""Fill a copy of the project with pages whose blocks pass every gate."""

import re
from pathlib import Path

from tests.parts.copies import copied

SHORT = '''\
def total{n}(amounts: list[int]) -> int:
    """Return the sum of all amounts."""
    return sum(amounts)


print(total{n}([1, 2, {n}]))
#> {sum}
print(total{n}([]))
#> 0
'''
LONG = '''\
from itertools import accumulate


class Account{n}:
    """A balance that remembers each amount, numbered {n}."""

    def __init__(self) -> None:
        self.amounts: list[int] = []

    def add(self, amount: int) -> None:
        """Add an amount, or raise `ValueError` for one that isn't positive."""
        if amount < 0:
            raise ValueError(amount)
        self.amounts.append(amount)

    def balances(self) -> list[int]:
        """Return the balance after each amount."""
        return list(accumulate(self.amounts))


def main() -> None:
    account = Account{n}()
    for amount in (1, 2, {n}):
        account.add(amount)
    print(account.balances())
    #> [1, 3, {sum}]

    try:
        account.add(-1)
    except ValueError as error:
        print("refused:", error)
        #> refused: -1


if __name__ == "__main__":
    main()
'''
ABOVE = "\n## When you need this\n\nRead this page.\n\n## The rule\n\nRead each block.\n"
BELOW = """
## Check

Copy `{name}`.

## See also

- [Tests, in the documentation of pytest](https://docs.pytest.org/)
"""
SAID = ["Read this page.", "Read each block."]


def generate(copy: Path, pages: int, blocks: int, snippet: str = LONG) -> None:
    """Copy the project to a new folder and add pages of so many blocks each.

    Page 0 is `docs/generated/page0.md`, its block 0 `snippets/generated/page0/b0.py`.
    """
    copied(copy)
    nav = "  - Generated:\n"
    for page in range(pages):
        name, text = f"generated/page{page}", f"# Read page p{page}\n{ABOVE}"
        said = [f"Read page p{page}", *(f"Read block b{block}" for block in range(blocks)), *SAID]
        for block in range(blocks):
            path, n = f"{name}/b{block}.py", page * blocks + block
            text += f'\n## Read block b{block}\n\n```python title="{path}"\n--8<-- "{path}"\n```\n'
            write(copy / "snippets" / path, snippet.format(n=n, sum=n + 3))
        called = re.findall(r"(?:class|def) (\w+)", snippet.format(n=page * blocks, sum=0))[0]
        write(copy / f"docs/{name}.md", text + BELOW.format(name=called))
        said.append(f"Copy {called}.")
        test = copy / f"tests/prove/generated/test_page{page}.py"
        write(
            test,
            f"INSTRUCTIONS = {said}\n\n\ndef test_nothing_but_the_blocks() -> None:\n    pass\n",
        )
        nav += f"      - {name}.md\n"
    with (copy / "mkdocs.yml").open("a") as config:
        config.write(nav)


def write(file: Path, text: str) -> None:
    """Write a file, and the folders above it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)

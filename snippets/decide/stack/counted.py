from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine, event, text


@contextmanager
def sent(engine: Engine) -> Iterator[list[str]]:
    """Yield a list of the statements that an engine sends meanwhile."""
    statements = list[str]()

    def note(_: object, __: object, statement: str, *___: object) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


if __name__ == "__main__":
    engine = create_engine("sqlite://")
    with sent(engine) as statements, engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    print(statements)
    #> ['SELECT 1']

import sqlite3
from contextlib import closing


def load() -> sqlite3.Connection:
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE scans (page BLOB)")
    for _ in range(20):
        database.execute("INSERT INTO scans VALUES (zeroblob(1000000))")
    return database


if __name__ == "__main__":
    with closing(load()) as database:
        print(*database.execute("SELECT count(*) FROM scans"))
        #> (20,)

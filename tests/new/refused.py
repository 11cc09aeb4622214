"""Names that no project may have, with the cause that is told of each; places where none can be."""

import shutil
from pathlib import Path

REFUSED = {
    "class": "is a word of the language",
    "match": "is a word of the language",
    "json": "would shadow a module of the standard library",
    "asyncore": "would shadow a module of the standard library",  # of Python 3.11 alone
    "compression": "would shadow a module of the standard library",  # since Python 3.14
    "list": "would shadow a built-in name",
    "jwt": "would shadow a package that the service installs",  # the module of PyJWT
    "typing_inspection": "would shadow a package that the service installs",
    "null": "is no text in YAML",
    "on": "is no text in YAML",
    "src": "is a file or a folder of the project already",
    "": "it has no name",
    "Order Desk": (
        "is no name of a package. Take small letters, digits and single hyphens, a letter first, "
        "such as order-desk"
    ),
    "order--desk": "is no name of a package",
    "../x": "is no name of a package",
    "straße": "is no name of a package",
    "a" * 25: "is too long. Take 24 characters at most",
}


def places(base: Path) -> list[tuple[str, str, dict[str, str], str]]:
    """Return names and places that are refused, with the environment and the cause.

    In the folder `base` stand a file and a full folder, and then a PATH without git.
    """
    bare = base / "bin"
    bare.mkdir()
    for program in "make", "sh", "python3":
        (bare / program).symlink_to(str(shutil.which(program)))
    nobody = {"GIT_COMMITTER_NAME": "", "GIT_AUTHOR_NAME": ""}
    return [
        ("json", str(base / "new"), {}, "'json' would shadow a module of the standard library"),
        ("orders", str(base / "full"), {}, "full isn't empty"),
        ("orders", str(base / "file"), {}, "file is a file"),
        ("orders", str(base / "no/folder"), {}, "there is no folder"),
        ("orders", "orders", {}, "is in the playbook"),
        ("orders", str(base / "new"), {"PATH": str(bare)}, "git isn't on PATH"),
        ("orders", str(base / "new"), nobody, "empty ident name"),
    ]

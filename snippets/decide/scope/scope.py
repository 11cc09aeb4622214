"""Say what a branch changes out of the scope that its base records."""

import subprocess
import sys
import tomllib

Scope = dict[str, dict[str, str]]
DIFF = "diff", "--name-only", "--no-renames", "-z"
CURE = "Leave it, or agree on another scope first"


def git(*words: str) -> str:
    """Return what git prints; raise `CalledProcessError` where it fails."""
    command = ["git", *words]
    done = subprocess.run(  # noqa: S603  git, with words of ours
        command, capture_output=True, text=True, check=True
    )
    return done.stdout


def refusals(base: str, scope: Scope) -> list[str]:
    """Return a line for each changed file that the scope doesn't name."""

    def changed(*paths: str) -> list[str]:
        return git(*DIFF, f"{base}...HEAD", "--", *paths).split("\0")[:-1]

    out = [
        (file, why)
        for path, why in scope["out"].items()
        for file in changed(path)
    ]
    named = [
        f":(top,exclude){path}" for part in scope.values() for path in part
    ]
    rest = [
        (file, "scope.toml doesn't name it") for file in changed(":/", *named)
    ]
    return [
        f"{file} is out of scope: {why}. {CURE}." for file, why in [*out, *rest]
    ]


def recorded(base: str) -> Scope:
    """Return the base's scope; raise `ValueError` if a path guards nothing."""
    scope: Scope = tomllib.loads(git("show", f"{base}:scope.toml"))
    for path in scope["out"]:
        if not git("ls-tree", "-r", base, "--", path):
            refusal = (
                f"scope.toml names {path}, which isn't there. Mend the path."
            )
            raise ValueError(refusal)
    return scope


def main(bases: list[str]) -> list[str]:
    """Hold the branch against each base."""
    return [line for base in bases for line in refusals(base, recorded(base))]


if __name__ == "__main__":
    if told := main(sys.argv[1:]):
        sys.exit("\n".join(told))

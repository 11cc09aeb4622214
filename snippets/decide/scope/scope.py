"""Say what a branch changes out of the scope that its base records."""

# region how git is asked
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


def changed(base: str, *paths: str) -> list[str]:
    """Return the files that the branch changed below some paths."""
    return git(*DIFF, f"{base}...HEAD", "--", *paths).split("\0")[:-1]


# endregion
def refusals(base: str, scope: Scope) -> list[str]:
    """Return a line for each changed file that is not in scope."""
    found = dict[str, str]()
    for path, why in scope["out"].items():
        found |= dict.fromkeys(changed(base, path), why)
    named = [f":(top,exclude){path}" for path in scope["in"] | scope["out"]]
    for file in changed(base, ":/", *named):
        found[file] = "scope.toml doesn't name it"
    return [
        f"{file} is out of scope: {why}. {CURE}." for file, why in found.items()
    ]


# region the scope where the branch began
def recorded(began: str) -> Scope:
    """Return its scope; raise `ValueError` if a path outside guards nothing."""
    scope: Scope = tomllib.loads(git("show", f"{began}:scope.toml"))
    for path in scope["out"]:
        if not git("ls-tree", "-r", began, "--", path):
            told = f"scope.toml names {path}, which isn't there"
            raise ValueError(told + ". Mend the path.")
    return scope


# endregion
def main(base: str) -> list[str]:
    """Hold the branch against the scope that stood where it began."""
    if changed(base) == ["scope.toml"]:
        return []
    began = git("merge-base", base, "HEAD").strip()
    return refusals(base, recorded(began))


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit("Name the base, as in: python scope.py origin/main")
    if told := main(sys.argv[1]):
        sys.exit("\n".join(told))

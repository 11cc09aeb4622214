"""Say what a branch changes out of its scope."""

import subprocess

Scope = dict[str, dict[str, str]]


def git(*words: str) -> str:
    """Return what git prints; raise `CalledProcessError` where it fails."""
    command = ["git", *words]
    done = subprocess.run(  # noqa: S603  git, with words of ours
        command, capture_output=True, text=True, check=True
    )
    return done.stdout


def refusals(base: str, scope: Scope) -> list[str]:
    """Return a line for each changed file that is out of scope."""
    files = git("diff", "--name-only", f"{base}...HEAD").splitlines()
    out = tuple(scope["out"])
    return [f"{file} is out of scope" for file in files if file.startswith(out)]

# region repository
git init --quiet --initial-branch=main
echo 'URL = "postgresql+asyncpg://orders:kept-for-ever@db"' > settings.py
git add settings.py
git commit --quiet --message "Add settings"
printf 'import os\n\nURL = os.environ["DATABASE_URL"]\n' > settings.py
git commit --quiet --all --message "Delete the password"
# endregion
history() { # of a repository, with what only a merge has
  git -C "$1" log --all --patch --text --diff-merges=separate > history.txt
}
scan() {
  detect-secrets-hook --no-verify "$1" > report.txt
}
scan settings.py && echo "the files: green"
git clone --quiet --depth=1 "file://$PWD" shallow
history shallow
scan history.txt && echo "a shallow clone: green"
history .
detect-secrets scan --no-verify history.txt > report.txt && echo "scan: green"
scan history.txt || echo "the history: refused"
grep "Secret Type" report.txt

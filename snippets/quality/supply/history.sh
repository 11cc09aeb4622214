# region repository
git init --quiet --initial-branch=main
echo 'password: kept-for-ever' > settings.yml
git add settings.yml
git commit --quiet --message "Add settings"
echo 'host: db' > settings.yml
git commit --quiet --all --message "Delete the password"
# endregion
scan() { # each version of each file of a repository, under each of its names
  rm -rf versions && mkdir versions && found=0
  test "$(git -C "$1" rev-parse --is-shallow-repository)" = false || return
  git -C "$1" -c core.quotePath=off log --all -m --raw --no-abbrev \
    --no-renames --diff-filter=d --ignore-submodules --format= |
    cut -d' ' -f4- | sort -u | while read -r object _ path; do
    mkdir -p "versions/$object"
    git -C "$1" cat-file blob "$object" > "versions/$object/${path##*/}" || exit
  done &&
    git -C "$1" log --all --format=%B > versions/messages.txt &&
    find versions -type f \
      -exec detect-secrets-hook --no-verify {} + > report.txt || found=1
  rm -r versions # it holds each deleted password
  return "$found"
}
detect-secrets-hook --no-verify settings.yml && echo "the file: green"
git log --all --patch > log.txt
detect-secrets-hook --no-verify log.txt && echo "the log: green"
git clone --quiet --depth=1 "file://$PWD" shallow
scan shallow || echo "a shallow clone: refused"
scan . || echo "the history: refused"
grep "Secret Type" report.txt

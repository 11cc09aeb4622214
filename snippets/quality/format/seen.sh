unseen() {
  tracked=$(git -c core.quotePath=off ls-files '*.py' '*.pyi')
  test -n "$tracked" || return 0 # nothing to read is no proof
  shown=$(mktemp)
  ruff check --show-files | sed "s|^$(pwd -P)/||" > "$shown"
  echo "$tracked" | grep -vxFf "$shown"
  test $? -ne 1 # 1: grep read all, and nothing is left
}
unseen && echo "the gate: refused"
git mv dist distances
unseen || echo "the gate: green"

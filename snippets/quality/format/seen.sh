unseen() {
  tracked=$(git -c core.quotePath=off ls-files '*.py' '*.pyi')
  test -n "$tracked" || return 0 # nothing to read is no proof
  echo "$tracked" | grep -vxF "$(ruff check --show-files |
    sed "s|^$(pwd -P)/||")"
}
unseen && echo "the gate: refused"
git mv dist distances
unseen || echo "the gate: green"

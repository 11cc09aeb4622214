unseen() {
  git ls-files '*.py' | grep -vxF "$(ruff check --show-files |
    sed "s|^$(pwd -P)/||")"
}
unseen && echo "the gate: refused"
git mv dist distances
unseen || echo "the gate: green"

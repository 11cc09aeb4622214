reasons() {
    bare='# *type: *ignore *(\[[^]]*\])?[[:space:]]*$'
    grep -rnE --include='*.py' "$bare" . && return 1
    test $? -eq 1
}
echo 'cents: int = "5"  # type: ignore[assignment]' > planted.py
reasons || echo "an ignore without a reason: refused"
echo 'cents: int = "5"  # type: ignore[assignment]  # from a form' > planted.py
reasons && mypy planted.py && echo "with a reason: green"
echo 'import asyncgp' > planted.py
mypy planted.py || echo "a misspelt import: refused"

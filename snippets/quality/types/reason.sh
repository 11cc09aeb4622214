reasons() {
    bare='# *(mypy:|type: *ignore[[:space:]]*(#|$|\[[^]]*\][[:space:]]*$))'
    grep -rnE --include='*.py' --include='*.pyi' --exclude-dir='.?*' \
        "$bare" . && return 1
    test $? -eq 1
}
echo 'cents: int = "5"  # type: ignore[assignment]' > planted.py
reasons || echo "an ignore without a reason: refused"
echo 'cents: int = "5"  # type: ignore[assignment]  # from a form' > planted.py
reasons && mypy planted.py && echo "with a reason: green"
printf '# type: ignore  # made by a tool\ncents: int = "5"\n' > planted.py
mypy planted.py && echo "an ignore of the whole file: green"
reasons || echo "an ignore of the whole file: refused"
echo 'import asyncgp' > planted.py
mypy planted.py || echo "a misspelt import: refused"

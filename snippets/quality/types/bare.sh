cat > total.py <<'PY'
def total(cents: int, rate: int) -> int:
    return cents * rate


print(total("500", rat))  # type: ignore
PY
mypy --strict total.py && echo "a bare ignore: green"
python total.py 2> error.log || tail -n 1 error.log
mypy --strict --enable-error-code=ignore-without-code total.py ||
    echo "the gate: refused"

sed -i.bak 's/ignore$/ignore[arg-type]  # from a form/' total.py
mypy --strict total.py || echo "with a code: refused"

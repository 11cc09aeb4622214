limited() {
    echo "$*:"
    pytest --timeout=2 --random-order-seed=1 -rA "$@" hung.py |
        grep -oE '^(PASSED|FAILED) [a-z_.:]+' || echo "no report"
}
limited --timeout-method=signal --numprocesses=0
limited --timeout-method=thread --numprocesses=0
limited --timeout-method=thread --numprocesses=2

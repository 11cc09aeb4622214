limited() {
    echo "$*:"
    pytest --timeout=2 --random-order-seed=1 -rfp "$@" hung.py |
        grep -oE '^(PASSED|FAILED) [a-z_.:]+|in deliver$'
}
limited --timeout-method=signal --numprocesses=0
limited --timeout-method=thread --numprocesses=0
limited --timeout-method=thread --numprocesses=2

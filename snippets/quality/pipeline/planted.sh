gate() { "$@" >> gate.log 2>&1 && echo passes || echo refuses; }
plant() {
    sed "$2" .github/workflows/test.yml > test.yml
    ! cmp -s test.yml .github/workflows/test.yml || exit
    schema=$(gate check-jsonschema \
        --builtin-schema vendor.github-workflows test.yml)
    audit=$(gate zizmor \
        --offline --persona=auditor --strict-collection test.yml)
    echo "$1: the schema $schema, the audit $audit"
}
plant "an action by its tag" 's/@3d3c42e.*/@v7/'
plant "too many rights" 's/^permissions: {}/permissions: write-all/'
plant "an unknown key" 's/timeout-minutes/timeout-seconds/'
plant "a failure that counts for nothing" \
    's/^    timeout-minutes.*/&\n    continue-on-error: true/'
plant "a job that never runs" 's/^    timeout-minutes.*/&\n    if: false/'
plant "a pipe" 's/run: bash.*/& | tee test.log/'
plant "a shell that runs nothing" \
    's/run: bash.*/&\n        shell: bash -c true {0}/'
plant "a make that goes on" 's/^permissions: {}/&\nenv:\n  MAKEFLAGS: -i/'

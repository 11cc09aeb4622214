check-jsonschema --builtin-schema vendor.github-workflows \
    .github/workflows/*.yml
zizmor --offline --persona=auditor --strict-collection .github/workflows

check-jsonschema --builtin-schema vendor.github-workflows \
    .github/workflows/*.y*ml
zizmor --offline --persona=auditor --strict-collection .github/workflows

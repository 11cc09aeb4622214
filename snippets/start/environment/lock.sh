uv pip compile --quiet --universal --generate-hashes \
    --output-file requirements.txt pyproject.toml

uv pip compile --quiet --universal --python-version 3.11 \
    --generate-hashes --output-file requirements.txt pyproject.toml

uv pip compile --universal --python-version 3.11 --generate-hashes \
    --output-file requirements.txt pyproject.toml &&
    uv pip compile --universal --python-version 3.11 --generate-hashes \
        --constraint requirements.txt --group dev \
        --output-file requirements-dev.txt pyproject.toml

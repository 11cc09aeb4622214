uv pip install --quiet receipts urllib3==2.7.0
uv pip uninstall --quiet requetss
uv pip check && echo "uv pip check: green"
cyclonedx-py environment --no-validate --output-file sbom.json .venv
python meant.py sbom.json requirements.txt || echo "the gate: refused"

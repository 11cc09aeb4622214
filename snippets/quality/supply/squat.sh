cp requirements.txt known.txt # or: git show origin/main:requirements.txt
echo "requetss" >> requirements.in
uv pip compile --quiet --generate-hashes --output-file requirements.txt \
  requirements.in
uv pip sync --quiet --require-hashes requirements.txt && echo "install: green"
uv pip check && echo "uv pip check: green"
cyclonedx-py environment --no-validate --output-file sbom.json .venv
python meant.py sbom.json requirements.txt && echo "the SBOM: green"
python almost.py known.txt requirements.txt || echo "the names: refused"
: > known.txt # as where main wasn't fetched
python almost.py known.txt requirements.txt || echo "no names: refused"

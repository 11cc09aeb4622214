python registry.py # leave it out in your project
echo "requests" > requirements.in
uv pip compile --quiet --generate-hashes --output-file requirements.txt \
  requirements.in &&
  uv venv --quiet &&
  uv pip sync --quiet --require-hashes requirements.txt &&
  cyclonedx-py environment --no-validate --output-file sbom.json .venv &&
  python meant.py sbom.json requirements.txt && echo "the gate: green"

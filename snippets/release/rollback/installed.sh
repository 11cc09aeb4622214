set -eu
deploy() {
    git switch --quiet --detach "$1"
    uv pip install --quiet --python env --no-index --find-links wheels \
        --requirement requirements.txt
    installed=$(uv pip freeze --quiet --python env)
    echo "$1: $installed"
}
uv venv --quiet env
deploy v1.2.2
cp newer/*.whl wheels/
deploy v1.2.3
deploy v1.2.2

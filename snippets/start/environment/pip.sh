python3 -m venv --clear --without-pip .venv &&
    python3 -m pip --python .venv install --require-hashes \
        --only-binary :all: --requirement requirements.txt &&
    python3 -m pip --python .venv check &&
    .venv/bin/python verify.py orders

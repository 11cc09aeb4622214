python3 -m venv --clear --without-pip .venv
pip="python3 -m pip --python .venv"
$pip install --require-hashes --requirement requirements.txt
$pip check
.venv/bin/python verify.py orders

exec 3> gate.log 2>&3
pytest --cov-fail-under=95 >&3 && echo "no --cov: green"
pytest --cov --cov-fail-under=95 --no-cov >&3 && echo "--no-cov: green"
pytest --cov=order --cov-config=/dev/null >&3 && echo "no such package: green"
pytest --cov --cov-fail-under=95 | tee tee.log >&3 && echo "piped: green"
pytest --cov --cov-fail-under=95 --cov-precision=0 >&3 && echo "rounded: green"
pytest --cov --cov-fail-under=95 >&3 || echo "the gate: refused"

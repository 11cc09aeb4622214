cat > migrate.py <<'PY'
import subprocess

subprocess.run("make migrate", shell=True, check=True)  # noqa
subprocess.run(["make"], check=True)  # noqa: S602  it takes no argument
PY
ruff check --isolated --select=S602 migrate.py &&
  echo "a mark without a code: green"
ruff check --isolated --select=PGH004,RUF100,S602 --output-format=concise . ||
  echo "the gate: refused"

git apply ../playbook/snippets/start/project/asked.patch &&
    .venv/bin/pytest tests/test_name.py

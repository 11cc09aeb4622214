git apply ../playbook/snippets/start/project/answered.patch &&
    .venv/bin/pytest tests/test_name.py &&
    make xs &&
    git add src tests &&
    git commit --message="Name the service in its health check"

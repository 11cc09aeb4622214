cat > .pre-commit-config.yaml <<'YAML'
repos:
  - repo: local
    hooks:
      - id: format
        name: format
        entry: ruff format --check --force-exclude
        language: system
        types_or: [python, pyi]
      - id: lint
        name: lint
        entry: ruff check --force-exclude
        language: system
        types_or: [python, pyi]
YAML
git init --quiet --initial-branch=main
git add .pre-commit-config.yaml
git commit --quiet --message "Check each commit"
prek install

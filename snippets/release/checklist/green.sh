git switch --quiet --detach v1.2.3
python settle.py lines.toml

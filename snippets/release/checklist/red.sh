git switch --quiet --detach v1.3.0
echo "# a change" >> test_users.py
cp newer/*.whl wheels/
python settle.py lines.toml || echo "no release"

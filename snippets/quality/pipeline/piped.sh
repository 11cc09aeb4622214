printf 'test:\n\t@exit 1\n' > Makefile
echo "make test | tee test.log" > step
bash -e step && echo "without shell: green"
bash --noprofile --norc -eo pipefail step || echo "with shell: bash: red"

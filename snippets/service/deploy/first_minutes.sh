# The first ten minutes of an incident. Nothing here changes anything.
# SERVER and RELAY are addresses; the rest is what the service reads.
ask() { curl --silent --show-error --max-time 5 "$1"; echo; }

ask "$SERVER/readyz"                       # does it reach its database?
ask "$SERVER/metrics" | grep 'status="5'   # which counts of errors grow? Ask twice
ask "$SERVER/metrics" | grep '^outbox_'    # what waits, and for how long?
ask "$RELAY/healthz"                       # does the relay still turn?
alembic current                            # is it the release's revision?
python -m accounts.outbox                  # what was set aside, and why?

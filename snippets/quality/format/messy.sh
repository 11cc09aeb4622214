cat > invoices.py <<'PY'
import os, sys
from decimal import Decimal,ROUND_HALF_UP
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping


def later( names:list[str],first:int )->list[str] :
  return names[ first+1 : ]
PY

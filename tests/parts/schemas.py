"""check-jsonschema, started in a fifth of the time: without the grammar of IRIs.

No schema that the tests ask about names a format, so none asks for an IRI.
"""

from pathlib import Path

LIGHT = {"PYTHONPATH": str(Path(__file__).with_name("without"))}  # variables of its process

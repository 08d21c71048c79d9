"""docs/result.schema.json, and a result held against it."""

import json

import jsonschema

from host_tests.lab import programs

SCHEMA = json.loads((programs.ROOT / "docs/result.schema.json").read_text("utf-8"))
_CHECK = jsonschema.Draft202012Validator(SCHEMA)


def holds(result):
    """Check a result as it is written; gives it back."""
    wrong = [f"{list(each.absolute_path)}: {each.message}" for each in _CHECK.iter_errors(result)]
    assert not wrong, wrong
    return result

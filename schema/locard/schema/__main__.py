"""`python -m locard.schema > docs/event.schema.json` publishes the JSON Schema of the event."""

from __future__ import annotations

import json
import sys

from locard.schema import event_json_schema

json.dump(event_json_schema(), sys.stdout, indent=1, sort_keys=True)
sys.stdout.write("\n")

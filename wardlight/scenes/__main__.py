"""Prints the JSON Schema of the scene language."""

from __future__ import annotations

import sys

from wardlight.scenes.schema import schema_text

if __name__ == "__main__":
    sys.stdout.write(schema_text())

"""Writes the kept histories anew: `python -m tests.workflows.record`.

Do so when a story gains a scene worth keeping. When replaying a kept history fails, it is the story that needs a patch
(`workflow.patched`), not the history a new recording.
"""

import sys
from pathlib import Path

import pytest

SCENES = sorted(Path(__file__).parent.glob("*scenes.py"))


def main() -> int:
    return int(pytest.main(["-p", "no:cacheprovider", "-o", "python_files=*scenes.py", *map(str, SCENES)]))


if __name__ == "__main__":
    sys.exit(main())

"""`python -m deploy.grafana`: writes deploy/grafana/dashboards, which is what Grafana reads; or a folder that is named.

`make docs` runs it; a test fails when a dashboard is not what this would write.
"""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.grafana.shelf import texts

FOLDER = Path(__file__).parent / "dashboards"


def main(argv: list[str]) -> int:
    folder = Path(argv[0]) if argv else FOLDER
    for name, text in texts().items():
        (folder / name).write_text(text, encoding="utf-8")
        print(f"{folder.name}/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Run the measurements of speed in this folder, one after another: make bench"""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main() -> None:
    for script in sorted([*FOLDER.glob("[a-z]*_cpu.py"), FOLDER / "train.py"]):
        print(f"\n== {script.name}", flush=True)
        subprocess.run([sys.executable, str(script), *sys.argv[1:]], check=True)


if __name__ == "__main__":
    main()

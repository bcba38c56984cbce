"""How long `import toolkit` takes beside `import polars`, in fresh processes, interleaved.

python benchmarks/bench_import.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time


def time_import(statement: str) -> float:
    """Seconds of one fresh process that runs a statement, less nothing: interpreter start-up included."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - began


def main() -> None:
    """Print medians of eleven interleaved runs, and the ratio."""
    statements = {"pass": [], "import toolkit": [], "import polars": []}
    for _ in range(11):
        for statement, seconds in statements.items():
            seconds.append(time_import(statement))
    bare = statistics.median(statements["pass"])
    for statement, seconds in statements.items():
        middle = statistics.median(seconds)
        print(f"{statement:16s} median {middle:.3f} s (min {min(seconds):.3f}, max {max(seconds):.3f})")
    ours, theirs = (statistics.median(statements[s]) - bare for s in ("import toolkit", "import polars"))
    print(f"above a bare interpreter: toolkit {ours:.3f} s, polars {theirs:.3f} s, ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main()

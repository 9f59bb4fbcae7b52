"""The most that one core computes: products and sums in double precision, from a loop of nothing else."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from carnallite.physiology.generate.compiler import find_compiler, variants

CHAINS = 12  # independent ones, enough to keep all units busy
SOURCE = """
#include <stdio.h>
#include <time.h>
typedef double V __attribute__((vector_size(8 * LANES)));
int main(void)
{
    double best = 0;
    V x = (V){} + 0.999, z = (V){} + 1e-3, %(names)s;
    for (int repeat = 0; repeat < 5; repeat++) {
        struct timespec from, to;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
        for (long k = 0; k < 20000000; k++) { %(work)s }
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
        double spent = (to.tv_sec - from.tv_sec) + 1e-9 * (to.tv_nsec - from.tv_nsec);
        double rate = 2.0 * LANES * %(chains)d * 20000000 / spent;
        if (rate > best) best = rate;
    }
    V sum = %(sum)s;
    printf("%%g %%g\\n", best, sum[0]);
}
"""


def flops(variant: str) -> float:
    """Return operations per second, a product with a sum counted as two."""
    names = [f"a{i}" for i in range(CHAINS)]
    text = SOURCE % {
        "names": ", ".join(f"{name} = (V){{}} + {i}" for i, name in enumerate(names)),
        "work": " ".join(f"{name} = {name} * x + z;" for name in names),
        "chains": CHAINS,
        "sum": " + ".join(names),
    }
    with tempfile.TemporaryDirectory() as folder:
        code, program = Path(folder) / "peak.c", Path(folder) / "peak"
        code.write_text(text)
        flags = ["-O2", "-ffp-contract=fast", "-Wno-psabi", *variants()[variant]]
        subprocess.run([*find_compiler(), *flags, "-o", str(program), str(code)], check=True)
        return float(subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()[0])

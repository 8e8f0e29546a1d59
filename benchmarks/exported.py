"""CatBoost's exported C++, compiled here: the score alone, the least that this model can cost anyone who calls it from Python.

Compiled by g++ with -O3, and with -march=native besides; both are timed and the faster one counts. What is added to the export is one
function with C linkage, which puts the row into the vector that the export asks for without allocating it anew, and one that loops over
rows inside compiled code. Called through ctypes, with the address of the row made beforehand (cffi took as long).
"""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.form import Call
from benchmarks.models import NUMBERS, Matrix, Spec, export_catboost

FLAGS = {"-O3": ["-O3"], "-O3 -march=native": ["-O3", "-march=native"]}

_DOOR = f"""
extern "C" double score_row(const float* row) {{
    static thread_local std::vector<float> features({NUMBERS});
    features.assign(row, row + {NUMBERS});
    return ApplyCatboostModel(features);
}}

extern "C" void score_rows(const float* rows, long count, double* scores) {{
    for (long i = 0; i < count; ++i) scores[i] = score_row(rows + i * {NUMBERS});
}}
"""


class Exported:
    """One compiled export; give it C-contiguous float32 rows of numbers."""

    def __init__(self, library: Path) -> None:
        loaded = ctypes.CDLL(str(library))
        self._score_row = loaded.score_row
        self._score_row.restype, self._score_row.argtypes = ctypes.c_double, [ctypes.c_void_p]
        self._score_rows = loaded.score_rows
        self._score_rows.restype, self._score_rows.argtypes = None, [ctypes.c_void_p, ctypes.c_long, ctypes.c_void_p]

    def row_call(self, matrix: Matrix) -> Call:
        """Call `i` scores row i of `matrix`, counted round and round."""
        addresses = [row.ctypes.data for row in matrix]
        score_row, count = self._score_row, len(addresses)

        def call(i: int, _kept: Matrix = matrix) -> object:
            return score_row(addresses[i % count])

        return call

    def score(self, matrix: Matrix) -> NDArray[np.float64]:
        """Scores of all rows, looped over in compiled code; float64[n]."""
        scores = np.empty(len(matrix))
        self._score_rows(matrix.ctypes.data, len(matrix), scores.ctypes.data)
        return scores


def compile_exports(spec: Spec) -> dict[str, Exported]:
    """The export compiled with each set of flags, by its flags; nothing where there is no g++."""
    compiler = shutil.which("g++")
    if compiler is None:
        return {}
    source = export_catboost(spec, "cpp")
    whole = source.with_name("exported.cpp")
    whole.write_text(source.read_text() + _DOOR)
    found = {}
    for number, (name, flags) in enumerate(FLAGS.items()):
        library = source.with_name(f"exported{number}.so")
        subprocess.run([compiler, *flags, "-shared", "-fPIC", "-o", str(library), str(whole)], check=True)
        found[name] = Exported(library)
    return found

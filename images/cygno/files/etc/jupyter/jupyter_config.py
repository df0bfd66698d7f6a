"""What this image offers where CVMFS is mounted; every Jupyter program of it reads this.

The kernels of ROOT and of Garfield++ come from an LCG view: they are on Jupyter's path
only if the view has what they need. Geant4 finds its physics data on CVMFS too, and is
told where also if they are not there: otherwise importing it would ask a question that
nobody sees.
"""

import os
import sys
from pathlib import Path

VIEW = "/cvmfs/sft.cern.ch/lcg/views/LCG_106/x86_64-el9-gcc13-opt"
GEANT4_DATA = "/cvmfs/geant4.cern.ch/share/data"
# Kernel to the files of the view of which one must be there.
NEEDED = {
    "root": ("bin/root",),
    "garfield": ("lib64/libGarfield.so", "lib/libGarfield.so"),
}


def is_there(file: str) -> bool:
    """Tell whether the view has a file; a CVMFS that is broken has none."""
    return os.path.exists(f"{view}/{file}")  # noqa: PTH110 - Path.exists would raise


view = os.environ.setdefault("AF_LCG_VIEW", VIEW)
os.environ.setdefault("GEANT4_DATA_DIR", GEANT4_DATA)

kernels = Path(sys.prefix, "share", "jupyterhub-af", "lcg")
offered = [
    str(kernels / name)
    for name, files in NEEDED.items()
    if is_there("setup.sh") and any(is_there(file) for file in files)
]
known = [path for path in os.environ.get("JUPYTER_PATH", "").split(os.pathsep) if path]
paths = dict.fromkeys([*known, *offered])
if paths:
    os.environ["JUPYTER_PATH"] = os.pathsep.join(paths)
